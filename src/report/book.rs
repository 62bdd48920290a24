//! The book of one run: what was measured of the cluster and of each slave, since the last report
//! and in all.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::histogram::{CLUSTER_DIGITS, SUBJECT_DIGITS};
use super::latency::Metrics;
use super::table::{CLUSTER, Report};
use crate::time::{Offset, Span};

/// How many slaves get histograms of their own unless told otherwise: 25 MiB for all of them.
pub const MAX_SUBJECTS: usize = 256;

/// Characters of a name that are kept.
const NAME_LENGTH: usize = 36;

/// One slave's page.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) interval: Metrics<u32>,
    total: Metrics<u32>,
    /// When it was added, as a count of additions: the order of the rows.
    order: u64,
    /// When it left, as a count of leavings.
    left: Option<u64>,
}

/// What was measured of the cluster and of each slave, since the last report and in all.
///
/// Slaves are known by an id the caller chooses. Each takes 93 KiB, the cluster 1.3 MiB. Where
/// there are more than the book has pages for, the slave that left first makes room; if none has
/// left, the new one is recorded in the cluster's figures only, and [`Book::not_shown`] says so.
#[derive(Debug)]
pub struct Book {
    interval: Metrics<u64>,
    /// Of the intervals before: each exchange of a large cluster is recorded once.
    before: Metrics<u64>,
    /// By hash: most exchanges of a large cluster are with slaves that have no page.
    subjects: HashMap<u64, Subject, RandomState>,
    max_subjects: usize,
    not_shown: u64,
    additions: u64,
    leavings: u64,
}

impl Book {
    /// An empty book with pages for `max_subjects` slaves.
    pub fn new(max_subjects: usize) -> Self {
        Self {
            interval: Metrics::new(CLUSTER_DIGITS),
            before: Metrics::new(CLUSTER_DIGITS),
            subjects: HashMap::default(),
            max_subjects,
            not_shown: 0,
            additions: 0,
            leavings: 0,
        }
    }

    /// Opens a page for slave `id`, or reopens the one it left; true where it has one now.
    ///
    /// In `name`, whatever could break a log line or a terminal becomes `_`, and what is beyond 36
    /// characters is cut. A name that is taken, or empty, gets the id as well.
    pub fn add(&mut self, id: u64, name: &str) -> bool {
        if let Some(subject) = self.subjects.get_mut(&id) {
            subject.left = None;
            self.rename(id, name);
            return true;
        }
        if self.subjects.len() >= self.max_subjects {
            self.not_shown += 1;
            if !self.drop_longest_gone() {
                return false;
            }
        }
        self.additions += 1;
        let subject = Subject {
            name: self.free_name(id, name),
            interval: Metrics::new(SUBJECT_DIGITS),
            total: Metrics::new(SUBJECT_DIGITS),
            order: self.additions,
            left: None,
        };
        self.subjects.insert(id, subject);
        true
    }

    /// Gives slave `id` another name, as [`Book::add`] does; nothing if it has no page.
    pub fn rename(&mut self, id: u64, name: &str) {
        let name = self.free_name(id, name);
        if let Some(subject) = self.subjects.get_mut(&id) {
            subject.name = name;
        }
    }

    /// Notes that slave `id` left. Its page stays for the last report, until room is needed.
    pub fn remove(&mut self, id: u64) {
        self.leavings += 1;
        if let Some(subject) = self.subjects.get_mut(&id) {
            subject.left = subject.left.or(Some(self.leavings));
        }
    }

    /// Notes that all slaves left.
    pub fn remove_all(&mut self) {
        let here = self.subjects.iter().filter(|(_, subject)| subject.left.is_none());
        let mut ids: Vec<_> = here.map(|(id, _)| *id).collect();
        // Whoever makes room first, it shall not be by chance.
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.remove(id));
    }

    /// Records one exchange with slave `id`: its round trip, and what it took one way beyond the
    /// least. Without a page of its own it counts for the cluster only.
    pub fn record_exchange(&mut self, id: u64, round_trip: Span, noise: Span) {
        self.interval.record_exchange(round_trip, noise);
        if let Some(subject) = self.subjects.get_mut(&id) {
            subject.interval.record_exchange(round_trip, noise);
            subject.total.record_exchange(round_trip, noise);
        }
    }

    /// Records the offset of slave `id` against cluster time, positive ahead. Without a page of
    /// its own it counts for the cluster only.
    pub fn record_offset(&mut self, id: u64, offset: Offset) {
        self.interval.record_offset(offset);
        if let Some(subject) = self.subjects.get_mut(&id) {
            subject.interval.record_offset(offset);
            subject.total.record_offset(offset);
        }
    }

    /// What was measured since the last [`Book::roll`], of the slaves that are here or were heard.
    pub fn interval(&self) -> Report {
        let here = |s: &&Subject| s.left.is_none() || !s.interval.is_empty();
        let rows = self.in_order().into_iter().filter(here);
        Report {
            cluster: self.interval.row(CLUSTER, false),
            slaves: rows.map(|s| s.interval.row(&s.name, s.left.is_some())).collect(),
            others: Vec::new(),
            not_shown: self.not_shown,
        }
    }

    /// What was measured since the book was opened.
    pub fn total(&self) -> Report {
        let rows = self.in_order().into_iter();
        let mut cluster = self.before.clone();
        cluster.add(&self.interval);
        Report {
            cluster: cluster.row(CLUSTER, false),
            slaves: rows.map(|s| s.total.row(&s.name, s.left.is_some())).collect(),
            others: Vec::new(),
            not_shown: self.not_shown,
        }
    }

    /// Begins the next interval.
    pub fn roll(&mut self) {
        self.before.add(&self.interval);
        self.interval.clear();
        for subject in self.subjects.values_mut() {
            subject.interval.clear();
        }
    }

    /// How many slaves found no page, or lost theirs to another after they left.
    pub fn not_shown(&self) -> u64 {
        self.not_shown
    }

    /// The memory of all histograms now, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let subjects = self.subjects.values();
        let subjects = subjects.map(|s| s.interval.memory_bytes() + s.total.memory_bytes());
        self.interval.memory_bytes() + self.before.memory_bytes() + subjects.sum::<usize>()
    }

    /// The most memory a book for `max_subjects` slaves takes for histograms, in bytes: 1 344 KiB
    /// and 93 KiB a slave.
    pub const fn memory_limit(max_subjects: usize) -> usize {
        1_376_256 + max_subjects.saturating_mul(95_232)
    }

    pub(super) fn cluster_interval(&self) -> &Metrics<u64> {
        &self.interval
    }

    /// The slaves in the order they came.
    pub(super) fn in_order(&self) -> Vec<&Subject> {
        let mut subjects: Vec<_> = self.subjects.values().collect();
        subjects.sort_by_key(|s| s.order);
        subjects
    }

    fn drop_longest_gone(&mut self) -> bool {
        let gone = self.subjects.iter().filter_map(|(id, s)| s.left.map(|left| (left, *id)));
        match gone.min() {
            Some((_, id)) => self.subjects.remove(&id).is_some(),
            None => false,
        }
    }

    fn free_name(&self, id: u64, name: &str) -> String {
        let name: String = printable(name).chars().take(NAME_LENGTH).collect();
        let taken = |name: &str| self.subjects.iter().any(|(i, s)| *i != id && s.name == name);
        if name.is_empty() {
            format!("{id:016x}")
        } else if name == CLUSTER || taken(&name) {
            let short: String = name.chars().take(NAME_LENGTH - 17).collect();
            format!("{short}~{id:016x}")
        } else {
            name
        }
    }
}

/// `name` without what would break a log line (comma, space, line break) or a terminal.
pub(super) fn printable(name: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && c != ',');
    name.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(book: &mut Book, id: u64) {
        book.record_exchange(id, Span::from_micros(100), Span::from_micros(3));
    }

    #[test]
    fn memory_stays_within_the_stated_limit() {
        let mut book = Book::new(3);
        for id in 0..1000 {
            book.add(id, "slave");
            exchange(&mut book, id);
        }
        assert_eq!(book.memory_bytes(), Book::memory_limit(3));
        assert!(Book::memory_limit(MAX_SUBJECTS) < 25 << 20);
        assert_eq!(book.not_shown(), 997);
        assert_eq!(book.total().cluster.round_trip.count, 1000);
        assert_eq!(book.total().slaves.len(), 3);
    }

    #[test]
    fn the_total_is_that_of_all_intervals_together() {
        let (mut rolled, mut whole) = (Book::new(1), Book::new(1));
        for n in 0..3_000_i64 {
            for book in [&mut rolled, &mut whole] {
                let size = n * n * 7;
                let noise = Span::from_nanos(size as u64 / 3);
                book.record_exchange(1, Span::from_secs(n as u64 % 200), noise);
                book.record_offset(1, Offset::from_nanos(if n % 3 == 0 { size } else { -size }));
            }
            if n % 1_000 == 999 {
                rolled.roll();
            }
        }
        rolled.roll();
        let total = |book: &Book| serde_json::to_value(book.total()).unwrap();
        assert_eq!(total(&rolled), total(&whole));
    }

    #[test]
    fn who_left_stays_in_the_total_until_room_is_needed() {
        let mut book = Book::new(2);
        for (id, name) in [(1, "one"), (2, "two")] {
            book.add(id, name);
            exchange(&mut book, id);
        }
        book.remove(2);
        book.remove(1);
        book.roll();
        assert!(book.interval().slaves.is_empty());
        let left: Vec<_> = book.total().slaves.into_iter().map(|s| (s.name, s.left)).collect();
        assert_eq!(left, [("one".to_owned(), true), ("two".to_owned(), true)]);

        assert!(book.add(1, "one"), "who comes back finds its page");
        exchange(&mut book, 1);
        assert_eq!(book.total().slaves[0].round_trip.count, 2);
        assert!(book.add(3, "three"), "who left makes room");
        assert!(!book.add(4, "four"), "who is here does not");
        let names: Vec<_> = book.total().slaves.into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["one", "three"]);
    }

    #[test]
    fn a_name_can_break_neither_a_log_nor_a_terminal() {
        let mut book = Book::new(5);
        for (id, name) in [(1, "a,b c\n\u{1b}[2J"), (2, "dup"), (3, "dup"), (4, CLUSTER), (5, "")] {
            book.add(id, name);
        }
        let names: Vec<_> = book.total().slaves.into_iter().map(|s| s.name).collect();
        assert_eq!(
            names,
            [
                "a_b_c__[2J",
                "dup",
                "dup~0000000000000003",
                "cluster~0000000000000004",
                "0000000000000005"
            ]
        );
        book.rename(3, &"x".repeat(1000));
        assert!(book.total().slaves[2].name.len() == NAME_LENGTH);
    }
}
