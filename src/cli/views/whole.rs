//! `campanile cluster` and `stats` for people.

use std::fmt::Write;

use super::text::{self, Sheet, UNKNOWN};
use crate::outlet::{Cluster, Stats};
use crate::report::human_count;

pub(super) const CLUSTER_LEGEND: &str = "
Term counts reigns: the master of the highest one is followed. Spread is the
greatest minus the least offset of the clocks that count, by the master's
measure. Candidates are the nodes that may be master, as far as this one knows.
";

pub(super) const STATS_LEGEND: &str = "
Datagrams are counted since the start. Slow are replies beyond --max-rtt: in
order, and not used. Stamps say who took the times of datagrams. Lost are those
that found the socket's buffer full. Reasons for drops are named as in
docs/protocol.md.
";

/// The cluster's sheet.
pub(super) fn cluster(c: &Cluster) -> String {
    let mut sheet = Sheet::default();
    let dash = || UNKNOWN.to_owned();
    sheet.line("Term", c.term.map_or_else(dash, |term| term.to_string()));
    sheet.line("Master", c.master.as_ref().map_or_else(dash, text::node));
    let members = c.members.zip(c.counted);
    let members = members.map(|(all, counted)| format!("{all}, {counted} counted"));
    sheet.line("Members", members.unwrap_or_else(dash));
    sheet.line("Spread", text::span(c.spread_s));
    if c.candidates.is_empty() {
        sheet.line("Candidates", dash());
    }
    for (nth, c) in c.candidates.iter().enumerate() {
        let of = format!("{} ({}, rank {})", text::node(&c.node), c.role, c.rank);
        sheet.line(if nth == 0 { "Candidates" } else { "" }, of);
    }
    let mut page = sheet.end();
    if !c.reigns.is_empty() {
        page.push_str("\nfollowed          master                why\n");
    }
    for reign in &c.reigns {
        let ago = format!("{} ago", text::span(Some(reign.ago_s)));
        let name = text::cell(&reign.node.node, 20);
        let _ = writeln!(page, "{ago:<16}  {name}  {}", text::printable(&reign.why));
    }
    page
}

/// The counters' sheet.
pub(super) fn stats(s: &Stats) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Running for", text::span(Some(s.uptime_s)));
    sheet.line(
        "Datagrams",
        format!("{} received, {} sent", human_count(s.received), human_count(s.sent)),
    );
    sheet.line("Slow replies", human_count(s.slow));
    let (received, sent) = (text::stamps(&s.stamps_received), text::stamps(&s.stamps_sent));
    sheet.line("Stamps", format!("received {received}, sent {sent}"));
    sheet.line("Errors", format!("{} sending, {} receiving", s.send_errors, s.receive_errors));
    sheet.line("Lost", format!("{} by a full buffer", human_count(s.overflowed)));
    sheet.line("Clock steps", format!("{} of the system clock seen", s.clock_steps));
    sheet.line("Events", format!("{}, {} of them warnings", s.events, s.warnings));
    if let (Some(slaves), Some(most), Some(each)) = (s.slaves, s.max_slaves, s.bytes_per_slave) {
        let text = format!("{} of {} slaves", human_count(slaves), human_count(most));
        sheet.line("Roster", format!("{text}, {each} bytes each"));
    }
    sheet.line("Dropped", human_count(s.dropped));
    let mut page = sheet.end();
    for (reason, count) in &s.drops {
        let _ = writeln!(page, "  {:<14}: {}", text::printable(reason), human_count(*count));
    }
    page
}
