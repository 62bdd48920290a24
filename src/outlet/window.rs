//! The newest values of one kind, looked back on.

use crate::time::{Local, Span, Time};

/// So many values are looked back on.
pub(super) const WINDOW: usize = 64;
/// Of which so many lie before the last.
const BEFORE: usize = WINDOW - 1;

/// A value, and when it was measured.
type Value = (Time<Local>, f64);

/// The newest values of one kind. Most windows are so narrow that the last value is all there is,
/// and that one lies within.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// A ring of those before the last; none until there are two.
    before: Option<Box<[Value; BEFORE]>>,
    /// Without meaning in an empty window.
    last: Value,
    len: u8,
    /// Where in the ring the next one goes.
    next: u8,
}

impl Default for Window {
    fn default() -> Self {
        Self { before: None, last: (Time::from_nanos(0), 0.0), len: 0, next: 0 }
    }
}

impl Window {
    pub(super) fn push(&mut self, at: Time<Local>, value: f64) {
        if self.len > 0 {
            let nothing = [(Time::from_nanos(0), 0.0); BEFORE];
            let before = self.before.get_or_insert_with(|| Box::new(nothing));
            before[usize::from(self.next)] = self.last;
            self.next = if usize::from(self.next) + 1 == BEFORE { 0 } else { self.next + 1 };
        }
        self.len = (self.len + 1).min(WINDOW as u8);
        self.last = (at, value);
    }

    /// Forgets all before.
    pub(super) fn replace(&mut self, at: Time<Local>, value: f64) {
        *self = Self { last: (at, value), len: 1, ..Self::default() };
    }

    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    pub(super) fn last(&self) -> Option<f64> {
        (self.len > 0).then_some(self.last.1)
    }

    /// From the oldest to the newest.
    pub(super) fn span(&self) -> Span {
        self.each().next().map_or(Span::ZERO, |(first, _)| self.last.0.since(first))
    }

    /// The oldest first.
    fn each(&self) -> impl Iterator<Item = Value> {
        let len = self.len();
        let before = self.before.as_deref().filter(|_| len > 1);
        let oldest = usize::from(self.next) + BEFORE - len.saturating_sub(1);
        let before = before.into_iter().flat_map(move |ring| {
            (oldest..oldest + len - 1).map(move |place| ring[place % BEFORE])
        });
        before.chain((len > 0).then_some(self.last))
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.each().map(|(_, value)| value)
    }

    pub(super) fn mean(&self) -> Option<f64> {
        let n = self.len() as f64;
        (n > 0.0).then(|| self.values().sum::<f64>() / n)
    }

    pub(super) fn rms(&self) -> Option<f64> {
        let n = self.len() as f64;
        (n > 0.0).then(|| (self.values().map(|value| value * value).sum::<f64>() / n).sqrt())
    }

    /// The standard deviation; none of fewer than two.
    pub(super) fn deviation(&self) -> Option<f64> {
        let (n, mean) = (self.len() as f64, self.mean()?);
        let squares = self.values().map(|value| (value - mean).powi(2)).sum::<f64>();
        (n > 1.0).then(|| (squares / (n - 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_looked_back_on_in_their_order() {
        let mut window = Window::default();
        assert_eq!((window.mean(), window.last(), window.span()), (None, None, Span::ZERO));
        for n in 1..=300_u32 {
            window.push(Time::from_nanos(i64::from(n) * 10), f64::from(n));
            let oldest = n.saturating_sub(WINDOW as u32) + 1;
            let expected: Vec<_> = (oldest..=n).map(f64::from).collect();
            assert_eq!(window.values().collect::<Vec<_>>(), expected);
            assert_eq!(window.span(), Span::from_nanos(u64::from(n - oldest) * 10));
            assert_eq!((window.len(), window.last()), (expected.len(), Some(f64::from(n))));
        }
        window.replace(Time::from_nanos(9_000), 7.0);
        assert_eq!((window.len(), window.mean(), window.span()), (1, Some(7.0), Span::ZERO));
    }
}
