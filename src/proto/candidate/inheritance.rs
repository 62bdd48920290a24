//! What a standby keeps of what its master tells, to go on from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Event, Local, MasterSettings, NodeId, Time};
use crate::proto::event::Who;
use crate::proto::master::Will;
use crate::proto::settings::Average;
use crate::time::Span;
use crate::wire::{Announce, Entry};

/// Lines that are kept: as many as a master may have members.
const MAX_LINES: usize = 10_001;
/// A line that was not renewed for so many turns of the table is of one that has left.
const TURNS: u32 = 3;
/// No master sends a line less often than each so many rounds, times the length of its table.
const SLACK: u32 = 8;

/// The master's table and ways, as far as they were told.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    master: Option<NodeId>,
    lines: BTreeMap<NodeId, Entry>,
    newest: u32,
    ways: Option<(Time<Local>, Announce)>,
}

impl Inheritance {
    /// Takes a line in; whether it is of a member that was not known.
    pub(super) fn note(&mut self, master: NodeId, entry: &Entry) -> bool {
        if self.master != Some(master) {
            self.master = Some(master);
            self.lines.clear();
            self.newest = 0;
        }
        self.newest = self.newest.max(entry.round);
        let known = self.lines.get(&entry.id);
        // An older line came late.
        if known.is_some_and(|known| known.round > entry.round) {
            return false;
        }
        if known.is_none() && self.lines.len() >= MAX_LINES {
            return false;
        }
        self.lines.insert(entry.id, entry.clone()).is_none()
    }

    /// How the master does things.
    pub(super) fn brief(&mut self, now: Time<Local>, announce: &Announce) {
        self.ways = Some((now, *announce));
    }

    /// The settings of its successor.
    pub(super) fn settings(&self, own: &MasterSettings) -> MasterSettings {
        let own = own.clone();
        let Some((_, ways)) = &self.ways else { return own };
        let range = MasterSettings::MIN_INTERVAL..=MasterSettings::MAX_INTERVAL;
        if !range.contains(&ways.interval) || ways.burst > MasterSettings::MAX_BURST {
            return own;
        }
        MasterSettings {
            interval: ways.interval,
            burst: ways.burst,
            tolerance: ways.tolerance,
            max_rtt: ways.max_rtt,
            average: match ways.average {
                0 => Average::Plain,
                1 => Average::Trimmed,
                _ => Average::Ensemble,
            },
            ..own
        }
    }

    /// All that is needed to go on; `predecessor` is where the last master is reached.
    pub(super) fn will(&self, now: Time<Local>, predecessor: Option<SocketAddr>) -> Will {
        let newest = self.newest;
        let fresh = |entry: &&Entry| {
            let turn = u32::from(entry.total).saturating_mul(TURNS).saturating_add(SLACK);
            newest.saturating_sub(entry.round) <= turn
        };
        let age = self.ways.map_or(Span::ZERO, |(at, ways)| ways.age + now.since(at));
        let entries = self.lines.values().filter(fresh).cloned().collect();
        Will { entries, predecessor, age }
    }

    /// Members that may have heard a master.
    pub(super) fn witnesses(&self, own: NodeId) -> Vec<(NodeId, SocketAddr)> {
        let others = self.lines.values().filter(|entry| entry.id != own);
        others.filter_map(|entry| Some((entry.id, entry.addr?))).collect()
    }

    /// Calls those by their names whom the election knows by their addresses alone.
    pub(super) fn name(&self, event: &mut Event) {
        let name = |who: &mut Who| {
            if let Some(entry) = self.lines.get(&who.id) {
                who.name = entry.name.clone();
            }
        };
        match event {
            Event::StoodBack { by, master } => {
                name(by);
                name(master);
            }
            Event::Yielded { to: Some(who), .. } | Event::Outbid { rival: who, .. } => name(who),
            _ => {}
        }
    }
}
