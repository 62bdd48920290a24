//! What a moment is: instants on named scales, spans, offsets and rates.
//!
//! Every instant is an `i64` count of nanoseconds with a zero-size marker that names its
//! [`Scale`]. Instants of different scales neither compare nor subtract:
//!
//! ```compile_fail
//! use campanile::time::{Local, Shown, Time};
//! let mixed = Time::<Local>::from_nanos(5) - Time::<Shown>::from_nanos(3);
//! ```
//!
//! and its twin on one scale does:
//!
//! ```
//! use campanile::time::{Local, Offset, Time};
//! let span = Time::<Local>::from_nanos(5) - Time::<Local>::from_nanos(3);
//! assert_eq!(span, Offset::from_nanos(2));
//! ```
//!
//! Two rules hold everywhere. Arithmetic **saturates**: instants come out of datagrams, so any
//! `i64` may arrive, and a hostile one must not panic. Absolute instants **never enter floating
//! point**: a double holds whole nanoseconds only up to 2^53 ns, 104 days. Take the difference
//! first.
//!
//! The sign is one everywhere: an [`Offset`] is *that clock minus the reference*, positive when
//! that clock is ahead; a [`Rate`] is positive when that clock runs fast.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Add, Neg, Sub};

const NANOS_PER_SEC: f64 = 1e9;

/// The whole number nearest to `x`, of two the one further from zero; NaN becomes zero, too large
/// saturates. [`f64::round`] is a call on processors that are not known to have an instruction for it.
fn nearest(x: f64) -> i64 {
    let whole = x as i64;
    let rest = x - whole as f64;
    whole.saturating_add(i64::from(rest >= 0.5) - i64::from(rest <= -0.5))
}

/// A time scale: who counts the nanoseconds of a [`Time`], and from where.
pub trait Scale: Copy + Ord + fmt::Debug + std::hash::Hash {
    /// The name of the scale in debug output.
    const NAME: &'static str;
}

macro_rules! scale {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {}
        impl Scale for $name {
            const NAME: &'static str = stringify!($name);
        }
    };
}

scale! {
    /// This node's free-running clock, which nobody steers. Origin arbitrary.
    Local
}
scale! {
    /// Another node's [`Local`], as it stands in a datagram. Origin arbitrary.
    Remote
}
scale! {
    /// The machine's own counter, `CLOCK_MONOTONIC_RAW`: one for all nodes on a machine, and what
    /// their [`Local`]s are made of. Origin: the boot of the machine, about.
    Raw
}
scale! {
    /// What a node tells its users: the system clock or a virtual clock. Unix epoch.
    Shown
}
scale! {
    /// What the ensemble agrees on. Unix epoch.
    Cluster
}
scale! {
    /// The truth, which only a simulator or an observer of several clocks on one machine knows.
    True
}

/// An instant: nanoseconds on the scale `S`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time<S: Scale> {
    nanos: i64,
    scale: PhantomData<S>,
}

impl<S: Scale> Time<S> {
    /// The instant `nanos` nanoseconds after the origin of the scale; negative is before it.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos, scale: PhantomData }
    }

    /// Nanoseconds since the origin of the scale.
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }

    /// How long `self` is after `earlier`; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Span {
        (self - earlier).ahead()
    }
}

impl Time<Local> {
    /// Our own reading as others will name it once it left in a datagram.
    pub const fn sent_away(self) -> Time<Remote> {
        Time::from_nanos(self.nanos)
    }
}

impl Time<Remote> {
    /// A reading of our own clock that came back in a datagram.
    pub const fn back_home(self) -> Time<Local> {
        Time::from_nanos(self.nanos)
    }
}

impl<S: Scale> fmt::Debug for Time<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} ns)", S::NAME, self.nanos)
    }
}

impl<S: Scale> Sub for Time<S> {
    type Output = Offset;
    fn sub(self, rhs: Self) -> Offset {
        Offset(self.nanos.saturating_sub(rhs.nanos))
    }
}

impl<S: Scale> Add<Offset> for Time<S> {
    type Output = Self;
    fn add(self, rhs: Offset) -> Self {
        Self::from_nanos(self.nanos.saturating_add(rhs.0))
    }
}

impl<S: Scale> Sub<Offset> for Time<S> {
    type Output = Self;
    fn sub(self, rhs: Offset) -> Self {
        Self::from_nanos(self.nanos.saturating_sub(rhs.0))
    }
}

impl<S: Scale> Add<Span> for Time<S> {
    type Output = Self;
    fn add(self, rhs: Span) -> Self {
        Self::from_nanos(self.nanos.saturating_add(rhs.0))
    }
}

impl<S: Scale> Sub<Span> for Time<S> {
    type Output = Self;
    fn sub(self, rhs: Span) -> Self {
        Self::from_nanos(self.nanos.saturating_sub(rhs.0))
    }
}

/// A length of time, never negative: 0 … 292 years in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest span, 292 years: "never".
    pub const MAX: Span = Span(i64::MAX);

    /// `nanos` nanoseconds; beyond [`Span::MAX`] it saturates.
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos > i64::MAX as u64 { Self::MAX } else { Self(nanos as i64) }
    }

    /// `micros` microseconds, saturating.
    pub const fn from_micros(micros: u64) -> Self {
        Self::from_nanos(micros.saturating_mul(1_000))
    }

    /// `millis` milliseconds, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// `secs` seconds, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_nanos(secs.saturating_mul(1_000_000_000))
    }

    /// The nearest span to `secs` seconds; negative and NaN become zero, too large saturates.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(nearest(secs * NANOS_PER_SEC).max(0))
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0 as u64
    }

    /// Seconds, rounded to a double.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }

    /// This span `n` times over, saturating.
    pub const fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(n as i64))
    }

    /// An `n`-th of this span, rounded down.
    ///
    /// # Panics
    /// If `n` is zero.
    pub const fn over(self, n: u32) -> Self {
        Self(self.0 / n as i64)
    }

    /// This span as a positive offset.
    pub const fn as_offset(self) -> Offset {
        Offset(self.0)
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

/// What is left, or zero.
impl Sub for Span {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self((self.0 - rhs.0).max(0))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns", self.0)
    }
}

/// A signed difference of two clocks or instants in nanoseconds: positive means ahead, or later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(i64);

impl Offset {
    /// No difference.
    pub const ZERO: Offset = Offset(0);

    /// `nanos` nanoseconds ahead.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The nearest offset to `secs` seconds; NaN becomes zero, too large saturates.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(nearest(secs * NANOS_PER_SEC))
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds, rounded to a double. Exact for less than 104 days.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }

    /// The magnitude.
    pub const fn abs(self) -> Span {
        Span(self.0.saturating_abs())
    }

    /// The part that is ahead: itself where positive, else zero.
    pub const fn ahead(self) -> Span {
        if self.0 > 0 { Span(self.0) } else { Span::ZERO }
    }

    /// The middle between two offsets, rounded towards minus infinity, without overflow.
    pub const fn midpoint(self, other: Self) -> Self {
        Self(((self.0 as i128 + other.0 as i128) >> 1) as i64)
    }

    /// This offset, but no further from zero than `limit`.
    pub fn clamp_abs(self, limit: Span) -> Self {
        Self(self.0.clamp(-limit.0, limit.0))
    }
}

impl Neg for Offset {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Add for Offset {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl Sub for Offset {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} ns", self.0)
    }
}

/// A relative rate in parts per billion, with a fraction: positive runs fast. Always finite.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Rate(f64);

impl Rate {
    /// Neither fast nor slow.
    pub const ZERO: Rate = Rate(0.0);

    /// `ppb` parts per billion. What is not finite becomes zero: an estimate that has gone mad
    /// must not reach a clock.
    pub const fn from_ppb(ppb: f64) -> Self {
        if ppb.is_finite() { Self(ppb) } else { Self::ZERO }
    }

    /// `ppm` parts per million.
    pub const fn from_ppm(ppm: f64) -> Self {
        Self::from_ppb(ppm * 1e3)
    }

    /// A ratio: 1e-6 is one part per million.
    pub const fn from_ratio(ratio: f64) -> Self {
        Self::from_ppb(ratio * 1e9)
    }

    /// Parts per billion.
    pub const fn as_ppb(self) -> f64 {
        self.0
    }

    /// Parts per million.
    pub const fn as_ppm(self) -> f64 {
        self.0 / 1e3
    }

    /// The plain ratio, the SI form: 1e-6 for one part per million.
    pub const fn as_ratio(self) -> f64 {
        self.0 / 1e9
    }

    /// The magnitude.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// This rate, but no further from zero than `limit`.
    pub const fn clamp_abs(self, limit: Rate) -> Self {
        Self(self.0.clamp(-limit.0.abs(), limit.0.abs()))
    }

    /// What a clock of this rate gains over `elapsed`, to the nearest nanosecond.
    ///
    /// Whole parts per billion are multiplied as integers, so that a long `elapsed` keeps its
    /// nanoseconds.
    pub fn gain_over(self, elapsed: Offset) -> Offset {
        if self == Self::ZERO {
            return Offset::ZERO;
        }
        let whole = self.0 as i64;
        let rest = elapsed.0 as f64 * (self.0 - whole as f64) / NANOS_PER_SEC;
        let wide = || i128::from(elapsed.0) * i128::from(whole);
        // Nearly always 64 bits are enough, and quicker.
        let exact =
            elapsed.0.checked_mul(whole).map_or_else(|| wide() as f64, |exact| exact as f64);
        let nanos = exact / NANOS_PER_SEC + rest;
        if nanos.abs() < (1i64 << 52) as f64 {
            return Offset(nearest(nanos));
        }
        let exact = (wide() / 1_000_000_000).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Offset(exact.saturating_add(nearest(rest)))
    }

    /// The rate of a clock against C, where `self` is its rate against B and `b_against_c` that of
    /// B against C. Rates multiply: (1 + a)(1 + b) − 1.
    pub fn on_top_of(self, b_against_c: Rate) -> Rate {
        Rate::from_ppb(self.0 + b_against_c.0 + self.0 * b_against_c.0 * 1e-9)
    }

    /// The rate of B against A, where `self` is that of A against B: 1/(1 + a) − 1.
    pub fn reversed(self) -> Rate {
        Rate::from_ppb(-self.0 / (1.0 + self.0 * 1e-9))
    }
}

impl Neg for Rate {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Add for Rate {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self::from_ppb(self.0 + rhs.0)
    }
}

impl Sub for Rate {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self::from_ppb(self.0 - rhs.0)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} ppb", self.0)
    }
}

/// An affine map between two scales: at `at` on scale `A` the scale `B` reads `reads`, and it
/// runs at `rate` against `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Map<A: Scale, B: Scale> {
    /// The anchor on scale `A`.
    pub at: Time<A>,
    /// What scale `B` reads at the anchor.
    pub reads: Time<B>,
    /// The rate of `B` against `A`.
    pub rate: Rate,
}

impl<A: Scale, B: Scale> Map<A, B> {
    /// What scale `B` reads at `t`.
    pub fn reading(&self, t: Time<A>) -> Time<B> {
        let elapsed = t - self.at;
        self.reads + elapsed + self.rate.gain_over(elapsed)
    }

    /// The same map, anchored at `t`.
    pub fn anchored_at(&self, t: Time<A>) -> Self {
        Self { at: t, reads: self.reading(t), rate: self.rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_whole_number_is_what_round_says(
            whole in -1e17..1e17, half in -4_000_001i64..4_000_001, any in any::<f64>(),
        ) {
            for x in [whole, half as f64 / 2.0, (half as f64 / 2.0).next_down(), any] {
                prop_assert_eq!(nearest(x), x.round() as i64, "{}", x);
            }
        }

        #[test]
        fn a_gain_is_right_to_the_nanosecond(
            ppb in -1e8..1e8, nanos in -100_000_000_000_000_000i64..100_000_000_000_000_000,
        ) {
            let gain = Rate::from_ppb(ppb).gain_over(Offset::from_nanos(nanos)).as_nanos();
            // The rate in whole parts of 2^-20 ppb, which is 10^-15 of the time too little at most.
            let parts = (ppb * f64::from(1 << 20)) as i128 * i128::from(nanos);
            let whole = parts as f64 / (f64::from(1 << 20) * 1e9);
            let most = 1.0 + nanos.abs() as f64 * 1e-15;
            prop_assert!((gain as f64 - whole).abs() <= most, "{} {}", gain, whole);
        }
    }

    #[test]
    fn arithmetic_saturates_instead_of_panicking() {
        let last = Time::<Local>::from_nanos(i64::MAX);
        let first = Time::<Local>::from_nanos(i64::MIN);
        assert_eq!((last - first).as_nanos(), i64::MAX);
        assert_eq!((first - last).as_nanos(), i64::MIN);
        assert_eq!(last + Span::from_secs(1), last);
        assert_eq!((first - last).abs(), Span::MAX);
        assert_eq!(-(first - last), Offset::from_nanos(i64::MAX));
    }

    #[test]
    fn a_span_is_never_negative() {
        assert_eq!(Span::from_secs_f64(-1.0), Span::ZERO);
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_millis(1) - Span::from_millis(2), Span::ZERO);
        assert_eq!(Span::from_nanos(u64::MAX), Span::MAX);
    }

    #[test]
    fn a_map_keeps_its_nanoseconds_over_a_century() {
        let map = Map::<Local, Shown> {
            at: Time::from_nanos(7),
            reads: Time::from_nanos(1_700_000_000_000_000_000),
            rate: Rate::from_ppm(50.0),
        };
        let century = Offset::from_nanos(3_155_760_000_000_000_000);
        let gain = map.reading(map.at + century) - map.reads - century;
        assert_eq!(gain.as_nanos(), 157_788_000_000_000);
        assert_eq!(map.reading(map.at), map.reads);
    }

    #[test]
    fn rates_compose_and_reverse() {
        let fast = Rate::from_ppm(400.0);
        assert!(fast.on_top_of(fast.reversed()).abs().as_ppb() < 1e-6);
        assert_eq!(Rate::from_ppb(f64::NAN), Rate::ZERO);
        assert_eq!(Rate::from_ppm(600.0).clamp_abs(Rate::from_ppm(500.0)), Rate::from_ppm(500.0));
    }

    #[test]
    fn the_midpoint_does_not_overflow() {
        let far = Offset::from_nanos(i64::MAX);
        assert_eq!(far.midpoint(far), far);
        assert_eq!(Offset::from_nanos(i64::MIN).midpoint(far), Offset::from_nanos(-1));
    }
}
