//! The window that lets each number through once.

/// Numbers that are told apart; what is older than all of them is refused.
const WIDTH: usize = 32;

/// Remembers which of a sender's datagrams have come. A sender counts all its datagrams and each
/// receiver sees few of them, so the window is over the numbers that came, not over all: the
/// newest 32, which is two of the longest bursts. Whatever arrives within them, and less than 2^32
/// numbers late, is taken once, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// 0: none has come.
    newest: u64,
    /// This number and all below are refused.
    floor: u64,
    /// How far the others are behind the newest, the nearest first.
    behind: [u32; WIDTH - 1],
    others: usize,
}

impl Window {
    /// Whether `number` is new, and takes note of it.
    pub fn take(&mut self, number: u64) -> bool {
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

    proptest! {
        #[test]
        fn it_is_a_sorted_list_of_the_newest(
            steps in prop::collection::vec((any::<bool>(), 0u64..70), 1..300),
            stride in prop::sample::select(vec![1u64, 3, 1 << 20, 1 << 26]),
        ) {
            let (mut window, mut newest) = (Window::default(), 1_000 * stride);
            prop_assert!(window.take(newest));
            let (mut seen, mut floor) = (vec![newest], 0);
            for (on, by) in steps {
                // Forwards by a little, or something of before.
                let number = if on { newest + (1 + by / 24) * stride } else { newest - by * stride };
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
    }
}
