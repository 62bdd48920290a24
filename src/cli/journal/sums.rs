//! What a run comes to, in a line for people.

use super::record;
use crate::net::NetStats;
use crate::proto::Counters;
use crate::report::{human, human_count};
use crate::time::Span;

/// What was counted in a run, in one line.
pub(super) fn counts(counters: &Counters, net: &NetStats) -> String {
    let slow = match counters.slow {
        0 => String::new(),
        n => format!(", {} replies slower than --max-rtt", human_count(n)),
    };
    let stamps = match counters.received.min(counters.sent) {
        0 => String::new(),
        _ => {
            let (taken, left) = (record::by_whom(&net.received), record::by_whom(&net.sent));
            format!("; stamps on receipt by {taken}; on sending by {left}")
        }
    };
    format!(
        "{} datagrams in, {} out{slow}, {} dropped{}{stamps}",
        human_count(counters.received),
        human_count(counters.sent),
        human_count(counters.dropped_in_all()),
        why(counters),
    )
}

/// The reasons for all drops so far.
pub(super) fn why(counters: &Counters) -> String {
    let reasons = counters.drops().map(|(why, n)| format!("{} {}", human_count(n), why.name()));
    let reasons: Vec<_> = reasons.collect();
    if reasons.is_empty() { String::new() } else { format!(" ({} in all)", reasons.join(", ")) }
}

/// What a slave knows of its offsets: it measures no round trips.
pub(super) fn offsets(row: &crate::report::Row, age: Span) -> String {
    let (size, signs) = (&row.offset.size, &row.offset.signs);
    let (Some(p50), Some(p99), Some(max)) = (size.p50, size.p99, size.max) else {
        return format!("no correction came in {}\n", human(age));
    };
    format!(
        "{} corrections in {}: offset p50 {}, p99 {}, max {}; {} ahead, {} behind\n",
        human_count(size.count),
        human(age),
        human(p50),
        human(p99),
        human(max),
        human_count(signs.ahead),
        human_count(signs.behind)
    )
}
