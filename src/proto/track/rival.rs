//! A second opinion: a track that begins anew beside the one in use.
//!
//! Noise and queues explain each other: a filter that has once taken the queues of a busy network
//! for noise of the stamps learns queues that fit, and no neighbour in its bank is better. So
//! while a track is young another starts from what needs no filter (the least and the mean
//! round trip) and takes over where it foretells the exchanges better.
//!
//! Noise and wander explain each other too. Where the stamps seem to be much noisier than their kind
//! promises, now and then a rival is tried that believes the stamps and takes the clock to be restless.

use std::sync::Arc;

use super::bank::Bank;
use super::bound::Corridor;
use super::filter::Filter;
use super::guard::Guard;
use super::law::Law;
use super::resting::Resting;
use super::wheel::{Home, Witness};
use super::{Exchange, Flywheel, LEAST_ROUND_TRIP, RATE_REMEMBERED, State};

/// A rival comes after so many exchanges, while it may still be that the track has begun badly.
/// Later the track in use has the longer history, and a rival that begins in a queue has misled.
const COMES: [u32; 2] = [96, 384];
/// Where there is no room then it comes when there is, but not as late as this.
const LATEST: u32 = 768;
/// So many rivals may live at once, or so large a part of all tracks.
const ROOMS: usize = 1_024;
const ROOMS_PART: usize = 8;
/// One that takes the clock to be restless comes every so many exchanges, where the stamps seem to be
/// much noisier than promised and the clock to wander less than this (s²/s³).
const TRIES: u32 = 64;
const RESTLESS: f64 = 1e-14;
/// It learns for so many exchanges before it is compared, and is given up after so many.
const LEARNS: u32 = 64;
const LASTS: u32 = 320;
/// After so many its word counts for the bound.
const OPINES: u32 = 32;
/// It takes over where it is so much likelier (in ln), and is given up where it is so much less.
const WINS: f64 = 20.0;
const LOSES: f64 = -20.0;
/// No single exchange tells more than this, or an outlier would decide.
const MOST: f64 = 3.0;
/// What takes so many times as long as the way and its everyday queues together is held up by something
/// else: exponential queues alone do that in less than one exchange of ten thousand.
const HELD_UP: f64 = 6.0;

#[derive(Debug, Clone)]
pub(super) struct Rival {
    state: Resting,
    age: u32,
    lead: f64,
    /// Held while it lives.
    _room: Room,
}

/// What a comparison has come to.
#[derive(Debug)]
pub(super) enum Verdict {
    Open(Box<Rival>),
    Won(Box<Rival>),
    Lost,
}

/// Room for rivals: each takes as much as its track, so of very many tracks only some have one at
/// a time.
#[derive(Debug)]
pub(super) struct Rooms {
    taken: Arc<()>,
    most: usize,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Room {
    _taken: Arc<()>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { taken: Arc::default(), most: ROOMS }
    }
}

impl Clone for Rooms {
    /// As many, and all of them free.
    fn clone(&self) -> Self {
        Self { taken: Arc::default(), most: self.most }
    }
}

impl Rooms {
    /// There are so many tracks.
    pub(super) fn set_tracks(&mut self, tracks: usize) {
        self.most = ROOMS.max(tracks / ROOMS_PART);
    }

    pub(super) fn take(&self) -> Option<Room> {
        let free = Arc::strong_count(&self.taken) <= self.most;
        free.then(|| Room { _taken: Arc::clone(&self.taken) })
    }
}

impl State {
    /// Whether `exchange` took longer than this track expects of any.
    pub(super) fn is_held_up(&self, exchange: &Exchange) -> bool {
        let usual = self.least_round_trip + 2.0 * self.scale();
        exchange.round_trip().as_secs_f64() > HELD_UP * usual
    }
}

impl Rival {
    /// How many should have come after so many exchanges.
    pub(super) fn due(exchanges: u32) -> u8 {
        COMES.iter().filter(|&&comes| comes <= exchanges).count() as u8
    }

    /// Whether one that could not come in time still may.
    pub(super) fn may_come(exchanges: u32) -> bool {
        exchanges < LATEST
    }

    /// Whether it is time to try whether the clock of `of` is restless, and not its stamps noisy.
    pub(super) fn may_be_restless(of: &State) -> bool {
        let strange = of.bank.is_strange() && of.bank.q() < RESTLESS;
        strange && of.exchanges.is_multiple_of(TRIES)
    }

    /// What it thinks, once it has learned enough to be asked.
    pub(super) fn opinion(&self) -> Option<&Resting> {
        (self.age > OPINES).then_some(&self.state)
    }

    /// The state that is better.
    pub(super) fn into_state(mut self) -> State {
        self.state.wake()
    }

    /// Begins at `exchange` with what `of` knows without a filter, and with its rate; where it is to
    /// be `restless` it takes the clock to be so.
    pub(super) fn new(
        of: &State,
        exchange: &Exchange,
        home: &Home,
        room: Room,
        restless: bool,
    ) -> Box<Self> {
        let floor = of.least_round_trip / 2.0;
        let scale = (of.mean_round_trip - of.least_round_trip).max(LEAST_ROUND_TRIP) / 2.0;
        let half = exchange.round_trip().as_secs_f64().max(LEAST_ROUND_TRIP) / 2.0;
        let doubt = (half - floor).abs() + scale;
        let filter = Filter {
            mean: [home.deviation, of.bank.blend().mean[1], floor],
            cov: [doubt * doubt, 0.0, 0.0, RATE_REMEMBERED.powi(2), 0.0, scale * scale],
        };
        let mut bank = Bank::new(filter, of.noise);
        if restless {
            bank.suppose(RESTLESS);
        }
        let mut state = State {
            base: exchange.offset(),
            bank,
            laws: [Law::new(scale); 2],
            guard: Guard::default(),
            corridor: Corridor::new(half, half),
            early: of.mean_round_trip,
            skew: [0.0; 2],
            exchanges: 1,
            known_for: 0.0,
            ..*of
        };
        Box::new(Self { state: state.rest(), age: 0, lead: 0.0, _room: room })
    }

    /// Takes the exchange in that the track in use found `fit` likely, and `held_up` or not.
    pub(super) fn compare(
        mut self: Box<Self>,
        exchange: &Exchange,
        wheel: &mut Flywheel,
        fit: f64,
        held_up: bool,
    ) -> Verdict {
        let mut state = self.state.wake();
        // What neither expects tells whose guess of the rare long queues is nearer to a storm's, and nothing of
        // the clock.
        let told = !(held_up && state.is_held_up(exchange));
        let sample = state.sample(exchange);
        // A witness that the wheel does not know is not heard.
        state.take(&sample, wheel, &mut Witness::unheard());
        let own = state.bank.take_fit();
        self.state = state.rest();
        self.age += 1;
        if self.age > LEARNS && told {
            self.lead += (own - fit).clamp(-MOST, MOST);
        }
        match self.lead {
            lead if lead > WINS => Verdict::Won(self),
            lead if lead < LOSES || self.age > LASTS => Verdict::Lost,
            _ => Verdict::Open(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::exchange::{Source, Stamp};
    use crate::proto::track::Track;
    use crate::time::{Scale, Time};

    /// Between two exchanges.
    const PERIOD: f64 = 0.25;
    const WAY: f64 = 120e-6;

    fn kernel<S: Scale>(at: f64) -> Stamp<S> {
        Stamp { at: Time::from_nanos((at * 1e9).round() as i64), source: Source::Kernel }
    }

    /// Exchange number `n`, of which the way back takes `late` seconds more than those of a calm.
    fn exchange(n: u32, late: f64) -> Exchange {
        let t1 = f64::from(n) * PERIOD;
        let [forth, back] = [0.618, 0.755].map(|step| 5e-6 * (f64::from(n) * step).fract());
        let t2 = t1 + WAY + forth;
        let t4 = t2 + WAY + back + late;
        Exchange { t1: kernel(t1), t2: kernel(t2), t3: kernel(t2), t4: kernel(t4) }
    }

    /// After how many of ten exchanges that are `late` and have the likelihood `fit` to the track in use a
    /// rival that has just learned enough has won, or lost.
    fn decided_after(fit: f64, late: f64, held_up: bool) -> Option<u32> {
        let (mut track, mut wheel) = (Track::default(), Flywheel::new());
        let first = COMES[0] + LEARNS;
        for n in 0..first {
            track.observe(&exchange(n, 0.0), &mut wheel);
        }
        let mut rival = track.rival.take().expect("it has come");
        for n in 1..=10 {
            match rival.compare(&exchange(first + n, late), &mut wheel, fit, held_up) {
                Verdict::Open(open) => rival = open,
                Verdict::Won(_) => return (fit < 0.0).then_some(n),
                Verdict::Lost => return (fit > 0.0).then_some(n),
            }
        }
        None
    }

    #[test]
    fn no_few_exchanges_decide_however_much_they_tell() {
        for fit in [-1e6, 1e6] {
            assert_eq!(decided_after(fit, 0.0, false), Some(7), "{fit}");
        }
    }

    #[test]
    fn what_neither_expects_tells_nothing_and_what_one_of_them_expects_does() {
        let (long, longer) = (1e-3, 3e-3);
        assert_eq!(decided_after(1e6, longer, true), None);
        assert_eq!(decided_after(1e6, longer, false), Some(7), "the track in use expects it");
        assert_eq!(decided_after(1e6, long, true), Some(7), "the rival does");
    }
}
