//! What the master knows of each slave, as a table for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use foldhash::fast::RandomState;

use super::words::standing;
use crate::proto::{BySource, Event, Slot, Who};
use crate::report::{human, human_offset, human_rate};
use crate::wire::{Name, NodeId};

/// Rows of the table; what is beyond is counted in one line.
const MOST_ROWS: usize = 64;
/// Slaves of which more is kept than that they are here, so that a hundred thousand take no room
/// for rows that nobody sees: the first that came, and who comes when one of them has left.
const MOST_ENTRIES: usize = 1_024;

#[derive(Debug)]
struct Entry {
    who: Who,
    silent: bool,
    restarts: u32,
    slot: Option<Slot>,
}

/// The slaves of a master, by what its events tell.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Looked up for every slot, and mostly in vain where there are many slaves.
    entries: HashMap<NodeId, Entry, RandomState>,
    /// How many slaves have no entry, and what they are called where somebody asks for that.
    others: usize,
    names: Option<BTreeMap<NodeId, Name>>,
}

impl Roster {
    /// Nobody is here; `named`: the names of all will be asked for.
    pub(super) fn new(named: bool) -> Self {
        Self { names: named.then(BTreeMap::new), ..Self::default() }
    }

    /// All are gone.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.names.is_some());
    }

    fn add(&mut self, who: &Who) {
        if self.entries.len() < MOST_ENTRIES || self.entries.contains_key(&who.id) {
            let entry = Entry { who: who.clone(), silent: false, restarts: 0, slot: None };
            self.entries.insert(who.id, entry);
            return;
        }
        self.others += 1;
        if let Some(names) = &mut self.names {
            names.insert(who.id, who.name.clone());
        }
    }

    fn remove(&mut self, id: NodeId) {
        if self.entries.remove(&id).is_none() {
            self.others = self.others.saturating_sub(1);
            self.names.as_mut().and_then(|names| names.remove(&id));
        }
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Joined(who) => self.add(who),
            Event::Inherited { members } => members.iter().for_each(|who| self.add(who)),
            Event::Left { who, .. } => self.remove(who.id),
            Event::Restarted(who) => {
                self.change(who, |entry| entry.restarts += 1);
            }
            Event::Moved { who, .. } => self.change(who, |_| ()),
            Event::Unreachable(who) => self.change(who, |entry| entry.silent = true),
            Event::Reachable(who) => self.change(who, |entry| entry.silent = false),
            Event::Slot(slot) => {
                if let Some(entry) = self.entries.get_mut(&slot.id) {
                    entry.slot = Some(*slot);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, who: &Who, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&who.id) {
            entry.who = who.clone();
            change(entry);
        } else if let Some(names) = &mut self.names {
            names.insert(who.id, who.name.clone());
        }
    }

    /// The name of a slave; its id where it is not here.
    pub(super) fn name(&self, id: NodeId) -> String {
        let entry = self.entries.get(&id).map(|entry| &entry.who.name);
        let name = entry.or_else(|| self.names.as_ref()?.get(&id));
        name.map_or_else(|| id.to_string(), Name::to_string)
    }

    /// Whether anybody here is called so, where the names of all are kept.
    pub(super) fn has(&self, name: &Name) -> bool {
        let others = self.names.iter().flat_map(BTreeMap::values);
        self.entries.values().map(|entry| &entry.who.name).chain(others).any(|one| one == name)
    }

    /// The table; empty where there are no slaves.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<_> = self.entries.values().collect();
        rows.sort_by(|a, b| (&a.who.name, a.who.id).cmp(&(&b.who.name, b.who.id)));
        let wide = |e: &&Entry| e.who.name.as_str().chars().count();
        let width = rows.iter().map(wide).max().unwrap_or(0).max(5);
        let mut table = String::new();
        if !rows.is_empty() {
            let _ = writeln!(
                table,
                "{:<width$}  {:<11}{:>6}{:>9}{:>9}{:>9}{:>10}{:>8}  stamps",
                "slave", "state", "reach", "offset", "5σ", "hard", "rate", "trip"
            );
        }
        for entry in rows.iter().take(MOST_ROWS) {
            let _ = writeln!(table, "{}", entry.row(width));
        }
        let more = rows.len().saturating_sub(MOST_ROWS) + self.others;
        if more > 0 {
            let _ = writeln!(table, "… and {more} more");
        }
        table
    }
}

impl Entry {
    fn row(&self, width: usize) -> String {
        let dash = || "-".to_owned();
        let slot = self.slot.as_ref();
        let state = match slot {
            _ if self.silent => "silent",
            Some(slot) => standing(slot.standing),
            None => "new",
        };
        let known = slot.filter(|slot| slot.offset.is_some());
        format!(
            "{:<width$}  {:<11}{:>6}{:>9}{:>9}{:>9}{:>10}{:>8}  {}{}{}",
            self.who.name,
            state,
            slot.map_or_else(dash, |slot| format!("{}/8", slot.reach.count_ones())),
            slot.and_then(|slot| slot.offset).map_or_else(dash, human_offset),
            known.map_or_else(dash, |slot| human(slot.likely_bound())),
            known.map_or_else(dash, |slot| human(slot.bound)),
            known.map_or_else(dash, |slot| human_rate(slot.rate)),
            slot.and_then(|slot| slot.round_trip).map_or_else(dash, human),
            slot.map_or_else(dash, |slot| mostly(&slot.stamps)),
            match slot.map_or(0, |slot| slot.steps) {
                0 => String::new(),
                1 => ", stepped once".to_owned(),
                n => format!(", stepped {n} times"),
            },
            match self.restarts {
                0 => String::new(),
                1 => ", restarted once".to_owned(),
                n => format!(", restarted {n} times"),
            }
        )
    }
}

/// Who took most of the stamps, and where others took some the share.
fn mostly(stamps: &BySource) -> String {
    let (all, main) = (stamps.each().map(|(_, n)| n).iter().sum::<u64>(), stamps.main());
    let most = stamps.each().into_iter().find(|(by, _)| *by == main).map_or(0, |(_, n)| n);
    match all {
        0 => "-".to_owned(),
        _ if most == all => main.name().to_owned(),
        _ => format!("{} {}%", main.name(), most.saturating_mul(100) / all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Offset, Rate, Span};
    use crate::wire::{Name, Standing};

    fn who(id: u64, name: &str) -> Who {
        let addr = "10.0.0.3:7045".parse().unwrap();
        Who { id: NodeId(id), name: Name::new(name).unwrap(), addr }
    }

    #[test]
    fn the_table_says_who_is_silent_and_who_restarted() {
        let mut roster = Roster::default();
        assert_eq!(roster.table(), "");
        roster.note(&Event::Joined(who(1, "b")));
        roster.note(&Event::Joined(who(2, "rack-3")));
        roster.note(&Event::Slot(Slot {
            id: NodeId(2),
            round: 9,
            reach: 0b1111_1101,
            offset: Some(Offset::from_nanos(-1_500)),
            rate: Rate::from_ppm(-40.0),
            sigma: Span::from_nanos(300),
            bound: Span::from_micros(31),
            stamps: BySource { daemon: 1, kernel: 99, hardware: 0 },
            round_trip: Some(Span::from_micros(61)),
            standing: Standing::Falseticker,
            steps: 1,
        }));
        roster.note(&Event::Unreachable(who(1, "b")));
        roster.note(&Event::Restarted(who(2, "rack-3")));
        let table = roster.table();
        let rows: Vec<_> = table.lines().collect();
        assert!(rows[1].starts_with("b       silent"), "{table}");
        let words: Vec<_> = rows[2].split_whitespace().collect();
        assert_eq!(words[..4], ["rack-3", "falseticker", "7/8", "-1.50"], "{table}");
        assert!(rows[2].contains("1.50 µs  31.0 µs"), "both bounds: {table}");
        assert!(rows[2].ends_with("kernel 99%, stepped once, restarted once"), "{table}");
        let wide = rows[0].chars().count().max(rows[1].chars().count());
        assert!(wide <= 80, "{table}");
        roster.note(&Event::Left { who: who(2, "rack-3"), said_so: true });
        assert_eq!(roster.table().lines().count(), 2);
        assert_eq!(roster.name(NodeId(2)), "0000000000000002");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut roster = Roster::default();
        for id in 1..=3_000 {
            roster.note(&Event::Joined(who(id, "same")));
        }
        assert_eq!(roster.table().lines().count(), MOST_ROWS + 2);
        assert!(roster.table().ends_with("… and 2936 more\n"));
        assert_eq!(roster.entries.len(), MOST_ENTRIES);
        for id in [7, 2_500] {
            roster.note(&Event::Left { who: who(id, "same"), said_so: true });
        }
        assert!(roster.table().ends_with("… and 2934 more\n"));
        roster.note(&Event::Joined(who(4_000, "a late one")));
        assert!(roster.table().contains("a late one"), "there is room again");
    }

    #[test]
    fn all_have_names_where_somebody_asks() {
        let mut roster = Roster::new(true);
        for id in 1..=3_000 {
            roster.note(&Event::Joined(who(id, &format!("n{id}"))));
        }
        assert!((1..=3_000).all(|id| roster.name(NodeId(id)) == format!("n{id}")));
        assert!(["n1", "n2999"].iter().all(|name| roster.has(&Name::new(name).unwrap())));
        assert!(!roster.has(&Name::new("n3001").unwrap()));
        roster.clear();
        assert_eq!(roster.name(NodeId(2_000)), NodeId(2_000).to_string());
    }
}
