//! `campanile tracking` for people.

use super::text::{self, Sheet, UNKNOWN};
use crate::outlet::Tracking;

pub(super) const LEGEND: &str = "
Offset is this clock minus cluster time: + is ahead, - is behind. Slewed means
worked off by running faster or slower, without a jump.
Last and RMS offset: what the newest correction found, and the root mean square
of the last 64.
Rate is that of this machine's crystal against cluster time: + runs fast. Skew
is the standard deviation of the last 64 rates.
Bound: the offset is within ± this. Statistical: five standard deviations, what
remains to be slewed, and 15 ppm of age. Hard: whatever the network's delays
were, as long as packets take time and the rate is what it is taken for.
Round trip: the least to the master in the newest round, as that measured it; on
a master the middle one of its slaves'.
Stamps: who took most times of datagrams received and sent, and what part.
";

/// The sheet.
pub(super) fn sheet(t: &Tracking) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Node", format!("{} on {}", text::printable(&t.node.node), t.listen));
    sheet.line("Role", role(t));
    sheet.line("State", state(t));
    sheet.line("Time basis", basis(t));
    let time = t.cluster_time_ns.map(text::date);
    sheet.line("Cluster time", time.unwrap_or_else(|| UNKNOWN.to_owned()));
    sheet.line("Last round", last_round(t));
    sheet.line("Offset", offset(t));
    sheet.line("Last offset", text::offset(t.last_offset_s));
    sheet.line("RMS offset", text::span(t.rms_offset_s));
    sheet.line("Rate", rate(t));
    sheet.line("Skew", text::size_of_rate(t.skew));
    sheet.line("Round trip", text::span(t.round_trip_s));
    let (likely, hard) = (text::span(t.bound_statistical_s), text::span(t.bound_hard_s));
    sheet.line("Bound", format!("± {likely} statistical, ± {hard} hard"));
    let (received, sent) = (text::stamps(&t.stamps_received), text::stamps(&t.stamps_sent));
    sheet.line("Stamps", format!("received {received}, sent {sent}"));
    sheet.line("Clock", format!("{}, stepped {}", t.clock, times(t.steps)));
    sheet.end()
}

fn role(t: &Tracking) -> String {
    let term = t.term.map_or_else(String::new, |term| format!(", term {term}"));
    match &t.master {
        Some(master) => format!("{} of {}{term}", t.role, text::node(master)),
        None => format!("{}{term}", t.role),
    }
}

fn state(t: &Tracking) -> String {
    let meaning = match t.state.as_str() {
        "searching" => "no master answers",
        "alone" => "no slave can be reached",
        "forming" => "cluster time is not known yet",
        "hold" => "no majority agrees; going on by prediction",
        "holdover" => "the last correction has expired; running on at the learned rate",
        _ => "",
    };
    let standing = match t.standing.as_deref() {
        Some("falseticker") => "; this clock is a falseticker and not counted",
        Some("spare") => "; this clock is not counted",
        _ => "",
    };
    let meaning = if meaning.is_empty() { String::new() } else { format!(" ({meaning})") };
    format!("{}{meaning}{standing}", t.state)
}

fn basis(t: &Tracking) -> String {
    match (t.time_basis.as_str(), t.members, t.counted) {
        ("none", _, _) => "none yet".to_owned(),
        (basis, Some(members), Some(counted)) => {
            let outside = match basis {
                "references" => "leaning to references",
                _ => "nothing outside",
            };
            format!("{counted} of {members} clocks, {outside}; spread {}", text::span(t.spread_s))
        }
        _ => "the clocks of the cluster".to_owned(),
    }
}

fn last_round(t: &Tracking) -> String {
    let every = text::span(Some(t.interval_s));
    match (t.round, t.since_update_s) {
        (Some(round), Some(since)) => {
            format!("{round}, {} ago; one every {every}", text::span(Some(since)))
        }
        _ => format!("{UNKNOWN}; one every {every}"),
    }
}

fn offset(t: &Tracking) -> String {
    let side = match t.offset_s {
        Some(offset) if offset > 0.0 => " (ahead of cluster time), being slewed",
        Some(offset) if offset < 0.0 => " (behind cluster time), being slewed",
        _ => "",
    };
    format!("{}{side}", text::offset(t.offset_s))
}

fn rate(t: &Tracking) -> String {
    let side = match t.rate {
        Some(rate) if rate > 0.0 => " (the crystal runs fast)",
        Some(rate) if rate < 0.0 => " (the crystal runs slow)",
        _ => "",
    };
    format!("{}{side}", text::rate(t.rate))
}

fn times(steps: u16) -> String {
    match steps {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}
