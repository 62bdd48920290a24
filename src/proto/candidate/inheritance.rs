//! What a standby keeps of what its master tells, to go on from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Event, Local, MasterSettings, NodeId, Time};
use crate::proto::event::Who;
use crate::proto::master::Will;
use crate::proto::settings::Average;
use crate::time::Span;
use crate::wire::{Announce, BootId, Entry, Header, Term};

/// Lines that are kept: as many as a master may have members.
const MAX_LINES: usize = 10_001;
/// A line that was not renewed for so many turns of the table is of one that has left.
const TURNS: u32 = 3;
/// No master sends a line less often than each so many rounds, times the length of its table.
const SLACK: u32 = 8;

/// Whose table it is: in one reign a life counts its rounds on, and a master's own line names no address.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Author {
    id: NodeId,
    boot: BootId,
    term: Term,
    addr: SocketAddr,
}

/// The master's table and ways, as far as they were told.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    author: Option<Author>,
    lines: BTreeMap<NodeId, Entry>,
    newest: u32,
    ways: Option<(Time<Local>, Announce)>,
}

impl Inheritance {
    /// Takes a line of our master's in; whether there is a member more by it, or one less.
    pub(super) fn note(&mut self, from: SocketAddr, header: &Header, entry: &Entry) -> bool {
        let Header { sender: id, boot, term, .. } = *header;
        let author = Author { id, boot, term, addr: from };
        match self.author {
            Some(before) if (before.id, before.boot) == (id, boot) => {
                if author.term < before.term {
                    return false;
                }
                // Who is elected again counts its rounds anew, who takes a higher term and goes on does not.
                // (Who is not heard before it has counted further than ever before passes for the latter;
                // then those that have left meanwhile are kept for the turns that any line is.)
                if author.term > before.term && entry.round < self.newest {
                    self.newest = 0;
                    self.lines.values_mut().for_each(|line| line.round = 0);
                }
            }
            _ => {
                self.newest = 0;
                self.lines.clear();
            }
        }
        self.author = Some(author);
        self.newest = self.newest.max(entry.round);
        let known = self.lines.get(&entry.id);
        // An older line came late.
        if known.is_some_and(|known| known.round > entry.round) {
            return false;
        }
        if entry.has_left(id) {
            let known = known.is_some_and(|known| known.boot == entry.boot);
            return known && self.lines.remove(&entry.id).is_some();
        }
        if known.is_none() && self.lines.len() >= MAX_LINES {
            return false;
        }
        self.lines.insert(entry.id, entry.clone()).is_none()
    }

    /// The member `id` has left, as it says itself.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.lines.remove(&id);
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

    /// All that is needed to go on.
    pub(super) fn will(&self, now: Time<Local>) -> Will {
        let newest = self.newest;
        let fresh = |entry: &&Entry| {
            let turn = u32::from(entry.total).saturating_mul(TURNS).saturating_add(SLACK);
            newest.saturating_sub(entry.round) <= turn
        };
        let age = self.ways.map_or(Span::ZERO, |(at, ways)| ways.age + now.since(at));
        let entries = self.lines.values().filter(fresh).cloned().collect();
        Will { entries, author: self.author.map(|author| author.addr), age }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Name, Rank, Standing};

    const MASTER: NodeId = NodeId(7);

    fn addr(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 7045))
    }

    fn header(term: u32) -> Header {
        let (sender, receiver, boot) = (MASTER, NodeId(9), BootId(1));
        Header { sender, receiver, boot, term: Term(term), rank: Rank(1), sequence: 1 }
    }

    fn line(id: NodeId, round: u32) -> Entry {
        Entry {
            addr: (id != MASTER).then_some(addr(40)),
            standing: Standing::Counted,
            total: 2,
            ..Entry::departed(round, id, BootId(1), Name::nearest("somebody"))
        }
    }

    #[test]
    fn the_author_of_the_table_is_reached_where_the_table_came_from() {
        let mut kept = Inheritance::default();
        assert_eq!(kept.will(Time::from_nanos(0)).author, None);
        kept.note(addr(7), &header(1), &line(MASTER, 5));
        assert_eq!(kept.will(Time::from_nanos(0)).author, Some(addr(7)));
    }

    #[test]
    fn a_new_reign_of_the_same_master_is_heard_though_its_rounds_begin_anew() {
        let mut kept = Inheritance::default();
        let rounds = |kept: &Inheritance| {
            let lines = kept.will(Time::from_nanos(0)).entries;
            lines.iter().map(|line| (line.id, line.round)).collect::<Vec<_>>()
        };
        kept.note(addr(7), &header(1), &line(MASTER, 900));
        assert!(kept.note(addr(7), &header(1), &line(NodeId(8), 900)), "nobody knew it");
        assert!(!kept.note(addr(7), &header(3), &line(MASTER, 1)), "it is known");
        assert_eq!(rounds(&kept), [(MASTER, 1), (NodeId(8), 0)], "until it is told anew");
        kept.note(addr(7), &header(3), &line(MASTER, 40));
        assert_eq!(rounds(&kept), [(MASTER, 40)], "who is not told of any more has left");
        assert!(!kept.note(addr(7), &header(1), &line(NodeId(8), 901)), "it was overtaken");
        assert_eq!(rounds(&kept), [(MASTER, 40)]);
    }

    #[test]
    fn a_master_that_restarts_is_heard_whatever_its_term() {
        let mut kept = Inheritance::default();
        kept.note(addr(7), &header(5), &line(MASTER, 900));
        kept.note(addr(7), &header(5), &line(NodeId(8), 900));
        let reborn = Header { boot: BootId(2), ..header(1) };
        kept.note(addr(7), &reborn, &line(MASTER, 1));
        let lines = kept.will(Time::from_nanos(0)).entries;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].round, 1);
    }

    #[test]
    fn who_has_left_is_not_inherited() {
        let mut kept = Inheritance::default();
        let others = |kept: &Inheritance| {
            let lines = kept.will(Time::from_nanos(0)).entries;
            lines.iter().map(|line| line.id).filter(|id| *id != MASTER).collect::<Vec<_>>()
        };
        let departed =
            |round, boot| Entry::departed(round, NodeId(8), BootId(boot), Name::nearest("eight"));
        kept.note(addr(7), &header(1), &line(MASTER, 900));
        kept.note(addr(7), &header(1), &line(NodeId(8), 900));
        kept.note(addr(7), &header(1), &departed(899, 1));
        kept.note(addr(7), &header(1), &departed(900, 2));
        assert_eq!(others(&kept), [NodeId(8)], "an old word, and one of another life");
        assert!(kept.note(addr(7), &header(1), &departed(900, 1)), "one less");
        assert!(!kept.note(addr(7), &header(1), &departed(900, 1)), "it is gone already");
        assert_eq!(others(&kept), []);
        kept.note(addr(7), &header(1), &line(NodeId(8), 901));
        assert_eq!(others(&kept), [NodeId(8)], "it has come back");
    }

    #[test]
    fn a_master_that_goes_on_in_a_higher_term_keeps_its_table() {
        let mut kept = Inheritance::default();
        kept.note(addr(7), &header(1), &line(MASTER, 900));
        kept.note(addr(7), &header(1), &line(NodeId(8), 900));
        kept.note(addr(7), &header(2), &line(MASTER, 901));
        assert_eq!(kept.will(Time::from_nanos(0)).entries.len(), 2);
    }
}
