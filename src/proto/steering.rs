//! What master and slave alike do with their own clock: aim the discipline, carry its wishes to
//! the driver, count steps, notice holdover.

use super::event::Event;
use super::io::Output;
use crate::clock::{Adjustment, Discipline, Limits, Quality, Target};
use crate::time::{Cluster, Local, Map, Offset, Rate, Shown, Span, Time};

/// How fast the hard bound grows with the age of the newest map (design figure of quartz).
const RHO: Rate = Rate::from_ppm(15.0);

/// A node's own clock, as the core knows it.
#[derive(Debug, Clone)]
pub(super) struct Steering {
    discipline: Discipline,
    resume: Option<Rate>,
    stepping: Option<Offset>,
    steps: u16,
    expired: bool,
}

impl Steering {
    /// `saved` is the rate that the clock shall have until a target comes.
    pub(super) fn new(limits: Limits, course: Map<Local, Shown>, saved: Option<Rate>) -> Self {
        Self {
            resume: saved,
            discipline: Discipline::new(limits, course),
            stepping: None,
            steps: 0,
            expired: false,
        }
    }

    /// A new target. Returns what is to be told to the clock's other readers.
    pub(super) fn aim(&mut self, now: Time<Local>, target: Target) -> Output {
        self.discipline.aim(now, target);
        self.expired = false;
        Output::Publish(Quality {
            synchronised: true,
            estimated_error: target.sigma + self.remaining(now).abs(),
            max_error: self.bound(now).unwrap_or(Span::MAX),
        })
    }

    /// The clock's course after a steer; an event where that was a step.
    pub(super) fn steered(&mut self, map: Map<Local, Shown>) -> Option<Event> {
        self.discipline.steered(map);
        let by = self.stepping.take()?;
        self.steps = self.steps.saturating_add(1);
        Some(Event::Stepped { by })
    }

    /// What is due at `now`, if anything.
    pub(super) fn poll(&mut self, now: Time<Local>) -> Option<Output> {
        if self.expiry().is_some_and(|until| until <= now) {
            self.expired = true;
            return Some(Output::Event(Event::Holdover));
        }
        if let Some(rate) = self.resume.take() {
            return Some(Output::Steer(Adjustment::Run { rate }));
        }
        let adjustment = self.discipline.decide(now)?;
        if let Adjustment::Step { by, .. } = adjustment {
            self.stepping = Some(by);
        }
        Some(Output::Steer(adjustment))
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.discipline.deadline().into_iter().chain(self.expiry()).min()
    }

    /// What the other readers of the clock are told in holdover.
    pub(super) fn unsynchronised(&self, now: Time<Local>) -> Output {
        Output::Publish(Quality {
            synchronised: false,
            estimated_error: self.discipline.target().map_or(Span::MAX, |t| t.sigma),
            max_error: self.bound(now).unwrap_or(Span::MAX),
        })
    }

    /// How far from cluster time the clock may be: the target's bound, grown with its age, and
    /// what is still to be worked off. Nothing before the first target.
    pub(super) fn bound(&self, now: Time<Local>) -> Option<Span> {
        let target = self.discipline.target()?;
        let aged = RHO.gain_over((now - target.map.at).ahead().as_offset()).abs();
        Some(target.bound + aged + self.remaining(now).abs())
    }

    /// Cluster time minus Shown; zero before the first target.
    pub(super) fn remaining(&self, now: Time<Local>) -> Offset {
        self.discipline.remaining(now).unwrap_or(Offset::ZERO)
    }

    /// The rate of cluster time against Local, by the newest target.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.discipline.target().map(|target| target.map.rate)
    }

    /// Local to cluster time, by the newest target.
    pub(super) fn target(&self) -> Option<&Map<Local, Cluster>> {
        self.discipline.target().map(|target| &target.map)
    }

    pub(super) fn course(&self) -> Map<Local, Shown> {
        self.discipline.course()
    }

    pub(super) fn steps(&self) -> u16 {
        self.steps
    }

    fn expiry(&self) -> Option<Time<Local>> {
        if self.expired { None } else { self.discipline.target().map(|target| target.until) }
    }
}
