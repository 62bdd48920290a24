//! What is seen of the play so far.

use super::board::Errors;
use super::cast::Actor;
use crate::proto::{Event, Slot};
use crate::report::{Book, LogWriter, Report};
use crate::time::{Offset, Raw, Span, Time};
use crate::wire::NodeId;

/// How often a report goes to the log file.
const REPORT_INTERVAL: Span = Span::from_secs(1);

/// What is known of one node.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) actor: Actor,
    /// What its clock shows minus cluster time, by the master's estimate.
    pub(super) estimate: Option<Offset>,
    /// What the master knows of it besides; none of the master itself.
    pub(super) slot: Option<Slot>,
    pub(super) silent: bool,
    pub(super) steps: u32,
}

/// What is seen of the play so far.
pub(super) struct Scene {
    nodes: Vec<Seen>,
    round: u32,
    book: Book,
    log: Option<LogWriter>,
    log_failure: Option<String>,
    began: Time<Raw>,
    now: Time<Raw>,
    recorded: Time<Raw>,
    first: Errors,
    last: Errors,
}

impl Scene {
    /// The scene before anything happens, at `now`.
    pub(super) fn new(
        cast: Vec<Actor>,
        errors: Errors,
        now: Time<Raw>,
        log: Option<LogWriter>,
    ) -> Self {
        let mut book = Book::new(cast.len());
        for actor in &cast[1..] {
            book.add(actor.identity.id.0, actor.identity.name.as_str());
        }
        let seen = |actor| Seen { actor, estimate: None, slot: None, silent: false, steps: 0 };
        Self {
            nodes: cast.into_iter().map(seen).collect(),
            round: 0,
            book,
            log,
            log_failure: None,
            began: now,
            now,
            recorded: now,
            first: errors.clone(),
            last: errors,
        }
    }

    /// Takes note of what `node` tells; true where a round was closed by it.
    pub(super) fn note(&mut self, node: usize, event: &Event) -> bool {
        match event {
            Event::Exchange(m) => self.book.record_exchange(m.id.0, m.round_trip, m.noise),
            Event::Slot(slot) => {
                if let Some(offset) = slot.offset {
                    self.book.record_offset(slot.id.0, offset);
                }
                self.change(slot.id, |seen| {
                    seen.estimate = slot.offset;
                    seen.slot = Some(*slot);
                });
            }
            Event::Unreachable(who) => self.change(who.id, |seen| seen.silent = true),
            Event::Reachable(who) => self.change(who.id, |seen| seen.silent = false),
            Event::Stepped { .. } => self.nodes[node].steps += 1,
            Event::Round(round) => {
                self.round += 1;
                self.nodes[node].estimate = Some(round.offset);
                return true;
            }
            _ => {}
        }
        false
    }

    fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.nodes.iter_mut().find(|seen| seen.actor.identity.id == id) {
            change(seen);
        }
    }

    /// Takes note of the truth at `now`.
    pub(super) fn see(&mut self, now: Time<Raw>, errors: Errors) {
        (self.now, self.last) = (now, errors);
        if now.since(self.recorded) >= REPORT_INTERVAL {
            self.record();
        }
    }

    /// Nothing more will be seen: the last report.
    pub(super) fn close(&mut self) {
        self.record();
    }

    fn record(&mut self) {
        let (from, to) = (self.recorded.since(self.began), self.now.since(self.began));
        if let Some(log) = &mut self.log {
            self.log_failure = log.write(&self.book, from, to).err().map(|why| why.to_string());
        }
        self.book.roll();
        self.recorded = self.now;
    }

    /// The nodes, the master first.
    pub(super) fn nodes(&self) -> &[Seen] {
        &self.nodes
    }

    /// Rounds closed so far.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// How long it lasts so far.
    pub(super) fn age(&self) -> Span {
        self.now.since(self.began)
    }

    /// The truth at the start.
    pub(super) fn first(&self) -> &Errors {
        &self.first
    }

    /// The truth when last looked.
    pub(super) fn last(&self) -> &Errors {
        &self.last
    }

    /// What was measured in all.
    pub(super) fn report(&self) -> Report {
        self.book.total()
    }

    /// Why the report could not be written, if so.
    pub(super) fn log_failure(&self) -> Option<&str> {
        self.log_failure.as_deref()
    }
}
