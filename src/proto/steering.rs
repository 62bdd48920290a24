//! What master and slave alike do with their own clock: aim the discipline, carry its wishes to
//! the driver, count steps, notice holdover.

use super::event::{DEVIATIONS, Event};
use super::io::Output;
use crate::clock::{Adjustment, Discipline, Limits, Quality, Target};
use crate::time::{Cluster, Local, Map, Offset, Rate, Shown, Span, Time};

/// How fast the hard bound grows with the age of the newest map (design figure of quartz).
pub(super) const RHO: Rate = Rate::from_ppm(15.0);

/// No rate beyond this is believed of a slave or a master that tells it: no cluster runs faster or slower
/// against a clock that is worth keeping, nor does a kernel's discipline give more. So no slave can have
/// learned one that it remembers.
pub(super) const RATE_BELIEVED: Rate = Rate::from_ppm(500.0);

/// A bound that is older says nothing any more (design figure).
const VOID: Span = Span::from_secs(1_000);

/// In holdover the bound is told anew so often, for its rate may be hardly known.
const RENEWAL: Span = Span::from_secs(1);

/// The rate of a cluster time is worth remembering after so many targets, and so long: short rounds
/// tell little of a rate.
pub const LEARNED: u32 = 16;
/// See [`LEARNED`].
pub const LEARNED_AFTER: Span = Span::from_secs(20);

/// A node's own clock, as the core knows it.
#[derive(Debug, Clone)]
pub(super) struct Steering {
    discipline: Discipline,
    resume: Option<Rate>,
    /// The rate that is worth remembering, and targets of the same cluster time so far.
    learned: Option<Rate>,
    targets: u32,
    first: Option<Time<Local>>,
    stepping: Option<Offset>,
    steps: u16,
    expired: bool,
    /// When holdover is told of again.
    renew: Option<Time<Local>>,
    /// How far off the newest target may be, by one that was not followed since.
    contested: Span,
}

impl Steering {
    /// `saved` is the rate that the clock shall have until a target comes.
    pub(super) fn new(limits: Limits, course: Map<Local, Shown>, saved: Option<Rate>) -> Self {
        Self {
            resume: saved,
            learned: saved,
            targets: 0,
            first: None,
            discipline: Discipline::new(limits, course),
            stepping: None,
            steps: 0,
            expired: false,
            renew: None,
            contested: Span::ZERO,
        }
    }

    /// A new target. Returns what is to be told to the clock's other readers.
    pub(super) fn aim(&mut self, now: Time<Local>, target: Target) -> Output {
        self.discipline.aim(now, target);
        self.expired = false;
        self.renew = None;
        self.contested = Span::ZERO;
        self.targets = self.targets.saturating_add(1);
        let first = *self.first.get_or_insert(now);
        if self.targets >= LEARNED && now.since(first) >= LEARNED_AFTER {
            self.learned = Some(target.map.rate);
        }
        self.synchronised(now, target.sigma)
    }

    /// The targets that come are another source's, whose first rates may be crude.
    pub(super) fn begin_anew(&mut self) {
        self.targets = 0;
        self.first = None;
    }

    /// The rate of cluster time against Local that is worth remembering: none that is hardly known.
    pub(super) fn learned(&self) -> Option<Rate> {
        self.learned
    }

    /// A target that is not followed. Until another is followed nobody knows whether it or the newest
    /// that was is right, and the bounds reach from one to the other as long as it lasts. Returns what
    /// is to be told to the clock's other readers, if there is anything to be told of.
    pub(super) fn contest(&mut self, now: Time<Local>, other: &Target) -> Option<Output> {
        let Target { map, sigma, .. } = *self.newest()?;
        let by = other.map.reading(now) - map.reading(now);
        let apart = (other.map.rate - map.rate).as_ppb().abs() - RHO.as_ppb();
        let lasts = (other.until - now).ahead().as_offset();
        let growth = Rate::from_ppb(apart.max(0.0)).gain_over(lasts).abs();
        self.contested = by.abs() + other.bound + growth;
        Some(if self.expired { self.unsynchronised(now) } else { self.synchronised(now, sigma) })
    }

    /// Whether the newest word was not followed.
    pub(super) fn is_contested(&self) -> bool {
        self.contested > Span::ZERO
    }

    fn synchronised(&self, now: Time<Local>, sigma: Span) -> Output {
        Output::Publish(Quality {
            synchronised: true,
            estimated_error: sigma + self.remaining(now).abs(),
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
            self.renew = Some(now + RENEWAL);
            return Some(Output::Event(Event::Holdover));
        }
        if self.renew.is_some_and(|due| due <= now) {
            self.renew = Some(now + RENEWAL);
            return Some(self.unsynchronised(now));
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
        self.discipline.deadline().into_iter().chain(self.expiry()).chain(self.renew).min()
    }

    /// What the other readers of the clock are told in holdover: what holds until they are told again.
    pub(super) fn unsynchronised(&self, now: Time<Local>) -> Output {
        let until = self.renew.map_or(now, |due| due.max(now));
        let bound = self.discipline.target().and_then(|target| self.grown(until, target.bound));
        Output::Publish(Quality {
            synchronised: false,
            estimated_error: self.discipline.target().map_or(Span::MAX, |t| t.sigma),
            max_error: bound.map_or(Span::MAX, |bound| bound + self.remaining(now).abs()),
        })
    }

    /// How far from cluster time the clock may be: the target's bound, or the way to one that was not
    /// followed where that is further, grown with its age, and what is still to be worked off. Nothing before the first target, and nothing where the
    /// newest is too old to say anything.
    pub(super) fn bound(&self, now: Time<Local>) -> Option<Span> {
        self.aged(now, self.discipline.target()?.bound)
    }

    fn aged(&self, now: Time<Local>, bound: Span) -> Option<Span> {
        self.grown(now, bound).map(|grown| grown + self.remaining(now).abs())
    }

    /// Without what is still to be worked off.
    fn grown(&self, now: Time<Local>, bound: Span) -> Option<Span> {
        let target = self.discipline.target()?;
        let age = (now - target.map.at).ahead();
        let past = (now - target.until).ahead().as_offset();
        let growth =
            RHO.gain_over(age.as_offset()).abs() + unknown_rate(target).gain_over(past).abs();
        (age <= VOID).then(|| bound.max(self.contested) + growth)
    }

    /// As [`Steering::bound`], from the statistical figure.
    pub(super) fn likely_bound(&self, now: Time<Local>) -> Option<Span> {
        self.aged(now, self.discipline.target()?.sigma.times(DEVIATIONS))
    }

    /// The newest target.
    pub(super) fn newest(&self) -> Option<&Target> {
        self.discipline.target()
    }

    /// Whether the newest target has expired.
    pub(super) fn holds_over(&self) -> bool {
        self.expired
    }

    /// The next decision steps, whatever the limits say, if anything is left to be worked off.
    pub(super) fn make_step(&mut self, now: Time<Local>) {
        self.discipline.make_step(now);
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

/// What the rate may be wrong by on top of [`RHO`]. The bound has that in it for as long as the target
/// lasts; so it was no more than this, and where that is little it was nothing.
fn unknown_rate(target: &Target) -> Rate {
    let lasts = (target.until - target.map.at).ahead().as_secs_f64();
    let most = Rate::from_ratio(target.bound.as_secs_f64() / lasts.max(f64::MIN_POSITIVE));
    if most > RHO { most } else { Rate::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Scale;

    fn at(secs: i64) -> Time<Local> {
        Time::from_nanos(secs * 1_000_000_000)
    }

    /// From nothing at nothing, at no rate.
    fn level<S: Scale>() -> Map<Local, S> {
        Map { at: at(0), reads: Time::from_nanos(0), rate: Rate::ZERO }
    }

    fn begun(saved: Option<Rate>) -> Steering {
        Steering::new(Limits::default(), level(), saved)
    }

    #[test]
    fn the_bound_of_a_rate_that_is_hardly_known_grows_by_that_once_the_target_has_expired() {
        let map = level();
        // 5 ms in 10 s: up to 500 ppm of it may be the rate's.
        let bound = |micros, secs| {
            let mut steering = begun(None);
            let (bound, until) = (Span::from_micros(micros), at(10));
            steering.aim(at(0), Target { map, sigma: Span::ZERO, bound, doubt: bound, until });
            steering.bound(at(secs)).unwrap()
        };
        assert_eq!(bound(5_000, 10), Span::from_micros(5_150));
        assert_eq!(bound(5_000, 12), Span::from_micros(5_180 + 1_000));
        assert_eq!(bound(140, 12), Span::from_micros(140 + 180));
    }

    #[test]
    fn holdover_is_told_of_each_second_for_the_second_to_come() {
        let map = level();
        let mut steering = begun(None);
        let bound = Span::from_millis(5);
        steering.aim(at(0), Target { map, sigma: Span::ZERO, bound, doubt: bound, until: at(10) });
        assert_eq!(steering.poll(at(10)), Some(Output::Event(Event::Holdover)));
        for secs in [11, 12] {
            let Some(Output::Publish(told)) = steering.poll(at(secs)) else { panic!("{secs} s") };
            // 15 ppm from the beginning, 500 ppm since it expired.
            let next = secs as u64 + 1;
            let most = bound + Span::from_micros(15 * next + 500 * (next - 10));
            assert_eq!((told.synchronised, told.max_error), (false, most), "{secs} s");
        }
    }

    #[test]
    fn both_bounds_grow_with_age_until_they_are_void() {
        let mut steering = begun(None);
        assert_eq!((steering.bound(at(0)), steering.likely_bound(at(0))), (None, None));
        let map = level();
        let (sigma, bound) = (Span::from_nanos(300), Span::from_micros(40));
        steering.aim(at(0), Target { map, sigma, bound, doubt: bound, until: at(10) });
        let both = |secs| (steering.likely_bound(at(secs)), steering.bound(at(secs)));
        assert_eq!(both(0), (Some(Span::from_nanos(1_500)), Some(Span::from_micros(40))));
        let aged = Span::from_micros(15 * 900);
        let grown = (Some(Span::from_nanos(1_500) + aged), Some(Span::from_micros(40) + aged));
        assert_eq!(both(900), grown);
        assert_eq!(both(1_001), (None, None));
    }

    #[test]
    fn a_rate_is_remembered_once_it_is_known() {
        let saved = Rate::from_ppm(3.0);
        let mut steering = begun(Some(saved));
        let mut now = 0;
        let mut aim = |steering: &mut Steering, ppm, seconds| {
            let map = Map { rate: Rate::from_ppm(ppm), ..level() };
            let target = Target {
                map,
                sigma: Span::ZERO,
                bound: Span::ZERO,
                doubt: Span::ZERO,
                until: at(10),
            };
            for _ in 0..seconds {
                now += 1;
                steering.aim(at(now), target);
            }
            steering.learned()
        };
        assert_eq!(aim(&mut steering, 40.0, 20), Some(saved));
        assert_eq!(aim(&mut steering, 4.0, 1), Some(Rate::from_ppm(4.0)));
        steering.begin_anew();
        assert_eq!(aim(&mut steering, 40.0, 20), Some(Rate::from_ppm(4.0)));
    }

    #[test]
    fn bounds_reach_a_target_that_is_not_followed_until_one_is() {
        let map = level();
        let mut steering = begun(None);
        let bound = Span::from_micros(40);
        let reads = Time::from_nanos(-1_000_000);
        let other = |ppm| {
            let map = Map { reads, rate: Rate::from_ppm(ppm), ..map };
            Target { map, sigma: Span::ZERO, bound, doubt: bound, until: at(10) }
        };
        assert_eq!(
            steering.contest(at(0), &other(0.0)),
            None,
            "nothing is known that may be wrong"
        );
        let target =
            Target { map, sigma: Span::from_nanos(300), bound, doubt: bound, until: at(10) };
        steering.aim(at(0), target);
        let Some(Output::Publish(told)) = steering.contest(at(0), &other(0.0)) else { panic!() };
        let reach = Span::from_micros(1_040);
        assert_eq!((told.synchronised, told.max_error), (true, reach));
        assert_eq!(
            (steering.bound(at(0)), steering.likely_bound(at(0))),
            (Some(reach), Some(reach))
        );
        // The two part at 55 ppm, of which age makes good 15.
        steering.contest(at(0), &other(-55.0));
        assert_eq!(steering.bound(at(0)), Some(reach + Span::from_micros(400)));
        steering.aim(at(0), target);
        assert_eq!(steering.bound(at(0)), Some(bound));
    }
}
