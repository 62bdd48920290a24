//! Watches a master or a slave: prints, counts and records what it tells.

mod people;
mod sums;

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::budget::Budget;
use super::daemon;
use super::failure::Failure;
use super::flags::{Detail, OutputFlags};
use super::out::Out;
use super::record::{self, Body, Line};
use super::roster::Roster;
use super::service::Service;
use super::state::Drift;
use super::trust::KeySource;
use super::words::{self, Scene, Weight};
use crate::clock::Interference;
use crate::net::{Missing, Moment, NetStats, Observer};
use crate::proto::{Counters, Event};
use crate::report::{Book, LogWriter, human_count};
use crate::time::{Local, Map, Rate, Raw, Shown, Span, Time};
use crate::wire::{Keyring, Name, NodeId};

/// Which side of the protocol a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    Slave,
}

impl Role {
    /// What people call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Slave => "slave",
        }
    }
}

/// What a journal is told at its start.
pub(super) struct Heading {
    pub(super) role: Role,
    pub(super) own: NodeId,
    /// Where masters are looked for, as it was typed.
    pub(super) masters: String,
    pub(super) started: Time<Local>,
    /// Where the learned rate is kept.
    pub(super) state_dir: Option<PathBuf>,
    /// Slaves that get histograms of their own.
    pub(super) subjects: usize,
    /// Members other than this node that are taken for references.
    pub(super) references: Vec<Name>,
}

/// Prints, counts and records what a node tells.
pub(super) struct Journal {
    heading: Heading,
    detail: Detail,
    json: bool,
    every: Span,
    out: Out,
    book: Book,
    log: Option<LogWriter>,
    log_failure: Option<Failure>,
    drift: Option<Drift>,
    drift_failure: Option<Failure>,
    service: Service,
    begun: bool,
    roster: Roster,
    status: Option<String>,
    /// When the interval that is being measured began, and when it shall end.
    since: Time<Local>,
    until: Time<Local>,
    dropped: u64,
    key_source: Option<KeySource>,
    lines: Budget,
}

impl Journal {
    pub(super) fn new(heading: Heading, flags: &OutputFlags, log: Option<LogWriter>) -> Self {
        Self {
            detail: flags.detail(),
            json: flags.json,
            every: flags.report_interval,
            out: Out::unhurried(),
            book: Book::new(heading.subjects),
            log,
            log_failure: None,
            drift: heading.state_dir.as_deref().map(Drift::new),
            drift_failure: None,
            service: Service::find(heading.started),
            begun: false,
            roster: Roster::new(
                flags.json || flags.detail() == Detail::Verbose || !heading.references.is_empty(),
            ),
            status: None,
            since: heading.started,
            until: heading.started + flags.report_interval,
            dropped: 0,
            key_source: None,
            lines: Budget::default(),
            heading,
        }
    }

    /// Says something that no event of the core stands behind: `body` to programs, `text` to
    /// people.
    pub(super) fn say(&mut self, event: &'static str, body: Body<'_>, text: &str) {
        if self.json {
            self.out.json(&Line::other(event, Span::ZERO, body));
        } else if self.detail > Detail::Quiet || event == "warning" {
            self.out.log(Span::ZERO, text);
        }
    }

    /// Says that nobody can ask this node anything, and why: to people who want to hear only of
    /// what goes wrong too, where it does.
    pub(super) fn without_control(&mut self, reason: &str, weight: Weight) {
        if self.json {
            let body = Body::Control { path: None, reason: Some(reason) };
            self.out.json(&Line::other("control", Span::ZERO, body));
        } else if self.detail > Detail::Quiet || weight == Weight::Warning {
            self.out.log(Span::ZERO, reason);
        }
    }

    /// Where keys are read anew at SIGHUP.
    pub(super) fn read_keys_from(&mut self, source: Option<KeySource>) {
        self.key_source = source;
    }

    /// How it ended.
    ///
    /// # Errors
    /// Where something could not be printed or recorded.
    pub(super) fn end(self) -> Result<(), Failure> {
        let failure = self.log_failure.or(self.drift_failure);
        self.out.end().and(failure.map_or(Ok(()), Err))
    }

    fn age(&self, now: Time<Local>) -> Span {
        now.since(self.heading.started)
    }

    /// Counts and records an event.
    fn measure(&mut self, event: &Event) {
        self.roster.note(event);
        self.change_role(event);
        match event {
            Event::Joined(who) => {
                self.book.add(who.id.0, who.name.as_str());
            }
            Event::Restarted(who) => self.book.rename(who.id.0, who.name.as_str()),
            Event::Left { who, .. } => self.book.remove(who.id.0),
            Event::Exchange(m) => self.book.record_exchange(m.id.0, m.round_trip, m.noise),
            Event::Slot(slot) => {
                if let Some(offset) = slot.offset {
                    self.book.record_offset(slot.id.0, offset);
                }
            }
            Event::Adjusted(adjusted) => {
                self.book.record_offset(self.heading.own.0, adjusted.offset);
                self.status = Some(words::adjusted(adjusted));
            }
            Event::Round(round) => self.status = Some(words::round(round)),
            Event::Alone => self.status = Some("alone: no slave is here".to_owned()),
            Event::MasterLeft { .. } | Event::MasterSilent(_) | Event::NoMaster => {
                self.status = Some("no master: the clock runs on at its learned rate".to_owned());
            }
            _ => {}
        }
    }

    /// Takes note of who we are from now on.
    fn change_role(&mut self, event: &Event) {
        match event {
            Event::Elected { .. } => self.heading.role = Role::Master,
            Event::Inherited { members } => {
                for who in members {
                    self.book.add(who.id.0, who.name.as_str());
                }
            }
            Event::Yielded { .. } => {
                self.heading.role = Role::Slave;
                self.book.remove_all();
                self.roster.clear();
            }
            _ => {}
        }
    }

    fn tell(&mut self, event: &Event, age: Span) {
        if self.json {
            let is_single = matches!(event, Event::Exchange(_));
            if !is_single || self.detail == Detail::Verbose {
                let name = named(event).map_or_else(String::new, |id| self.roster.name(id));
                if let Some(line) = Line::of(event, age, &name) {
                    self.out.json(&line);
                }
            }
            return;
        }
        let least = match self.detail {
            Detail::Quiet => Weight::Warning,
            Detail::Usual => Weight::News,
            Detail::Verbose => Weight::Routine,
        };
        if words::weight(event) >= least {
            let name_of = |id| self.roster.name(id);
            let heading = &self.heading;
            let scene = Scene { own: heading.own, name_of: &name_of, masters: &heading.masters };
            let sentence = words::sentence(event, &scene);
            if let Some(sentence) = sentence.filter(|_| self.lines.allows(age)) {
                self.out.log(age, &sentence);
            }
        }
    }

    /// Another master's rates come.
    fn unlearn(&mut self) {
        self.drift.iter_mut().for_each(Drift::begin_anew);
    }

    /// Keeps what was learned of our own rate.
    fn learn(&mut self, now: Time<Local>, rate: Rate) {
        let kept = self.drift.as_mut().map_or(Ok(()), |drift| drift.learn(now, rate));
        self.note_drift(now, kept);
    }

    fn note_drift(&mut self, now: Time<Local>, kept: Result<(), Failure>) {
        self.drift_failure = kept.err();
        if let Some(failure) = &self.drift_failure {
            let text = failure.text().to_owned();
            self.warn(self.age(now), &text);
        }
    }

    fn warn(&mut self, age: Span, text: &str) {
        if self.json {
            self.out.json(&Line::other("warning", age, Body::Warning { text }));
        } else {
            self.out.log(age, text);
        }
    }

    /// Says what whoever reads this too slowly has missed.
    fn own_up(&mut self, age: Span) {
        let missed = self.out.left_out();
        if missed > 0 {
            let text = format!(
                "{} lines were left out here: their reader is too slow",
                human_count(missed)
            );
            self.warn(age, &text);
        }
    }

    /// Once there is a cluster: of whom is expected in it and is not.
    fn miss_references(&mut self, age: Span) {
        let missing = |name: &&Name| !self.roster.has(name);
        let missing: Vec<_> = self.heading.references.iter().filter(missing).cloned().collect();
        for name in missing {
            let text = format!(
                "--reference {name}: no member is called so yet; until one is, cluster time does \
                 not lean to it"
            );
            self.warn(age, &text);
        }
    }

    /// Keeps what matters to people in the log file, if there is one, for the interval that is
    /// open.
    fn chronicle(&mut self, event: &Event, age: Span) {
        let Some(log) = &mut self.log else { return };
        if words::weight(event) < Weight::News {
            return;
        }
        let name_of = |id| self.roster.name(id);
        let heading = &self.heading;
        let scene = Scene { own: heading.own, name_of: &name_of, masters: &heading.masters };
        let kind = Line::of(event, age, "").map(|line| line.event());
        if let Some((kind, sentence)) = kind.zip(words::sentence(event, &scene)) {
            log.event(age, kind, &sentence);
        }
    }

    /// Begins the next interval.
    fn roll(&mut self, now: Time<Local>) {
        self.book.roll();
        self.since = now;
    }

    /// Goes on in a new log file, where there is one.
    fn rotate(&mut self, now: Time<Local>) {
        if self.log.is_none() {
            return;
        }
        // The open interval ends in the old file: what is measured is in one of the two.
        self.record(now);
        self.roll(now);
        let rotated = self.log.as_mut().map_or(Ok(()), LogWriter::rotate);
        if let Err(error) = rotated {
            let text = format!("{error}; going on in the file before");
            self.warn(self.age(now), &text);
        }
    }

    /// The keys as their file holds them now; none where there is no file, or it cannot be used.
    fn read_keys(&mut self, age: Span) -> Option<Keyring> {
        match self.key_source.as_ref()?.read() {
            Ok(keys) => {
                let count = keys.holders().count();
                let (id, _) = keys.holders().next()?;
                if self.json {
                    let body = Body::Keys { count, sealing: id.0 };
                    self.out.json(&Line::other("keys", age, body));
                } else if self.detail > Detail::Quiet {
                    self.out.log(age, &format!("keys read anew: {}", daemon::keys(count, id)));
                }
                Some(keys)
            }
            Err(why) => {
                let text = format!("{}; going on with the old keys", why.text());
                self.warn(age, &text);
                None
            }
        }
    }

    /// Writes the interval that ends `now` to the log file, if there is one.
    fn record(&mut self, now: Time<Local>) {
        let (from, to) = (self.age(self.since), self.age(now));
        let Some(writer) = &mut self.log else { return };
        if let Err(error) = writer.write(&self.book, from, to) {
            let text = error.to_string();
            self.warn(to, &text);
            // However the next ones fare, this interval is missing.
            self.log_failure = Some(Failure::failed(text));
        }
    }
}

impl Observer for Journal {
    fn event(&mut self, moment: &Moment, event: &Event) {
        // Who left is named by the roster until it has been said.
        let leaves = matches!(event, Event::Left { .. });
        if !leaves {
            self.measure(event);
        }
        match event {
            Event::Following(_) => self.unlearn(),
            Event::Adjusted(adjusted) => self.learn(moment.local, adjusted.rate),
            Event::Round(round) => self.learn(moment.local, round.rate),
            _ => {}
        }
        let age = self.age(moment.local);
        self.tell(event, age);
        self.chronicle(event, age);
        if matches!(event, Event::Formed { .. }) {
            self.miss_references(age);
        }
        if leaves {
            self.measure(event);
        }
    }

    fn course(&mut self, moment: &Moment, course: &Map<Raw, Shown>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.service.ready();
        }
        if self.json {
            let age = self.age(moment.local);
            self.out.json(&Line::other("course", age, record::course(course)));
        }
    }

    fn interference(&mut self, moment: &Moment, found: &Interference, shared: bool) {
        let age = self.age(moment.local);
        if self.json {
            let body = record::interference(found, shared);
            self.out.json(&Line::other("interference", age, body));
        } else {
            self.out.log(age, &words::interference(found, shared));
        }
    }

    fn unstamped(&mut self, moment: &Moment, missing: Missing) {
        let age = self.age(moment.local);
        if self.json {
            self.out.json(&Line::other("unstamped", age, record::unstamped(missing)));
        } else {
            self.out
                .log(age, &format!("{missing}: the daemon's own, less exact, are used instead"));
        }
    }

    fn deadline(&self) -> Option<Time<Local>> {
        // Once nobody reads any more the node ends at once.
        let gone = self.out.failure().is_some();
        let next = self.service.deadline().map_or(self.until, |due| due.min(self.until));
        Some(if gone { self.heading.started } else { next })
    }

    fn due(&mut self, moment: &Moment, counters: &Counters, net: &NetStats) -> ControlFlow<()> {
        if self.out.failure().is_some() {
            return ControlFlow::Break(());
        }
        let status = self.status.as_deref().unwrap_or("nothing measured yet");
        self.service.beat(moment.local, status);
        if moment.local < self.until {
            return ControlFlow::Continue(());
        }
        let age = self.age(moment.local);
        self.own_up(age);
        self.record(moment.local);
        if self.json {
            let interval = self.book.interval();
            let body = record::report(counters, net, &interval);
            self.out.json(&Line::other("report", age, body));
        } else if self.detail > Detail::Quiet {
            self.interval_for_people(age, counters);
        }
        self.roll(moment.local);
        self.until = next(self.until, self.every, moment.local);
        ControlFlow::Continue(())
    }

    fn hangup(&mut self, moment: &Moment) -> Option<Keyring> {
        self.rotate(moment.local);
        self.read_keys(self.age(moment.local))
    }

    fn finish(&mut self, moment: &Moment, counters: &Counters, net: &NetStats) {
        self.service.stopping();
        let age = self.age(moment.local);
        let kept = self.drift.as_ref().map_or(Ok(()), Drift::keep);
        self.note_drift(moment.local, kept);
        self.own_up(age);
        self.record(moment.local);
        if self.json {
            let total = self.book.total();
            let body = record::report(counters, net, &total);
            self.out.json(&Line::other("end", age, body));
        } else {
            self.total_for_people(age, counters, net);
        }
    }
}

/// The first instant after `now` on the beat that `every` makes from `last` on.
fn next(last: Time<Local>, every: Span, now: Time<Local>) -> Time<Local> {
    let missed = now.since(last).as_nanos() / every.as_nanos();
    last + every + Span::from_nanos(missed.saturating_mul(every.as_nanos()))
}

/// The slave that an event names by its id alone.
fn named(event: &Event) -> Option<NodeId> {
    match event {
        Event::Slot(slot) => Some(slot.id),
        Event::Exchange(measured) => Some(measured.id),
        _ => None,
    }
}
