//! The discipline: from where cluster time is, to how fast the clock shall run.
//!
//! It is pure: what it knows comes as arguments, what it wants it returns. The estimate never sees
//! what it does, because the estimate lives on Local, which nobody steers; so there is no loop to
//! tune, and it is stable for any spacing of the updates.

use super::Adjustment;
use crate::time::{Cluster, Local, Map, Offset, Rate, Shown, Span, Time};

/// Time constant with which the phase error is worked off. The targets are filtered already: to lag
/// behind them adds error, and only the least is smoothed that keeps the clock's rate calm (0.2 µs
/// of noise are 0.2 ppm).
const TAU: Span = Span::from_secs(1);
/// How often the course is set anew while nothing arrives. Below [`TAU`], so that a straight line
/// is a good stand-in for the exponential between two of them.
const TICK: Span = Span::from_millis(250);

const _: () = assert!(TICK.as_nanos() * 4 <= TAU.as_nanos());

/// What a clock may be made to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Greatest rate at which the phase error is worked off, on top of the clock's own rate.
    pub max_slew: Rate,
    /// A clock that is surely further off than this, the target's doubt taken off, is stepped while
    /// steps are allowed; `None`: never.
    pub step_threshold: Option<Span>,
    /// Steps are allowed in the first so many updates.
    pub step_updates: u32,
}

impl Default for Limits {
    /// 500 ppm, and a step beyond 1 ms in the first three updates.
    fn default() -> Self {
        Self {
            max_slew: Rate::from_ppm(500.0),
            step_threshold: Some(Span::from_millis(1)),
            step_updates: 3,
        }
    }
}

/// Where cluster time is, by one update of the master.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Our Local to cluster time.
    pub map: Map<Local, Cluster>,
    /// One standard deviation at the map's anchor.
    pub sigma: Span,
    /// Hard bound until the map expires.
    pub bound: Span,
    /// How far the map may be off at its anchor, whatever its rate makes of that later.
    pub doubt: Span,
    /// After this the map is expired: holdover.
    pub until: Time<Local>,
}

/// Follows a sequence of targets with a clock.
#[derive(Debug, Clone)]
pub struct Discipline {
    limits: Limits,
    course: Map<Local, Shown>,
    target: Option<Target>,
    updates: u32,
    may_step: bool,
    ordered: bool,
    due: Option<Time<Local>>,
}

impl Discipline {
    /// A discipline of a clock that runs on `course` and was not corrected yet.
    pub fn new(limits: Limits, course: Map<Local, Shown>) -> Self {
        Self {
            limits,
            course,
            target: None,
            updates: 0,
            may_step: false,
            ordered: false,
            due: None,
        }
    }

    /// A new target; it is acted on at the next [`Discipline::decide`].
    pub fn aim(&mut self, now: Time<Local>, target: Target) {
        self.target = Some(target);
        self.updates = self.updates.saturating_add(1);
        self.may_step = self.updates <= self.limits.step_updates;
        self.due = Some(now);
    }

    /// The clock's course, as the clock reported it after an adjustment.
    pub fn steered(&mut self, course: Map<Local, Shown>) {
        self.course = course;
    }

    /// What the clock shall do now, if anything is due. The caller reports the outcome with
    /// [`Discipline::steered`] before it asks again.
    pub fn decide(&mut self, now: Time<Local>) -> Option<Adjustment> {
        let target = self.target.filter(|_| self.due.is_some_and(|due| due <= now))?;
        self.due = Some(now + TICK);
        let error = self.remaining(now)?;
        let rate = target.map.rate;
        // A target that a held-up exchange has misled by as much says nothing against the clock.
        let surely = error.abs() - target.doubt;
        let step = self.limits.step_threshold.is_some_and(|limit| surely > limit);
        if std::mem::take(&mut self.ordered) && error != Offset::ZERO {
            self.may_step = false;
            return Some(Adjustment::Step { by: error, rate });
        }
        // One step an update at most: the second look at the same map has nothing new to say.
        if std::mem::take(&mut self.may_step) && step {
            return Some(Adjustment::Step { by: error, rate });
        }
        let slew = Rate::from_ratio(error.as_secs_f64() / TAU.as_secs_f64());
        Some(Adjustment::Run { rate: slew.clamp_abs(self.limits.max_slew).on_top_of(rate) })
    }

    /// An operator wants the clock to be right at once: the next decision steps, however small
    /// the error and whatever the limits say. Nothing before the first target.
    pub fn make_step(&mut self, now: Time<Local>) {
        if self.target.is_some() {
            self.ordered = true;
            self.due = Some(now);
        }
    }

    /// When [`Discipline::decide`] wants to be asked next.
    pub fn deadline(&self) -> Option<Time<Local>> {
        self.due
    }

    /// Cluster time minus Shown at `now`: what is still to be worked off; none before the first
    /// target.
    pub fn remaining(&self, now: Time<Local>) -> Option<Offset> {
        let cluster = self.target?.map.reading(now).as_nanos();
        let shown = self.course.reading(now).as_nanos();
        Some(Offset::from_nanos(cluster.saturating_sub(shown)))
    }

    /// The newest target.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// What the clock shows, as far as the discipline knows.
    pub fn course(&self) -> Map<Local, Shown> {
        self.course
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Time<Local> {
        Time::from_nanos((secs * 1e9) as i64)
    }

    /// A clock that is `behind` and a cluster that runs `rate` against Local.
    fn discipline(limits: Limits, behind: Offset, rate: Rate) -> (Discipline, Target) {
        let course = Map { at: at(0.0), reads: Time::from_nanos(0), rate: Rate::ZERO };
        let map = Map { at: at(0.0), reads: Time::from_nanos(behind.as_nanos()), rate };
        let until = at(10.0);
        let target = Target { map, sigma: Span::ZERO, bound: Span::ZERO, doubt: Span::ZERO, until };
        (Discipline::new(limits, course), target)
    }

    /// Carries out what the discipline decides until `end`, and returns the steps.
    fn run(discipline: &mut Discipline, from: f64, end: f64) -> Vec<Offset> {
        let mut steps = Vec::new();
        let mut now = at(from);
        while now < at(end) {
            match discipline.decide(now) {
                Some(Adjustment::Run { rate }) => {
                    let course = discipline.course().anchored_at(now);
                    discipline.steered(Map { rate, ..course });
                }
                Some(Adjustment::Step { by, rate }) => {
                    steps.push(by);
                    let course = discipline.course().anchored_at(now);
                    discipline.steered(Map { at: now, reads: course.reads + by, rate });
                }
                None => {}
            }
            now = now + Span::from_millis(10);
        }
        steps
    }

    #[test]
    fn a_small_error_is_slewed_away_without_a_step() {
        let behind = Offset::from_nanos(100_000);
        let (mut d, target) = discipline(Limits::default(), behind, Rate::from_ppm(30.0));
        d.aim(at(0.0), target);
        assert!(run(&mut d, 0.0, 40.0).is_empty());
        assert!(d.remaining(at(40.0)).unwrap().abs() < Span::from_nanos(20));
    }

    #[test]
    fn a_large_error_is_stepped_in_the_first_updates_only() {
        let far = Offset::from_nanos(-250_000_000);
        let (mut d, target) = discipline(Limits::default(), far, Rate::ZERO);
        d.aim(at(0.0), target);
        assert_eq!(run(&mut d, 0.0, 1.0), [far]);
        assert_eq!(d.remaining(at(1.0)), Some(Offset::ZERO));
        for secs in 1..4 {
            d.aim(at(f64::from(secs)), target);
            assert!(run(&mut d, f64::from(secs), f64::from(secs) + 0.9).is_empty());
        }
        let later = Map { reads: target.map.reads + Offset::from_nanos(50_000_000), ..target.map };
        d.aim(at(4.0), Target { map: later, ..target });
        assert!(run(&mut d, 4.0, 5.0).is_empty(), "the fourth update may not step");
    }

    #[test]
    fn a_clock_that_may_be_within_the_threshold_is_not_stepped() {
        let off = Offset::from_nanos(1_900_000);
        let (mut d, target) = discipline(Limits::default(), off, Rate::ZERO);
        d.aim(at(0.0), Target { doubt: Span::from_micros(950), ..target });
        assert!(run(&mut d, 0.0, 0.5).is_empty());
        d.aim(at(0.5), Target { doubt: Span::from_micros(600), ..target });
        let steps = run(&mut d, 0.5, 1.0);
        // Some 0.25 ms were slewed by then.
        assert!(matches!(steps[..], [by] if by > Offset::from_nanos(1_640_000)), "{steps:?}");
    }

    #[test]
    fn the_slew_stays_within_its_limit_and_the_clock_monotonic() {
        let limits = Limits { step_threshold: None, ..Limits::default() };
        let (mut d, target) = discipline(limits, Offset::from_nanos(-1_000_000_000), Rate::ZERO);
        d.aim(at(0.0), target);
        let Some(Adjustment::Run { rate }) = d.decide(at(0.0)) else { panic!("a run") };
        assert_eq!(rate, Rate::from_ppm(-500.0));
    }

    #[test]
    fn nothing_is_decided_before_the_first_target_or_twice_for_one_moment() {
        let (mut d, target) = discipline(Limits::default(), Offset::ZERO, Rate::ZERO);
        assert_eq!(d.decide(at(0.0)), None);
        assert_eq!(d.deadline(), None);
        d.aim(at(0.0), target);
        assert!(d.decide(at(0.0)).is_some());
        assert_eq!(d.decide(at(0.1)), None);
        assert_eq!(d.deadline(), Some(at(0.25)));
    }
}
