//! What is on the screen, without the screen.

use std::collections::{BTreeMap, VecDeque};

use super::watch::{Seen, Snapshot};
use crate::outlet::Member;

/// Offsets of a member that are kept to be drawn.
const HISTORY: usize = 240;

/// What somebody pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Sort,
}

/// The order of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Order {
    #[default]
    Name,
    Offset,
    RoundTrip,
    State,
}

impl Order {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Offset => "offset",
            Self::RoundTrip => "round trip",
            Self::State => "state",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Name => Self::Offset,
            Self::Offset => Self::RoundTrip,
            Self::RoundTrip => Self::State,
            Self::State => Self::Name,
        }
    }
}

/// All that is known and where the eye is.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) snapshot: Option<Snapshot>,
    /// Why the daemon cannot be asked; what is shown is old then.
    pub(super) away: Option<String>,
    pub(super) order: Order,
    /// The first member shown, and how many fit; the screen knows.
    pub(super) top: usize,
    pub(super) page: usize,
    histories: BTreeMap<String, VecDeque<Option<f64>>>,
}

impl Board {
    /// Takes in what was seen.
    pub(super) fn take(&mut self, seen: Seen) {
        let snapshot = match seen {
            Ok(snapshot) => *snapshot,
            Err(why) => {
                self.away = Some(why);
                return;
            }
        };
        self.away = None;
        let here = |id: &String| snapshot.members.iter().any(|m| m.node.id == *id);
        if self.histories.len() > snapshot.members.len() {
            self.histories.retain(|id, _| here(id));
        }
        for member in &snapshot.members {
            let history = self.histories.entry(member.node.id.clone()).or_default();
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(member.offset_s);
        }
        self.snapshot = Some(snapshot);
        self.sort();
    }

    /// Does what a key means.
    pub(super) fn press(&mut self, key: Key) {
        let most = self.members().len().saturating_sub(self.page.max(1));
        self.top = match key {
            Key::Up => self.top.saturating_sub(1),
            Key::Down => self.top + 1,
            Key::PageUp => self.top.saturating_sub(self.page.max(1)),
            Key::PageDown => self.top + self.page.max(1),
            Key::Home => 0,
            Key::End => most,
            Key::Sort | Key::Quit => self.top,
        }
        .min(most);
        if key == Key::Sort {
            self.order = self.order.next();
            self.sort();
        }
    }

    /// How many members fit on the screen now.
    pub(super) fn fit(&mut self, page: usize) {
        self.page = page;
        self.top = self.top.min(self.members().len().saturating_sub(page));
    }

    pub(super) fn members(&self) -> &[Member] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.members)
    }

    /// The newest offsets of a member, the newest last.
    pub(super) fn history(&self, id: &str) -> impl DoubleEndedIterator<Item = Option<f64>> {
        self.histories.get(id).into_iter().flatten().copied()
    }

    fn sort(&mut self) {
        let order = self.order;
        let Some(snapshot) = &mut self.snapshot else { return };
        let size = |value: Option<f64>| value.map_or(-1.0, f64::abs);
        snapshot.members.sort_by(|a, b| {
            let by = match order {
                Order::Name => std::cmp::Ordering::Equal,
                Order::Offset => size(b.offset_s).total_cmp(&size(a.offset_s)),
                Order::RoundTrip => size(b.round_trip_s).total_cmp(&size(a.round_trip_s)),
                Order::State => a.state.cmp(&b.state),
            };
            // Ourselves and our master come first where only the name decides.
            let rank = |m: &Member| u8::from(m.relation == "member");
            by.then_with(|| rank(a).cmp(&rank(b))).then_with(|| a.node.node.cmp(&b.node.node))
        });
    }
}
