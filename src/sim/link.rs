//! A network between two nodes: how long a datagram takes, and whether it comes at all.

use super::dice::Dice;
use crate::time::{Span, Time, True};

/// Some packets in a row, again and again, wait in a queue: of every [`Queue::every`] packets
/// that a direction carries the first [`Queue::length`], the very first ones included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// The length of the cycle in packets; at least 1.
    pub every: u32,
    /// How many in a row have to wait.
    pub length: u32,
    /// The mean of their exponential wait.
    pub wait: Span,
}

/// Something that befalls single packets at random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mishap {
    /// The share of packets it befalls, 0 … 1.
    pub ratio: f64,
    /// What it costs them.
    pub by: Span,
}

/// One direction of a network. The delay of a packet is the sum of what is set here.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Path {
    /// What every packet takes.
    pub base: Span,
    /// The mean of an exponential delay on top.
    pub jitter: Span,
    /// The deviation of a normal delay on top; the sum is never less than nothing.
    pub gauss: Span,
    /// Packets in a row that wait.
    pub queue: Option<Queue>,
    /// Single packets that take longer, by an exponential delay of this mean.
    pub tail: Option<Mishap>,
    /// Single packets that are held back by exactly so much, and overtaken.
    pub hold: Option<Mishap>,
    /// The share of packets that are lost, 0 … 1.
    pub loss: f64,
    /// The share of packets that come twice, 0 … 1.
    pub duplicate: f64,
}

/// A network between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Link {
    /// From the master, or from the node that was named first.
    pub forth: Path,
    /// To it.
    pub back: Path,
}

impl Link {
    /// The same both ways.
    pub const fn even(path: Path) -> Self {
        Self { forth: path, back: path }
    }
}

/// What befalls a direction for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spell {
    pub(super) from: Time<True>,
    pub(super) until: Time<True>,
    /// Every packet takes so much longer,
    pub(super) add: Span,
    /// and a further uniform 0 … so much.
    pub(super) up_to: Span,
    /// So much more is lost,
    pub(super) loss: f64,
    /// comes twice,
    pub(super) duplicate: f64,
    /// is held back and overtaken.
    pub(super) hold: Option<Mishap>,
    /// Nothing comes through.
    pub(super) cut: bool,
}

impl Spell {
    /// One that does nothing yet.
    pub(super) const fn calm(from: Time<True>, until: Time<True>) -> Self {
        let (add, up_to) = (Span::ZERO, Span::ZERO);
        Self { from, until, add, up_to, loss: 0.0, duplicate: 0.0, hold: None, cut: false }
    }
}

/// One direction at work.
#[derive(Debug, Clone)]
pub(super) struct Direction {
    path: Path,
    spells: Vec<Spell>,
    carried: u64,
    dice: Dice,
}

impl Direction {
    pub(super) fn new(path: Path, dice: Dice) -> Self {
        Self { path, spells: Vec::new(), carried: 0, dice }
    }

    pub(super) fn add(&mut self, spell: Spell) {
        self.spells.push(spell);
    }

    /// The delays of the copies that arrive of a packet that is sent at `now`: none where it is
    /// lost, two where it is doubled.
    pub(super) fn carry(&mut self, now: Time<True>) -> impl Iterator<Item = Span> + use<> {
        let index = self.carried;
        self.carried += 1;
        let calm = (false, 0.0, 0.0);
        let (cut, loss, duplicate) = self.now(now).fold(calm, |(cut, loss, duplicate), spell| {
            (cut || spell.cut, loss + spell.loss, duplicate + spell.duplicate)
        });
        let lost = self.dice.happens(self.path.loss) || self.dice.happens(loss) || cut;
        let twice = self.dice.happens(self.path.duplicate) || self.dice.happens(duplicate);
        let first = (!lost).then(|| self.delay(now, index));
        let second = (!lost && twice).then(|| self.delay(now, index));
        [first, second].into_iter().flatten()
    }

    fn now(&self, now: Time<True>) -> impl Iterator<Item = Spell> + '_ {
        self.spells.iter().copied().filter(move |s| s.from <= now && now < s.until)
    }

    fn delay(&mut self, now: Time<True>, index: u64) -> Span {
        let path = self.path;
        let mut delay = nanos(path.base);
        if path.jitter > Span::ZERO {
            delay += nanos(path.jitter) * self.dice.exponential();
        }
        if path.gauss > Span::ZERO {
            delay += nanos(path.gauss) * self.dice.normal();
        }
        let queues = |queue: &Queue| index % u64::from(queue.every) < u64::from(queue.length);
        if let Some(queue) = path.queue.filter(queues) {
            delay += nanos(queue.wait) * self.dice.exponential();
        }
        if let Some(tail) = path.tail.filter(|tail| self.dice.happens(tail.ratio)) {
            delay += nanos(tail.by) * self.dice.exponential();
        }
        if let Some(hold) = path.hold.filter(|hold| self.dice.happens(hold.ratio)) {
            delay += nanos(hold.by);
        }
        let (add, up_to) = self.now(now).fold((0.0, 0.0), |(add, up_to), spell| {
            (add + nanos(spell.add), up_to + nanos(spell.up_to))
        });
        if up_to > 0.0 {
            delay += up_to * self.dice.uniform();
        }
        let (spells, dice) = (&self.spells, &mut self.dice);
        let held = spells.iter().filter(|s| s.from <= now && now < s.until).filter_map(|s| s.hold);
        for hold in held {
            if dice.happens(hold.ratio) {
                delay += nanos(hold.by);
            }
        }
        Span::from_nanos((delay + add).round() as u64)
    }
}

fn nanos(span: Span) -> f64 {
    span.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;

    fn delays(path: Path, packets: usize) -> Vec<Vec<f64>> {
        let mut direction = Direction::new(path, Dice::new(1, Purpose::Path(0, 1)));
        (0..packets)
            .map(|_| direction.carry(Time::from_nanos(0)).map(|d| d.as_secs_f64()).collect())
            .collect()
    }

    fn mean(of: &[f64]) -> f64 {
        of.iter().sum::<f64>() / of.len() as f64
    }

    const PATH: Path = Path {
        base: Span::from_micros(50),
        jitter: Span::from_micros(10),
        gauss: Span::ZERO,
        queue: None,
        tail: None,
        hold: None,
        loss: 0.0,
        duplicate: 0.0,
    };

    #[test]
    fn delay_is_base_plus_exponential_jitter() {
        let delays: Vec<f64> = delays(PATH, 50_000).concat();
        let least = delays.iter().copied().fold(f64::MAX, f64::min);
        assert!((50e-6..50.01e-6).contains(&least), "{least}");
        assert!((mean(&delays) - 60e-6).abs() < 0.3e-6, "{}", mean(&delays));
    }

    #[test]
    fn a_share_is_lost_and_a_share_comes_twice() {
        let copies = delays(Path { loss: 0.2, duplicate: 0.1, ..PATH }, 50_000);
        let share = |n| copies.iter().filter(|c| c.len() == n).count() as f64 / 50_000.0;
        assert!((share(0) - 0.2).abs() < 0.01, "lost {}", share(0));
        assert!((share(2) - 0.08).abs() < 0.01, "doubled {}", share(2));
    }

    #[test]
    fn queues_begin_with_the_first_packet_and_return() {
        let queue = Some(Queue { every: 60, length: 10, wait: Span::from_millis(2) });
        let delays = delays(Path { queue, ..PATH }, 60_000).concat();
        let waiting = |i: usize| i % 60 < 10;
        let of = |want: bool| -> Vec<f64> {
            (0..60_000).filter(|&i| waiting(i) == want).map(|i| delays[i]).collect()
        };
        assert!((mean(&of(true)) - 2.06e-3).abs() < 0.1e-3, "{}", mean(&of(true)));
        assert!(of(false).iter().all(|&d| d < 0.3e-3));
    }

    #[test]
    fn tails_and_holds_befall_their_share() {
        let tail = Some(Mishap { ratio: 0.1, by: Span::from_micros(300) });
        let with_tail = delays(Path { tail, ..PATH }, 50_000).concat();
        assert!((mean(&with_tail) - 90e-6).abs() < 2e-6, "{}", mean(&with_tail));
        let hold = Some(Mishap { ratio: 0.25, by: Span::from_millis(5) });
        let held = delays(Path { hold, ..PATH }, 50_000).concat();
        let share = held.iter().filter(|&&d| d > 5e-3).count() as f64 / 50_000.0;
        assert!((share - 0.25).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_spell_lasts_as_long_as_it_should() {
        let path = Path { jitter: Span::ZERO, ..PATH };
        let mut direction = Direction::new(path, Dice::new(1, Purpose::Path(0, 1)));
        let at = |s: i64| Time::<True>::from_nanos(s * 1_000_000_000);
        let longer = Spell { add: Span::from_micros(40), ..Spell::calm(at(10), at(20)) };
        direction.add(longer);
        direction.add(Spell { from: at(30), until: at(40), cut: true, ..longer });
        let micros: Vec<Vec<u64>> = [5, 10, 20, 30, 40]
            .map(|s| direction.carry(at(s)).map(|d| d.as_nanos() / 1_000).collect())
            .to_vec();
        assert_eq!(micros, [vec![50], vec![90], vec![50], vec![], vec![50]]);
    }

    #[test]
    fn a_storm_loses_doubles_and_holds_its_share() {
        let mut direction = Direction::new(PATH, Dice::new(1, Purpose::Path(0, 1)));
        let at = |s: i64| Time::<True>::from_nanos(s * 1_000_000_000);
        let hold = Some(Mishap { ratio: 0.25, by: Span::from_millis(5) });
        let calm = Spell::calm(at(0), at(10));
        direction.add(Spell { loss: 0.4, duplicate: 0.5, hold, ..calm });
        let copies: Vec<Vec<Span>> =
            (0..20_000).map(|_| direction.carry(at(5)).collect()).collect();
        let share = |n| copies.iter().filter(|c| c.len() == n).count() as f64 / 20_000.0;
        assert!((share(0) - 0.4).abs() < 0.02 && (share(2) - 0.3).abs() < 0.02, "{}", share(2));
        let delays = copies.concat();
        let late = delays.iter().filter(|&&delay| delay > Span::from_millis(5)).count();
        let late = late as f64 / delays.len() as f64;
        assert!((late - 0.25).abs() < 0.02, "{late}");
        assert_eq!(direction.carry(at(10)).count(), 1, "it is over");
    }
}
