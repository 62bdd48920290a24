//! What people read at the end of an interval, and of a run.

use std::fmt::Write;

use super::sums::{counts, offsets, why};
use super::{Detail, Journal, Role};
use crate::net::NetStats;
use crate::proto::Counters;
use crate::report::{human, human_count};
use crate::time::Span;

impl Journal {
    pub(super) fn interval_for_people(&mut self, age: Span, counters: &Counters) {
        let left_out = self.lines.left_out();
        if left_out > 0 {
            self.out.log(age, &format!("{} lines were left out here", human_count(left_out)));
        }
        self.out.log(age, self.status.as_deref().unwrap_or("nothing measured yet"));
        let dropped = counters.dropped_in_all();
        if dropped > self.dropped {
            let new = human_count(dropped - self.dropped);
            self.out.log(
                age,
                &format!("{new} datagrams dropped since the last report{}", why(counters)),
            );
        }
        self.dropped = dropped;
        let mut text = String::new();
        match self.heading.role {
            Role::Master => {
                let tables = (self.roster.table(), self.book.interval());
                if !tables.0.is_empty() {
                    let _ = writeln!(text, "\n{}\n{}", tables.0, tables.1);
                }
            }
            Role::Slave => {}
        }
        self.out.text(&text);
    }

    pub(super) fn total_for_people(&mut self, age: Span, counters: &Counters, net: &NetStats) {
        if self.detail > Detail::Quiet {
            self.out.log(age, &counts(counters, net));
        }
        let total = self.book.total();
        let is_empty = total.cluster.round_trip.count == 0;
        let text = match self.heading.role {
            Role::Master if is_empty => format!("no exchange was completed in {}\n", human(age)),
            Role::Master => format!("\nthe whole run, {}\n\n{total}", human(age)),
            Role::Slave => offsets(&total.cluster, age),
        };
        self.out.text(&text);
    }
}
