//! The truth: the course of every clock over the one counter that all of them share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::{Map, Offset, Raw, Shown, Span, Time};

/// Where each node pins up the course of its clock.
#[derive(Debug)]
pub(super) struct Board {
    courses: Mutex<Vec<Map<Raw, Shown>>>,
}

/// How far each clock is from the mean of all, at one instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Errors(Vec<Offset>);

impl Board {
    /// A board with the courses at the start.
    pub(super) fn new(courses: Vec<Map<Raw, Shown>>) -> Self {
        Self { courses: Mutex::new(courses) }
    }

    /// Pins up the new course of a node's clock.
    pub(super) fn pin(&self, node: usize, course: Map<Raw, Shown>) {
        if let Some(place) = self.lock().get_mut(node) {
            *place = course;
        }
    }

    /// How far each clock is from the mean of all at `raw`.
    pub(super) fn errors(&self, raw: Time<Raw>) -> Errors {
        let shown: Vec<_> = self.lock().iter().map(|course| course.reading(raw)).collect();
        let Some(&first) = shown.first() else { return Errors::default() };
        let apart: Vec<_> = shown.iter().map(|&shown| shown - first).collect();
        let sum: i128 = apart.iter().map(|apart| i128::from(apart.as_nanos())).sum();
        let mean = Offset::from_nanos((sum / apart.len() as i128) as i64);
        Errors(apart.into_iter().map(|apart| apart - mean).collect())
    }

    /// A course is pinned up whole, so a node that died meanwhile has spoilt nothing.
    fn lock(&self) -> MutexGuard<'_, Vec<Map<Raw, Shown>>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errors {
    /// Of each node.
    pub(super) fn each(&self) -> &[Offset] {
        &self.0
    }

    /// The greatest minus the least.
    pub(super) fn spread(&self) -> Span {
        match (self.0.iter().max(), self.0.iter().min()) {
            (Some(&most), Some(&least)) => (most - least).ahead(),
            _ => Span::ZERO,
        }
    }

    /// The node that is furthest from the mean, and how far.
    pub(super) fn worst(&self) -> Option<(usize, Offset)> {
        self.0.iter().copied().enumerate().max_by_key(|(_, error)| error.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;

    #[test]
    fn errors_are_against_the_mean_at_one_instant() {
        let course = |reads: i64, ppm| Map {
            at: Time::from_nanos(0),
            reads: Time::from_nanos(1_700_000_000_000_000_000 + reads),
            rate: Rate::from_ppm(ppm),
        };
        let board = Board::new(vec![course(0, 0.0), course(300, 0.0), course(600, 0.0)]);
        let errors = board.errors(Time::from_nanos(0));
        assert_eq!(errors.each().iter().map(|e| e.as_nanos()).collect::<Vec<_>>(), [-300, 0, 300]);
        assert_eq!(errors.spread().as_nanos(), 600);
        board.pin(1, course(0, 100.0));
        let errors = board.errors(Time::from_nanos(1_000_000_000));
        assert_eq!(errors.spread().as_nanos(), 100_000);
        assert_eq!(errors.worst().map(|(node, _)| node), Some(1));
    }
}
