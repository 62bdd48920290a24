//! Views as comma-separated values: no heading, SI base units, nothing where nothing is known.

use serde_json::Value;

/// The columns of a view, in their order: names of its JSON, with `/` for a name within.
pub(super) type Columns = &'static [&'static str];

pub(super) const TRACKING: Columns = &[
    "node",
    "id",
    "role",
    "state",
    "master/node",
    "master/addr",
    "term",
    "time_basis",
    "cluster_time_ns",
    "members",
    "counted",
    "spread_s",
    "standing",
    "round",
    "interval_s",
    "since_update_s",
    "updates",
    "offset_s",
    "last_offset_s",
    "rms_offset_s",
    "rate",
    "skew",
    "round_trip_s",
    "bound_statistical_s",
    "bound_hard_s",
    "stamps_received/daemon",
    "stamps_received/kernel",
    "stamps_received/hardware",
    "stamps_sent/daemon",
    "stamps_sent/kernel",
    "stamps_sent/hardware",
    "clock",
    "steps",
];

pub(super) const PEERS: Columns = &[
    "node",
    "id",
    "addr",
    "relation",
    "state",
    "reach",
    "last_reply_s",
    "offset_s",
    "bound_statistical_s",
    "bound_hard_s",
    "rate",
    "skew",
    "round_trip_s",
    "weight",
    "stamps",
    "authenticated",
    "steps",
];

pub(super) const PEERSTATS: Columns = &[
    "node",
    "id",
    "samples",
    "span_s",
    "polled",
    "answered",
    "exchanges",
    "offset_mean_s",
    "offset_deviation_s",
    "rate",
    "skew",
    "round_trip_mean_s",
    "round_trip_deviation_s",
    "restarts",
    "silences",
    "falseticks",
];

pub(super) const CLUSTER: Columns =
    &["term", "master/node", "master/addr", "members", "counted", "spread_s"];

pub(super) const STATS: Columns = &[
    "uptime_s",
    "received",
    "sent",
    "slow",
    "dropped",
    "stamps_received/daemon",
    "stamps_received/kernel",
    "stamps_received/hardware",
    "stamps_sent/daemon",
    "stamps_sent/kernel",
    "stamps_sent/hardware",
    "send_errors",
    "receive_errors",
    "truncated",
    "overflowed",
    "clock_steps",
    "events",
    "warnings",
    "slaves",
    "max_slaves",
    "bytes_per_slave",
];

/// `examples`, and what the values of `-c` are in their order.
pub(super) fn help(examples: &str, columns: &[&str]) -> String {
    let named = "They are those of -c, named as in --json; a / leads to a name within.";
    format!("{examples}\n\nColumns:\n{}\n{named}", order(columns))
}

/// The columns in their order, on lines that a terminal has room for.
pub(super) fn order(columns: &[&str]) -> String {
    let mut text = " ".to_owned();
    let mut width = 1;
    for (n, name) in columns.iter().enumerate() {
        let cell = if n + 1 < columns.len() { format!(" {name},") } else { format!(" {name}") };
        if width + cell.len() > 78 {
            text.push_str("\n ");
            width = 1;
        }
        width += cell.len();
        text.push_str(&cell);
    }
    text
}

/// The columns of `peer`: those of `peers`, and what `peerstats` says besides.
pub(super) fn of_peer() -> Vec<&'static str> {
    PEERS.iter().chain(&PEERSTATS[2..]).copied().collect()
}

/// One line of values.
pub(super) fn line(value: &Value, columns: Columns) -> String {
    let cells: Vec<_> = columns
        .iter()
        .map(|name| value.pointer(&format!("/{name}")).map_or_else(String::new, cell))
        .collect();
    cells.join(",") + "\n"
}

/// The line of `peer`: what `peers` says of it, and what `peerstats` says besides.
pub(super) fn peer(value: &Value) -> String {
    let peer = line(&value["peer"], PEERS);
    format!("{},{}", peer.trim_end(), line(&value["peerstats"], &PEERSTATS[2..]))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
