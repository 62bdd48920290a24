//! The window that lets each number through once.

/// Numbers that are told apart; what is older than all of them is refused.
const WIDTH: usize = 32;

/// Remembers which of a sender's datagrams have come. A sender counts all its datagrams and each
/// receiver sees few of them, so the window is over the numbers that came, not over all: the
/// newest 32, which is two of the longest bursts. Whatever arrives within them is taken once, in
/// any order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// In rising order.
    seen: Vec<u64>,
    /// This number and all below are refused.
    floor: u64,
}

impl Window {
    /// Whether `number` is new, and takes note of it.
    pub fn take(&mut self, number: u64) -> bool {
        if number <= self.floor {
            return false;
        }
        let Err(at) = self.seen.binary_search(&number) else { return false };
        self.seen.insert(at, number);
        if self.seen.len() > WIDTH {
            self.floor = self.seen.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(window.seen.len() <= WIDTH);
    }
}
