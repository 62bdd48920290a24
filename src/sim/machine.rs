//! One simulated machine: an oscillator, a clock, and a daemon's core with its driver.

use super::dice::{Dice, Purpose};
use super::oscillator::{Course, Oscillator};
use super::scenario::{Draw, Driver, Node, Scenario, StampNoise, What};
use super::shown::{ClockKind, ShownClock};
use crate::clock::{Adjustment, Quality};
use crate::proto::{Ballot, Core, Source, Stamp};
use crate::time::{Local, Map, Offset, Rate, Shown, Span, Time, True};
use crate::wire::NodeId;

/// What the clocks would show at the beginning if they were right: some moment in June 2025.
pub(super) const EPOCH: Time<Shown> = Time::from_nanos(1_750_000_000_000_000_000);
/// Machines have been up for this long at most when the run begins.
const UPTIME: f64 = 864_000.0;

/// What a core is made of at a start of its daemon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    pub(super) node: usize,
    /// The same at each boot.
    pub(super) id: NodeId,
    /// From 1.
    pub(super) number: u32,
    pub(super) now: Time<Local>,
    pub(super) course: Map<Local, Shown>,
    pub(super) seed: [u8; 32],
    /// What its disk remembers of the election.
    pub(super) ballot: Option<Ballot>,
}

/// Makes the core of a node.
pub(super) type Maker<'a> = Box<dyn Fn(Boot) -> Box<dyn Core> + 'a>;

/// A timer that is set: what the daemon wants, and what it will get.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Timer {
    due: Time<Local>,
    rings: Time<True>,
}

pub(super) struct Machine {
    oscillator: Oscillator,
    clock: ShownClock,
    /// What it last told its clock's readers, and when.
    pub(super) quality: Option<(Time<True>, Quality)>,
    /// The running daemon.
    pub(super) core: Option<Box<dyn Core>>,
    timer: Option<Timer>,
    /// When the last of its datagrams left that arrived anywhere.
    pub(super) heard: Option<Time<True>>,
    /// What it has written to its disk.
    pub(super) ballot: Option<Ballot>,
    pub(super) driver: Driver,
    dice: Dice,
    latest: Time<Local>,
    /// When the daemon sees the newest datagram that has come.
    busy: Time<True>,
    boots: u32,
    seed: u64,
    index: usize,
    /// From when on stamps are wrong at random, and by how much.
    scatters: Vec<(Time<True>, Span)>,
    /// When the oscillator jumps.
    jumps: Vec<Time<True>>,
    shows: ClockKind,
    /// Whose identity it has; its own, unless it was cloned.
    like: usize,
    /// Until when it is paused, and whether its kernel goes on receiving.
    pause: Option<Pause>,
}

/// A daemon, or a whole machine, that does not run for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    pub(super) until: Time<True>,
    /// The kernel still receives, as far as its buffer goes.
    pub(super) hears: bool,
    /// Datagrams in the buffer.
    pub(super) backlog: u32,
}

impl Machine {
    pub(super) fn new(scenario: &Scenario, index: usize, seed: u64) -> Self {
        let node = &scenario.nodes[index];
        let mut dice = Dice::new(seed, Purpose::Start(index));
        let (offset, rate) = (drawn_offset(node, &mut dice), drawn_rate(node, &mut dice));
        let origin = Time::from_nanos((dice.uniform() * UPTIME * 1e9) as i64);
        let course = Course { origin, rate, wander: node.wander, sway: node.sway };
        let wander = Dice::new(seed, Purpose::Wander(index));
        let mut oscillator = Oscillator::new(course, scenario.duration, wander);
        let (mut scatters, mut jumps) = (Vec::new(), Vec::new());
        for incident in scenario.incidents.iter().filter(|i| i.node == index) {
            let at = Time::from_nanos(0) + incident.at;
            match incident.what {
                What::Drift(rate) => oscillator.drift(at, rate),
                What::Scatter(by) => scatters.push((at, by)),
                What::Jump(by) => {
                    oscillator.jump(at, by);
                    jumps.push(at);
                }
                _ => {}
            }
        }
        Self {
            oscillator,
            clock: ShownClock::new(node.shows, origin, EPOCH + offset),
            quality: None,
            core: None,
            timer: None,
            heard: None,
            ballot: None,
            driver: node.driver,
            dice: Dice::new(seed, Purpose::Driver(index)),
            latest: origin,
            busy: Time::from_nanos(0),
            boots: 0,
            seed,
            index,
            scatters,
            jumps,
            shows: node.shows,
            like: index,
            pause: None,
        }
    }

    /// The free-running clock at `t`, pure.
    pub(super) fn local(&self, t: Time<True>) -> Time<Local> {
        self.oscillator.reading(t)
    }

    /// What the node shows at `t` minus what it should.
    pub(super) fn error(&self, t: Time<True>) -> Offset {
        self.clock.reading(self.local(t)) - EPOCH - Offset::from_nanos(t.as_nanos())
    }

    /// Whether the free-running clock has jumped after `since`, until `t`.
    pub(super) fn jumped(&self, since: Time<True>, t: Time<True>) -> bool {
        self.jumps.iter().any(|&at| since < at && at <= t)
    }

    /// What the node shows at `t`.
    pub(super) fn shown(&self, t: Time<True>) -> Time<Shown> {
        self.clock.reading(self.local(t))
    }

    /// Whether the free-running clock has jumped back, and the daemon waits until it catches up.
    pub(super) fn is_behind(&self, t: Time<True>) -> bool {
        self.local(t) < self.latest
    }

    /// Its free-running clock.
    pub(super) fn oscillator(&self) -> &Oscillator {
        &self.oscillator
    }

    /// Gives it another free-running clock, before anything has happened.
    pub(super) fn run_on(&mut self, oscillator: Oscillator) {
        self.oscillator = oscillator;
        self.latest = self.local(Time::from_nanos(0));
        self.clock = ShownClock::new(self.shows, self.latest, EPOCH);
    }

    /// The free-running clock, for what is to befall it.
    pub(super) fn oscillator_mut(&mut self) -> &mut Oscillator {
        &mut self.oscillator
    }

    /// It was cloned, and carries the identity of another node.
    pub(super) fn be_like(&mut self, node: usize) {
        self.like = node;
    }

    /// The machine boots: its clock shows what its battery kept, and its counter starts anew.
    pub(super) fn boot(&mut self, t: Time<True>, shows: Time<Shown>) {
        self.kill();
        self.latest = self.local(t);
        self.busy = t;
        self.quality = None;
        self.clock = ShownClock::new(self.shows, self.latest, shows);
    }

    pub(super) fn pause(&mut self, pause: Pause) {
        self.pause = Some(pause);
    }

    /// The pause that it is in at `t`.
    pub(super) fn paused(&mut self, t: Time<True>) -> Option<&mut Pause> {
        self.pause.as_mut().filter(|pause| t < pause.until)
    }

    /// Whatever timer was set has rung unheard.
    pub(super) fn wake(&mut self) {
        self.timer = None;
    }

    /// The course of what it shows.
    pub(super) fn course(&mut self, now: Time<Local>) -> Map<Local, Shown> {
        self.clock.map(now)
    }

    /// What the free-running clock has gained on the truth by `t`.
    pub(super) fn gain(&self, t: Time<True>) -> Offset {
        let begin = Time::from_nanos(0);
        (self.local(t) - self.local(begin)) - (t - begin)
    }

    /// The present as the driver tells the core: as [`Machine::local`], but never backwards.
    pub(super) fn present(&mut self, t: Time<True>) -> Time<Local> {
        self.latest = self.latest.max(self.local(t));
        self.latest
    }

    /// Starts the daemon.
    pub(super) fn start(&mut self, t: Time<True>, make: &Maker) {
        let now = self.present(t);
        self.boots += 1;
        let (node, number, course) = (self.index, self.boots, self.clock.map(now));
        let id = NodeId(Dice::new(self.seed, Purpose::Core(self.like, 0)).number().max(1));
        let seed = Dice::new(self.seed, Purpose::Core(node, number)).seed();
        self.core = Some(make(Boot { node, id, number, now, course, seed, ballot: self.ballot }));
    }

    /// Carries an adjustment out.
    pub(super) fn steer(&mut self, now: Time<Local>, wish: Adjustment) -> Map<Local, Shown> {
        self.clock.steer(now, wish)
    }

    /// Ends the daemon; the clock runs on.
    pub(super) fn kill(&mut self) {
        self.core = None;
        self.timer = None;
        self.pause = None;
    }

    /// Sets the timer at `t` for `due`. Returns when it will ring, where that is new.
    pub(super) fn set_timer(
        &mut self,
        t: Time<True>,
        due: Option<Time<Local>>,
    ) -> Option<Time<True>> {
        if due.is_some() && due == self.timer.map(|timer| timer.due) {
            return None;
        }
        let late = Span::from_secs_f64(self.driver.timer_late.as_secs_f64() * self.dice.uniform());
        // Even a timer that is due already takes a moment.
        let late = late.max(Span::from_micros(1));
        self.timer = due.map(|due| Timer { due, rings: self.oscillator.when(t, due) + late });
        self.timer.map(|timer| timer.rings)
    }

    /// Whether the timer rings at `t`; it does so once.
    pub(super) fn rings(&mut self, t: Time<True>) -> bool {
        self.timer.take_if(|timer| timer.rings == t).is_some()
    }

    /// The stamp of a datagram that arrives at `t`, the present, and when the daemon gets to see
    /// it.
    pub(super) fn received(&mut self, t: Time<True>) -> (Stamp<Local>, Time<True>) {
        // It sees datagrams in the order in which they came.
        self.busy = self.busy.max(t + self.wait());
        let seen = self.busy;
        let at = match self.driver.stamps {
            Source::Daemon => self.local(seen),
            Source::Kernel | Source::Hardware => self.local(t),
        };
        let (delay, error) = self.noise(t);
        (Stamp { at: at + delay + error, source: self.driver.stamps }, seen)
    }

    /// The transmit stamp of a datagram that left at `t`, and when the daemon gets to know it;
    /// none where only the daemon stamps.
    pub(super) fn sent(&mut self, t: Time<True>) -> Option<(Stamp<Local>, Time<True>)> {
        if self.driver.stamps == Source::Daemon {
            return None;
        }
        let (delay, error) = self.noise(t);
        let stamp = Stamp { at: self.local(t) - delay + error, source: self.driver.stamps };
        Some((stamp, t + self.wait()))
    }

    /// How long the daemon takes to wake up.
    fn wait(&mut self) -> Span {
        let jitter = self.driver.turnaround_jitter.as_secs_f64();
        let jitter = if jitter > 0.0 { jitter * self.dice.exponential() } else { 0.0 };
        self.driver.turnaround + Span::from_secs_f64(jitter)
    }

    /// What a stamp has of delay, and of error beyond that.
    fn noise(&mut self, t: Time<True>) -> (Span, Offset) {
        let StampNoise { jitter, scatter, early } = self.driver.noise;
        let later = self.scatters.iter().rev().find(|&&(from, _)| from <= t);
        let scatter = later.map_or(scatter, |&(_, by)| by);
        let (mut delay, mut error) = (0.0, 0.0);
        if jitter > Span::ZERO {
            delay = jitter.as_secs_f64() * self.dice.exponential();
        }
        if scatter > Span::ZERO {
            error = scatter.as_secs_f64() * self.dice.within();
        }
        if let Some(early) = early.filter(|early| self.dice.happens(early.ratio)) {
            error -= early.by.as_secs_f64();
        }
        (Span::from_secs_f64(delay), Offset::from_secs_f64(error))
    }
}

fn drawn_offset(node: &Node, dice: &mut Dice) -> Offset {
    let draw = dice.within();
    match node.offset {
        Draw::Exactly(offset) => offset,
        Draw::Within(limit) => Offset::from_secs_f64(limit.as_secs_f64() * draw),
    }
}

fn drawn_rate(node: &Node, dice: &mut Dice) -> Rate {
    let draw = dice.within();
    match node.rate {
        Draw::Exactly(rate) => rate,
        Draw::Within(limit) => Rate::from_ppb(limit.as_ppb() * draw),
    }
}
