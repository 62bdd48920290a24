//! `campanile peers`, `peerstats` and `peer` for people.

use std::fmt::Write;

use super::text::{self, Sheet, UNKNOWN};
use crate::outlet::{Member, MemberStats, Named};

/// The width of a name in a table.
const NAME: usize = 18;

pub(super) const PEERS_LEGEND: &str = "
M   # this node   ^ the master it follows   = a member that it polls
S   * our master   + counted in the average   - good, not counted
    x falseticker: corrected, not counted   ~ too variable   ? unreachable
reach   the last eight rounds in octal, 377: all answered
last    since the last reply
offset  that clock minus cluster time: + is ahead, - is behind
±       five standard deviations of it
rtt     least round trip of the last round
weight  its part in the average, 0 to 1
stamps  who took most of the times: daemon, kernel or hardware
a       whether what it says is proven to be its own: y or n
";

pub(super) const PEERSTATS_LEGEND: &str = "
n        offsets since the last step, 64 at most; span: since the first of them
replies  rounds with a reply, of all since it came
mean     of the offsets, that clock minus cluster time: + is ahead, - is behind
std dev  of the offsets
rate     of its crystal against cluster time: + runs fast; skew: its deviation
rtt      mean of the rounds' least round trips
";

pub(super) const PEER_LEGEND: &str = "
State: counted in the average, spare: good and not counted, falseticker:
corrected and not counted, variable or unreachable.
Reach: the last eight rounds, 377: all answered.
Offset is that clock minus cluster time: + is ahead, - is behind. Bound: five
standard deviations of it, and what it is at worst.
Rate is that of its crystal against cluster time: + runs fast; skew: its
deviation. Round trip: the least of the last round.
Weight: its part in the average, 0 to 1. Stamps: who took most of the times.
Authenticated: whether what it says is proven to be its own.
Offsets, round trips: of the last rounds, 64 at most. Rounds, troubles: since it
came.
";

/// The line of the table's heading that `peers` begins with.
pub(super) fn peers_heading() -> String {
    let name = text::cell("name", NAME);
    let line = format!(
        "MS {name} {:>5} {:>5} {:>9} {:>8} {:>8} {:>6} {:<8} a",
        "reach", "last", "offset", "±", "rtt", "weight", "stamps"
    );
    format!("{line}\n{}\n", "=".repeat(79))
}

/// A member's line of `peers`.
pub(super) fn peers_line(m: &Member) -> String {
    let weight = m.weight.map_or_else(|| UNKNOWN.to_owned(), |weight| format!("{weight:.3}"));
    format!(
        "{} {} {:>5} {:>5} {:>9} {:>8} {:>8} {:>6} {:<8} {}\n",
        signs(m),
        text::cell(&m.node.node, NAME),
        format!("{:o}", m.reach),
        text::age(m.last_reply_s),
        text::offset(m.offset_s),
        text::span(m.bound_statistical_s),
        text::span(m.round_trip_s),
        weight,
        m.stamps.as_deref().unwrap_or(UNKNOWN),
        if m.authenticated { 'y' } else { 'n' },
    )
}

/// What it is to us, and how it stands, in a sign each.
pub(in crate::cli) fn signs(m: &Member) -> String {
    [relation(m), sign(m)].into_iter().collect()
}

fn relation(m: &Member) -> char {
    match m.relation.as_str() {
        "own" => '#',
        "master" => '^',
        _ => '=',
    }
}

/// What the member's state is in one sign, chrony's where the meaning is the same.
fn sign(m: &Member) -> char {
    match m.state.as_str() {
        "master" => '*',
        "counted" => '+',
        "spare" => '-',
        "falseticker" => 'x',
        "variable" => '~',
        _ => '?',
    }
}

/// The order of the lines: ourselves, our master, then by name.
pub(super) fn order(m: &Member) -> (u8, String) {
    let rank = match m.relation.as_str() {
        "own" => 0,
        "master" => 1,
        _ => 2,
    };
    (rank, m.node.node.clone())
}

/// The heading of `peerstats`.
pub(super) fn peerstats_heading() -> String {
    let name = text::cell("name", NAME);
    let line = format!(
        "{name} {:>2} {:>5} {:>7} {:>9} {:>8} {:>9} {:>8} {:>6}",
        "n", "span", "replies", "mean", "std dev", "rate", "skew", "rtt"
    );
    format!("{line}\n{}\n", "=".repeat(80))
}

/// A member's line of `peerstats`.
pub(super) fn peerstats_line(m: &MemberStats) -> String {
    let replies = match m.polled {
        0 => UNKNOWN.to_owned(),
        polled => format!("{:.1} %", 100.0 * m.answered as f64 / polled as f64),
    };
    format!(
        "{} {:>2} {:>5} {replies:>7} {:>9} {:>8} {:>9} {:>8} {:>6}\n",
        text::cell(&m.node.node, NAME),
        m.samples,
        text::age(Some(m.span_s)),
        text::offset(m.offset_mean_s),
        text::span(m.offset_deviation_s),
        text::rate(m.rate).replace(" ppm", "ppm").replace(" ppb", "ppb"),
        text::size_of_rate(m.skew).replace(" ppm", "ppm").replace(" ppb", "ppb"),
        text::span(m.round_trip_mean_s).replace(' ', ""),
    )
}

/// All that is known of one member.
pub(super) fn sheet(m: &Member, s: &MemberStats) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Name", text::node(&m.node));
    sheet.line("Identity", &m.node.id);
    sheet.line("State", format!("{} ({})", m.state, relation_in_words(m)));
    let last = text::span(m.last_reply_s);
    sheet.line("Reach", format!("{:o} octal, last reply {last} ago", m.reach));
    sheet.line("Offset", text::offset(m.offset_s));
    let (likely, hard) = (text::span(m.bound_statistical_s), text::span(m.bound_hard_s));
    sheet.line("Bound", format!("± {likely} statistical, ± {hard} hard"));
    sheet.line("Rate", format!("{}, skew {}", text::rate(m.rate), text::size_of_rate(m.skew)));
    sheet.line("Round trip", text::span(m.round_trip_s));
    let weight = m.weight.map_or_else(|| UNKNOWN.to_owned(), |weight| format!("{weight:.3}"));
    sheet.line("Weight", weight);
    sheet.line("Stamps", m.stamps.as_deref().unwrap_or(UNKNOWN));
    sheet.line("Authenticated", if m.authenticated { "yes" } else { "no" });
    sheet.line("Steps", m.steps.to_string());
    let mean = text::offset(s.offset_mean_s);
    let deviation = text::span(s.offset_deviation_s);
    let span = text::span(Some(s.span_s));
    sheet.line("Offsets", format!("mean {mean}, std dev {deviation}, of {} in {span}", s.samples));
    let (mean, deviation) = (text::span(s.round_trip_mean_s), text::span(s.round_trip_deviation_s));
    sheet.line("Round trips", format!("mean {mean}, std dev {deviation}"));
    sheet.line(
        "Rounds",
        format!("{} of {} answered, {} exchanges", s.answered, s.polled, s.exchanges),
    );
    let mut troubles = String::new();
    let _ = write!(
        troubles,
        "{} restarts, {} silences, {} times a falseticker",
        s.restarts, s.silences, s.falseticks
    );
    sheet.line("Troubles", troubles);
    sheet.end()
}

/// Who else is meant by `typed`; nothing where nobody is.
pub(super) fn others(typed: &str, others: &[Named], meant: u64) -> String {
    let Some(more) = meant.checked_sub(1).filter(|more| *more > 0) else { return String::new() };
    let typed = text::printable(typed);
    let mut lines = format!("\n{meant} members are meant by {typed}; the others, by identity:\n");
    for other in others {
        let addr = other.addr.as_deref().unwrap_or("this node");
        let _ = writeln!(lines, "  {} ({addr})", text::printable(&other.id));
    }
    let hidden = more.saturating_sub(others.len() as u64);
    if hidden > 0 {
        let _ = writeln!(lines, "  … and {hidden} more");
    }
    lines
}

fn relation_in_words(m: &Member) -> &'static str {
    match m.relation.as_str() {
        "own" => "this node",
        "master" => "the master it follows",
        _ => "a member that it polls",
    }
}
