//! What a change of masters did to the cluster, against the truth.

use serde::Serialize;

use super::score::{Sample, seconds};
use super::world::{Said, World};
use crate::proto::{Cause, Event};
use crate::time::{Offset, Time, True};

/// Before and after a change the mean is a straight line over so many seconds.
const LINE: f64 = 20.0;
/// The gap and what it has done: until so long after the new master's first correction, seconds.
const AFTER: f64 = 60.0;

/// A change of masters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Handover {
    /// Who was master before; none where it is not known.
    pub from: Option<String>,
    /// Who is master now.
    pub to: String,
    /// Why: `silence`, `resigned` or `started`.
    pub why: &'static str,
    /// When the last datagram of the old master left that arrived anywhere.
    pub last_sign_s: f64,
    /// When the new master was elected.
    pub elected_s: f64,
    /// When its first correction was applied; none if none was.
    pub acted_s: Option<f64>,
    /// From the last sign to the first correction.
    pub gap_s: Option<f64>,
    /// 99th percentile of the spread after the warm-up and before the last sign.
    pub spread_before_p99_s: f64,
    /// Greatest spread from the last sign until the new master was elected.
    pub spread_alone_max_s: f64,
    /// Greatest spread from the last sign until a minute after the first correction.
    pub spread_gap_max_s: f64,
    /// How far the mean of what the healthy nodes show jumped: two straight lines, over 20 s before
    /// the last sign and after the first correction, where the latter begins.
    pub jump_s: Option<f64>,
    /// Steps of clocks from the last sign until a minute after the first correction.
    pub steps: u64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: f64,
    mean: f64,
    spread: f64,
}

#[derive(Debug)]
struct Change {
    from: Option<usize>,
    to: usize,
    why: Cause,
    last_sign: f64,
    elected: f64,
    acted: Option<f64>,
}

/// Follows who is master, and what that does.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    looks: Vec<Look>,
    steps: Vec<f64>,
    master: Option<usize>,
    changes: Vec<Change>,
}

impl Handovers {
    pub(super) fn note(&mut self, world: &World<'_>, said: &Said) {
        let at = seconds(said.at);
        match &said.event {
            Event::Elected { why, .. } => {
                if let Some(from) = self.master {
                    let heard = world.machines[from].heard;
                    self.changes.push(Change {
                        from: (from != said.node).then_some(from),
                        to: said.node,
                        why: *why,
                        last_sign: heard.map_or(0.0, seconds),
                        elected: at,
                        acted: None,
                    });
                }
                self.master = Some(said.node);
            }
            Event::Adjusted(_) if Some(said.node) != self.master => {
                if let Some(change) = self.changes.last_mut() {
                    change.acted.get_or_insert(at);
                }
            }
            Event::Stepped { .. } => self.steps.push(at),
            _ => {}
        }
    }

    pub(super) fn look(&mut self, t: Time<True>, samples: &[Sample]) {
        let errors = |of: fn(&Sample) -> bool| samples.iter().filter(move |s| of(s));
        let counted = errors(|s| s.counts).map(|s| s.error);
        let spread = match (counted.clone().min(), counted.max()) {
            (Some(least), Some(greatest)) => (greatest - least).abs().as_secs_f64(),
            _ => 0.0,
        };
        let (sum, count) = errors(|s| s.steadfast)
            .map(|s| s.error)
            .fold((0i128, 0i128), |(sum, n), e: Offset| (sum + i128::from(e.as_nanos()), n + 1));
        let mean = sum as f64 / count.max(1) as f64 / 1e9;
        self.looks.push(Look { at: seconds(t), mean, spread });
    }

    pub(super) fn outcome(self, names: &[String], warm_up: f64) -> Vec<Handover> {
        let changes = self.changes.iter();
        changes.map(|change| self.handover(change, names, warm_up)).collect()
    }

    fn handover(&self, change: &Change, names: &[String], warm_up: f64) -> Handover {
        let sign = change.last_sign;
        let end = change.acted.unwrap_or(change.elected) + AFTER;
        let mut before: Vec<_> = self.between(warm_up, sign).map(|look| look.spread).collect();
        before.sort_unstable_by(f64::total_cmp);
        let p99 = before.len().checked_sub(1).map_or(0.0, |last| before[last * 99 / 100]);
        let greatest = |until| self.between(sign, until).map(|l| l.spread).fold(0.0, f64::max);
        Handover {
            from: change.from.map(|from| names[from].clone()),
            to: names[change.to].clone(),
            why: match change.why {
                Cause::Started => "started",
                Cause::Silence => "silence",
                Cause::Resigned => "resigned",
            },
            last_sign_s: sign,
            elected_s: change.elected,
            acted_s: change.acted,
            gap_s: change.acted.map(|acted| acted - sign),
            spread_before_p99_s: p99,
            spread_alone_max_s: greatest(change.elected),
            spread_gap_max_s: greatest(end),
            jump_s: change.acted.and_then(|acted| self.jump(sign, acted)),
            steps: self.steps.iter().filter(|&&at| at >= sign && at <= end).count() as u64,
        }
    }

    fn between(&self, from: f64, to: f64) -> impl Iterator<Item = Look> + '_ {
        let first = self.looks.partition_point(|look| look.at < from);
        self.looks[first..].iter().copied().take_while(move |look| look.at <= to)
    }

    fn jump(&self, sign: f64, acted: f64) -> Option<f64> {
        let before = line(self.between(sign - LINE, sign), acted)?;
        let after = line(self.between(acted, acted + LINE), acted)?;
        Some((after - before).abs())
    }
}

/// Where the straight line through the means is at `at`.
fn line(looks: impl Iterator<Item = Look>, at: f64) -> Option<f64> {
    let looks: Vec<_> = looks.collect();
    let n = looks.len() as f64;
    if looks.len() < 3 {
        return None;
    }
    let (x, y) = looks.iter().fold((0.0, 0.0), |(x, y), l| (x + l.at - at, y + l.mean));
    let (x, y) = (x / n, y / n);
    let (xx, xy) = looks.iter().fold((0.0, 0.0), |(xx, xy), l| {
        let dx = l.at - at - x;
        (xx + dx * dx, xy + dx * (l.mean - y))
    });
    (xx > 0.0).then(|| y - xy / xx * x)
}
