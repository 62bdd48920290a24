//! One slave's clock as the master sees it: where its Local is against ours, and how fast it runs.
//!
//! Of each burst the least forward and the least backward difference are kept: queueing only ever
//! adds, and each direction queues by itself, so the two minima together are better than the one
//! exchange of the least round trip. A weighted line through the points of the recent rounds gives
//! the offset and the rate.

use std::collections::VecDeque;

use super::exchange::Exchange;
use crate::time::{Local, Offset, Rate, Span, Time};

/// How many rounds the line goes through: long enough to average the noise, short enough that the
/// wander of a quartz is no curve yet.
const POINTS: usize = 16;
/// Rate error to reckon with while nothing is heard (design figure of ordinary quartz).
const RHO: f64 = 15e-6;
/// How far a point may lie from the line, in standard deviations, before it is doubted.
const GATE: f64 = 8.0;
/// The least doubt, in seconds: below it even a bad point does no harm worth a restart.
const GATE_FLOOR: f64 = 200e-6;
/// So many doubted points in a row mean that the clock jumped and the line is worth nothing.
const DOUBTS: usize = 2;

/// What the master believes of a slave's Local at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On the master's Local.
    pub at: Time<Local>,
    /// The slave's Local minus the master's Local.
    pub offset: Offset,
    /// The rate of the slave's Local against the master's.
    pub rate: Rate,
    /// One standard deviation of the offset.
    pub sigma: Span,
    /// The offset is wrong by no more than this if packets take time and quartz is quartz.
    pub bound: Span,
}

/// What one exchange told about the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// How much longer than the least known the way there took.
    pub forward: Span,
    /// How much longer than the least known the way back took.
    pub backward: Span,
}

/// A burst, boiled down. Seconds, offsets relative to the track's base.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: Time<Local>,
    offset: f64,
    round_trip: f64,
    noise: f64,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    at: Time<Local>,
    forward: f64,
    backward: f64,
    noise: f64,
}

/// Follows one slave's Local.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// Offsets are kept as differences from this, so that days between two machines' Locals cost
    /// no digits.
    base: Offset,
    burst: Option<Burst>,
    points: VecDeque<Point>,
    doubted: Vec<Point>,
    prior_rate: Option<Rate>,
}

impl Track {
    /// A track that knows nothing but, perhaps, the rate of the slave's Local against ours.
    pub fn new(prior_rate: Option<Rate>) -> Self {
        Self { prior_rate, ..Self::default() }
    }

    /// Takes an exchange in and says how much of its delays was queueing.
    pub fn observe(&mut self, exchange: &Exchange) -> Noise {
        if self.points.is_empty() && self.burst.is_none() {
            self.base = exchange.offset();
        }
        let at = exchange.middle();
        let drifted = match &self.burst {
            Some(burst) => self.rate() * (at - burst.at).as_secs_f64(),
            None => 0.0,
        };
        // Both differences as they would have been at the burst's first exchange.
        let forward = (exchange.forward() - self.base).as_secs_f64() - drifted;
        let backward = (exchange.backward() + self.base).as_secs_f64() + drifted;
        let source = exchange.forward_source().min(exchange.backward_source());
        let noise = source.noise().as_secs_f64();
        let least = self.least_one_way();
        let mut burst = self.burst.unwrap_or(Burst { at, forward, backward, noise });
        burst.forward = burst.forward.min(forward);
        burst.backward = burst.backward.min(backward);
        self.burst = Some(burst);
        let expected = match self.line() {
            Some((offset, _)) => offset(at) - drifted,
            None => (burst.forward - burst.backward) / 2.0,
        };
        let burst_least = (burst.forward + burst.backward) / 2.0;
        let least = least.map_or(burst_least, |least| least.min(burst_least));
        Noise {
            forward: Span::from_secs_f64(forward - expected - least),
            backward: Span::from_secs_f64(backward + expected - least),
        }
    }

    /// The burst is over: its best becomes a point of the line.
    pub fn end_burst(&mut self) {
        let Some(burst) = self.burst.take() else { return };
        let point = Point {
            at: burst.at,
            offset: (burst.forward - burst.backward) / 2.0,
            round_trip: (burst.forward + burst.backward).max(0.0),
            noise: burst.noise,
        };
        if self.doubts(&point) {
            self.doubted.push(point);
            if self.doubted.len() < DOUBTS {
                return;
            }
            // The clock jumped; its rate most likely did not.
            self.prior_rate = Some(Rate::from_ratio(self.rate()));
            self.points = self.doubted.drain(..).collect();
        } else {
            self.doubted.clear();
            if self.points.len() == POINTS {
                self.points.pop_front();
            }
            self.points.push_back(point);
        }
    }

    /// What is known for the instant `at`; nothing before the first burst has ended.
    pub fn estimate(&self, at: Time<Local>) -> Option<Estimate> {
        let newest = self.points.back()?;
        let (line, residual) = self.line()?;
        let offset = line(at);
        let age = (at - newest.at).as_secs_f64().max(0.0);
        let n = self.points.len() as f64;
        let sigma = (residual.powi(2) / n + newest.noise.powi(2)).sqrt() * (1.0 + age / 4.0);
        let bound = self.points.iter().map(|p| {
            let since = (at - p.at).as_secs_f64().max(0.0);
            let predicted = p.offset + self.rate() * since;
            p.round_trip / 2.0 + (predicted - offset).abs() + RHO * since + p.noise
        });
        Some(Estimate {
            at,
            offset: self.base + Offset::from_secs_f64(offset),
            rate: Rate::from_ratio(self.rate()),
            sigma: Span::from_secs_f64(sigma),
            bound: Span::from_secs_f64(bound.fold(f64::INFINITY, f64::min)),
        })
    }

    fn doubts(&self, point: &Point) -> bool {
        let Some((line, residual)) = self.line() else { return false };
        let age = (point.at - self.points[self.points.len() - 1].at).as_secs_f64();
        let unknown_rate = if self.points.len() < 3 { 1e-3 * age } else { RHO * age };
        let scale = residual.max(point.noise) + point.round_trip / 2.0;
        (point.offset - line(point.at)).abs() > GATE * scale + GATE_FLOOR + unknown_rate
    }

    fn least_one_way(&self) -> Option<f64> {
        self.points.iter().map(|p| p.round_trip / 2.0).reduce(f64::min)
    }

    fn rate(&self) -> f64 {
        let prior = self.prior_rate.map_or(0.0, Rate::as_ratio);
        if self.points.len() < 2 { prior } else { self.fit().map_or(prior, |fit| fit.slope) }
    }

    /// The line as a function of the instant, and the RMS distance of the points from it.
    fn line(&self) -> Option<(impl Fn(Time<Local>) -> f64, f64)> {
        let fit = self.fit()?;
        Some((move |at: Time<Local>| fit.offset + fit.slope * (at - fit.at).as_secs_f64(), fit.rms))
    }

    /// Weighted least squares. A point's weight falls with the square of what its round trip has
    /// above the least, as that is how wrong its offset may be.
    fn fit(&self) -> Option<Fit> {
        let newest = self.points.back()?;
        let least = self.least_one_way()?;
        let (mut w, mut wt, mut wx, mut wtt, mut wtx) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let weighed: Vec<_> = self
            .points
            .iter()
            .map(|p| {
                let t = (p.at - newest.at).as_secs_f64();
                (t, p.offset, 1.0 / (p.noise + (p.round_trip / 2.0 - least)).powi(2))
            })
            .collect();
        for &(t, x, weight) in &weighed {
            w += weight;
            wt += weight * t;
            wx += weight * x;
            wtt += weight * t * t;
            wtx += weight * t * x;
        }
        let spread = wtt - wt * wt / w;
        let prior = self.prior_rate.map_or(0.0, Rate::as_ratio);
        let slope = if spread > 0.0 { (wtx - wt * wx / w) / spread } else { prior };
        let offset = wx / w - slope * wt / w;
        let sum: f64 = weighed.iter().map(|&(t, x, m)| m * (x - offset - slope * t).powi(2)).sum();
        Some(Fit { at: newest.at, offset, slope, rms: (sum / w).sqrt() })
    }
}

struct Fit {
    at: Time<Local>,
    offset: f64,
    slope: f64,
    rms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Stamp;

    /// An exchange at `secs` with a slave that is `ahead` seconds ahead, and the two delays.
    fn exchange(secs: f64, ahead: f64, there: f64, back: f64) -> Exchange {
        let ns = |s: f64| (s * 1e9).round() as i64;
        let t1 = ns(secs);
        let t2 = t1 + ns(there) + ns(ahead);
        let t3 = t2 + 20_000;
        let t4 = t1 + ns(there) + 20_000 + ns(back);
        Exchange {
            t1: Stamp::daemon(Time::from_nanos(t1)),
            t2: Stamp::daemon(Time::from_nanos(t2)),
            t3: Stamp::daemon(Time::from_nanos(t3)),
            t4: Stamp::daemon(Time::from_nanos(t4)),
        }
    }

    fn at(secs: f64) -> Time<Local> {
        Time::from_nanos((secs * 1e9) as i64)
    }

    #[test]
    fn the_two_directions_are_kept_apart() {
        let mut track = Track::new(None);
        // Forth is fast in one exchange, back in the other: neither alone is right.
        track.observe(&exchange(0.0, 1e-3, 50e-6, 900e-6));
        let noise = track.observe(&exchange(0.002, 1e-3, 700e-6, 50e-6));
        track.end_burst();
        let estimate = track.estimate(at(0.0)).unwrap();
        assert!((estimate.offset.as_secs_f64() - 1e-3).abs() < 1e-6, "{estimate:?}");
        assert!((noise.forward.as_secs_f64() - 650e-6).abs() < 2e-6, "{noise:?}");
        assert_eq!(noise.backward, Span::ZERO);
    }

    #[test]
    fn the_rate_comes_out_of_the_rounds() {
        let mut track = Track::new(None);
        for round in 0..12 {
            let secs = f64::from(round);
            track.observe(&exchange(secs, 0.25 + 40e-6 * secs, 50e-6, 50e-6));
            track.end_burst();
        }
        let estimate = track.estimate(at(13.0)).unwrap();
        assert!((estimate.rate.as_ppm() - 40.0).abs() < 0.1, "{estimate:?}");
        assert!((estimate.offset.as_secs_f64() - 0.25 - 40e-6 * 13.0).abs() < 1e-6);
        assert!(estimate.bound >= Span::from_micros(50));
    }

    #[test]
    fn a_jump_is_believed_at_the_second_sight() {
        let mut track = Track::new(None);
        for round in 0..8 {
            track.observe(&exchange(f64::from(round), 0.0, 50e-6, 50e-6));
            track.end_burst();
        }
        track.observe(&exchange(8.0, 0.5, 50e-6, 50e-6));
        track.end_burst();
        assert!(track.estimate(at(8.0)).unwrap().offset.abs() < Span::from_micros(10));
        track.observe(&exchange(9.0, 0.5, 50e-6, 50e-6));
        track.end_burst();
        let offset = track.estimate(at(9.0)).unwrap().offset;
        assert!((offset.as_secs_f64() - 0.5).abs() < 10e-6, "{offset:?}");
    }
}
