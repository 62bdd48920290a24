//! Budgets: how many useless datagrams an address may send before nobody looks at more of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::time::{Local, Span, Time};

/// Addresses with a budget of their own.
const MOST: usize = 1_024;
/// All of them together, and those beyond, have so many times the budget of one.
const TOGETHER: u64 = 16;
/// How often those that owe nothing any more are looked for, while the table is full.
const SWEEP: Span = Span::from_millis(100);
/// A budget that was not used holds so much.
const BURST: Span = Span::from_secs(1);

/// Token buckets in the form of the generic cell rate algorithm: of each address only the instant
/// is kept at which all that it sent is paid for at the allowed rate.
#[derive(Debug)]
pub(super) struct Sources {
    cost: Span,
    paid: BTreeMap<SocketAddr, Time<Local>>,
    /// When all of them are paid for.
    all_paid: Time<Local>,
    together: Time<Local>,
    swept: Time<Local>,
}

impl Sources {
    /// `rate` datagrams a second, at least 1.
    pub(super) fn new(rate: u32) -> Self {
        let beginning = Time::from_nanos(i64::MIN);
        let cost = Span::from_nanos(1_000_000_000 / u64::from(rate.max(1)));
        let paid = BTreeMap::new();
        Self { cost, paid, all_paid: beginning, together: beginning, swept: beginning }
    }

    /// Whether nothing more is to be taken from there now.
    pub(super) fn is_spent(&self, now: Time<Local>, from: SocketAddr) -> bool {
        let is_over = |paid: &Time<Local>| paid.since(now) >= BURST;
        // Mostly nobody has spent its budget, and nobody's need be looked for.
        let own = is_over(&self.all_paid) && self.paid.get(&from).is_some_and(is_over);
        own || is_over(&self.together)
    }

    /// Takes note of something useless from there. What nobody looked at costs nothing, or a flood would leave
    /// a debt as long as it was great, to be paid by all who are not known yet.
    pub(super) fn charge(&mut self, now: Time<Local>, from: SocketAddr) {
        if self.is_spent(now, from) {
            return;
        }
        self.together = self.together.max(now) + Span::from_nanos(self.cost.as_nanos() / TOGETHER);
        if let Some(paid) = self.paid.get_mut(&from) {
            *paid = (*paid).max(now) + self.cost;
            self.all_paid = self.all_paid.max(*paid);
            return;
        }
        if self.paid.len() >= MOST && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.paid.retain(|_, paid| *paid > now);
        }
        if self.paid.len() < MOST {
            self.paid.insert(from, now + self.cost);
            self.all_paid = self.all_paid.max(now + self.cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time<Local> {
        Time::from_nanos(0) + Span::from_millis(millis)
    }

    /// How many of ten datagrams a millisecond from `from(n)`, for `count` ms, are looked at. All are charged.
    fn looked_at(sources: &mut Sources, count: u64, from: impl Fn(u64) -> SocketAddr) -> u64 {
        let mut looked = 0;
        for n in 0..count {
            for _ in 0..10 {
                looked += u64::from(!sources.is_spent(at(n), from(n)));
                sources.charge(at(n), from(n));
            }
        }
        looked
    }

    #[test]
    fn an_address_gets_its_rate_and_one_second_at_once() {
        let mut sources = Sources::new(1_000);
        let addr: SocketAddr = "10.0.0.9:4000".parse().unwrap();
        let looked = looked_at(&mut sources, 2_000, |_| addr);
        assert!((2_990..=3_010).contains(&looked), "{looked} in 2 s and one second's worth");
        assert!(!sources.is_spent(at(2_000), "10.0.0.9:4001".parse().unwrap()));
        assert!(!sources.is_spent(at(4_000), addr), "it is forgiven");
    }

    #[test]
    fn addresses_without_number_share_one_budget_in_bounded_memory() {
        let mut sources = Sources::new(10);
        let from = |n: u64| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 7045));
        let looked = looked_at(&mut sources, 20_000, from);
        assert!(sources.paid.len() <= MOST);
        // 160 a second and one second's worth.
        assert!((3_350..=3_370).contains(&looked), "{looked} of 200 000");
        let newcomer = "10.2.0.1:7045".parse().unwrap();
        assert!(
            !sources.is_spent(at(20_020), newcomer),
            "the flood is over, and so is what it spent"
        );
    }

    #[test]
    fn a_full_table_takes_no_more_until_somebody_is_forgiven() {
        let mut sources = Sources::new(1_000);
        let from = |n: u16| SocketAddr::from(([10, 1, 0, 0], n));
        for n in 0..10_000 {
            sources.charge(at(0), from(n));
        }
        assert_eq!(sources.paid.len(), MOST);
        let looked = looked_at(&mut sources, 2_000, |_| from(20_000));
        // Ten a millisecond, and for the first 100 ms there is no room for its debt.
        assert!((3_890..=3_910).contains(&looked), "{looked} of 20 000");
    }
}
