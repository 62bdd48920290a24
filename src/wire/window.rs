//! The window that lets each number through once.

use std::num::NonZeroU64;

/// Numbers up to the newest that are told apart where they come close together.
const NEAR: u64 = u64::BITS as u64;
/// Numbers that are told apart where they come with wider gaps.
const WIDTH: usize = 32;

/// Remembers which of a sender's datagrams have come, so that each is taken once, in any order.
///
/// A sender counts all its datagrams. Who gets most of them sees hardly a gap: then the window is the
/// 64 numbers up to the newest, a bit each. Who gets few of them, as one of a master's thousands, sees
/// gaps beyond that: then it is over the numbers that came, not over all, the newest 32, which is two of
/// the longest bursts. What is older than that, or 2^32 numbers late, is refused. The window is what
/// the sender needs at the time; in a table of very many most are of the first kind, and small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The newest number, 0 where none has come, and a bit for each of [`NEAR`] from that one down.
    Near(u64, NonZeroU64),
    Far(Box<Far>),
}

/// The window over the numbers that came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Far {
    newest: u64,
    /// This number and all below are refused.
    floor: u64,
    /// How far the others are behind the newest, the nearest first.
    behind: [u32; WIDTH - 1],
    others: usize,
}

impl Default for Window {
    /// Nothing has come.
    fn default() -> Self {
        Self(Kind::Near(0, NonZeroU64::MIN))
    }
}

impl Window {
    /// Whether nothing has come.
    pub fn is_new(&self) -> bool {
        matches!(self.0, Kind::Near(0, _))
    }

    /// Whether `number` is new, and takes note of it.
    pub fn take(&mut self, number: u64) -> bool {
        match &mut self.0 {
            Kind::Near(newest, seen) if number.saturating_sub(*newest) < NEAR || *newest == 0 => {
                take_near(newest, seen, number)
            }
            Kind::Near(newest, seen) => {
                let mut far = Box::new(Far::after(*newest, seen.get()));
                far.take(number);
                self.0 = Kind::Far(far);
                true
            }
            Kind::Far(far) => {
                let taken = far.take(number);
                if let Some((newest, seen)) = far.near() {
                    self.0 = Kind::Near(newest, seen);
                }
                taken
            }
        }
    }
}

/// As [`Window::take`], of a number that is not much newer than the newest.
fn take_near(newest: &mut u64, seen: &mut NonZeroU64, number: u64) -> bool {
    if number > *newest {
        // Of the first nothing is known to be behind it.
        let kept = if *newest == 0 { 0 } else { seen.get() << (number - *newest) };
        (*newest, *seen) = (number, NonZeroU64::MIN | kept);
        return true;
    }
    let behind = *newest - number;
    let is_new = number > 0 && behind < NEAR && seen.get() >> behind & 1 == 0;
    if is_new {
        *seen |= 1 << behind;
    }
    is_new
}

impl Far {
    /// What is told apart so far: `newest`, and what a bit in `seen` stands for.
    fn after(newest: u64, seen: u64) -> Self {
        let mut far = Self { newest, floor: newest.saturating_sub(NEAR), ..Self::default() };
        for behind in (1..NEAR).filter(|behind| seen >> behind & 1 == 1) {
            if far.others == far.behind.len() {
                far.floor = newest - behind;
                break;
            }
            far.behind[far.others] = behind as u32;
            far.others += 1;
        }
        far
    }

    /// The same as [`Kind::Near`], where all that is remembered is near.
    fn near(&self) -> Option<(u64, NonZeroU64)> {
        let near = |behind: &u32| u64::from(*behind) < NEAR;
        if self.others < self.behind.len() || !self.behind.last().is_some_and(near) {
            return None;
        }
        let below = self.newest - self.floor;
        let refused = if below < NEAR { u64::MAX << below } else { 0 };
        let seen = self.behind.iter().fold(refused, |seen, behind| seen | 1 << behind);
        Some((self.newest, NonZeroU64::MIN | seen))
    }

    fn take(&mut self, number: u64) -> bool {
        if number <= self.floor || number == self.newest {
            return false;
        }
        if number > self.newest {
            self.advance(number);
            return true;
        }
        let Ok(behind) = u32::try_from(self.newest - number) else { return false };
        let Err(at) = self.behind[..self.others].binary_search(&behind) else { return false };
        self.insert(at, behind);
        true
    }

    fn advance(&mut self, number: u64) {
        let before = std::mem::replace(&mut self.newest, number);
        self.floor = self.floor.max(number.saturating_sub(1 << 32));
        // Whoever is further behind than 2^32 is below the floor.
        let by = u32::try_from(number - before).unwrap_or(u32::MAX);
        let near = |behind: &&u32| behind.checked_add(by).is_some();
        self.others = self.behind[..self.others].iter().take_while(near).count();
        self.behind[..self.others].iter_mut().for_each(|behind| *behind += by);
        if before > self.floor {
            self.insert(0, by);
        }
    }

    fn insert(&mut self, at: usize, behind: u32) {
        if self.others < self.behind.len() {
            self.others += 1;
        } else {
            // The oldest makes room, or is this one.
            let oldest = self.behind[self.others - 1].max(behind);
            self.floor = self.floor.max(self.newest - u64::from(oldest));
        }
        if at < self.others {
            self.behind[at..self.others].rotate_right(1);
            self.behind[at] = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_number_passes_once_in_any_order_within_the_window() {
        let mut window = Window::default();
        assert!(!window.take(0), "the first is 1");
        assert!(window.take(1_000));
        // Sparse, and every second pair swapped.
        let numbers: Vec<_> = (2..=101).map(|n: u64| 1_000 * (n ^ 1)).collect();
        for &number in &numbers {
            assert!(window.take(number), "{number} is new");
            assert!(!window.take(number), "{number} is known");
        }
        assert!(numbers.iter().all(|&number| !window.take(number)));
        assert!(window.take(99_500), "late, but new and within the window");
        assert!(!window.take(500), "new, but older than the window");
        assert!(window.take(u64::MAX) && !window.take(u64::MAX));
    }

    #[test]
    fn it_is_small_and_stays_so_for_who_sees_few_gaps() {
        assert_eq!(size_of::<Window>(), 16);
        let is_near = |window: &Window| matches!(window.0, Kind::Near(..));
        let mut window = Window::default();
        (1..=200).for_each(|number| assert!(window.take(number)));
        assert!(is_near(&window) && !window.take(150) && !window.take(100));
        assert!(window.take(1_000) && !is_near(&window), "an outage");
        assert!(
            (1..=200).all(|number| !window.take(number)),
            "what came before it is not forgotten"
        );
        assert!(window.take(900));
        (1_001..1_032).for_each(|number| assert!(window.take(number)));
        assert!(is_near(&window), "it is over");
        assert!((1_000..1_032).all(|number| !window.take(number)) && !window.take(900));
    }

    /// Numbers as they may come: forwards by a little, or something of before.
    fn steps() -> impl Strategy<Value = Vec<(bool, u64)>> {
        prop::collection::vec((any::<bool>(), 0u64..70), 1..300)
    }

    fn number((on, by): (bool, u64), newest: u64, stride: u64) -> u64 {
        if on { newest + (1 + by / 24) * stride } else { newest - by * stride }
    }

    proptest! {
        #[test]
        fn with_wide_gaps_it_is_a_sorted_list_of_the_newest(
            steps in steps(),
            stride in prop::sample::select(vec![64, 1_000, 1 << 20, 1u64 << 26]),
        ) {
            let (mut window, mut newest) = (Window::default(), 1_000 * stride);
            prop_assert!(window.take(newest));
            let (mut seen, mut floor) = (vec![newest], newest - NEAR);
            for step in steps {
                let number = number(step, newest, stride);
                newest = newest.max(number);
                let new = number > floor && !seen.contains(&number);
                if new {
                    seen.push(number);
                    seen.sort_unstable();
                    if seen.len() > WIDTH {
                        floor = seen.remove(0);
                    }
                }
                let far = newest - number >= 1 << 32;
                let expected = new && !far;
                prop_assert_eq!(window.take(number), expected, "{} of {:?}", number, seen);
            }
        }

        #[test]
        fn whatever_the_gaps_none_passes_twice_and_what_is_new_and_near_does(
            steps in prop::collection::vec(
                ((any::<bool>(), 0u64..70), prop::sample::select(vec![1u64, 3, 17, 80])), 1..600),
        ) {
            let (mut window, mut newest) = (Window::default(), 100_000);
            prop_assert!(window.take(newest));
            let mut came = vec![newest];
            for (step, stride) in steps {
                let number = number(step, newest, stride);
                newest = newest.max(number);
                let is_new = !came.contains(&number);
                came.sort_unstable();
                let among_newest = came.iter().rev().nth(WIDTH - 1).is_none_or(|old| number > *old);
                let taken = window.take(number);
                prop_assert!(is_new || !taken, "{} twice", number);
                if is_new && among_newest && newest - number < NEAR {
                    prop_assert!(taken, "{} of {}", number, newest);
                }
                came.extend(taken.then_some(number));
            }
        }
    }
}
