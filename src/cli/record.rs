//! Events as JSON, one object a line.
//!
//! Every line has `event` and `t_s`, the seconds since the start. Times are in seconds under names
//! that end in `_s`; rates are ratios, positive fast; instants are whole nanoseconds under names
//! that end in `_ns`, because a double does not hold them.

mod succession;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use self::succession::{Succession, succession};
use super::words::standing;
use crate::clock::Interference;
use crate::net::{Missing, NetStats};
use crate::proto::{Adjusted, BySource, Counters, Event, Measured, Round, Slot, Source, Who};
use crate::report::{Report, human_count};
use crate::time::{Map, Offset, Raw, Shown, Span};
use crate::wire::{LeaveReason, NodeId};

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    event: &'static str,
    t_s: f64,
    #[serde(flatten)]
    body: Body<'a>,
}

impl<'a> Line<'a> {
    /// What `event` says, `since` the start; `name` is that of the slave a slot is about.
    pub(super) fn of(event: &'a Event, since: Span, name: &'a str) -> Option<Self> {
        let (event, body) = body(event, name)?;
        Some(Self { event, t_s: since.as_secs_f64(), body })
    }

    /// The name of the event.
    pub(super) fn event(&self) -> &'static str {
        self.event
    }

    /// A line that no event of the core stands behind.
    pub(super) fn other(event: &'static str, since: Span, body: Body<'a>) -> Self {
        Self { event, t_s: since.as_secs_f64(), body }
    }
}

/// What a line says besides its name and time.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
    Nothing {},
    Start {
        version: &'static str,
        role: &'static str,
        node: &'a str,
        id: String,
        addr: SocketAddr,
        clock: &'static str,
        /// What was asked for: `auto`, `kernel` or `daemon`.
        stamps: &'static str,
    },
    Node(Node<'a>),
    Left {
        #[serde(flatten)]
        node: Node<'a>,
        said_so: bool,
    },
    Moved {
        #[serde(flatten)]
        node: Node<'a>,
        from: SocketAddr,
    },
    Twins {
        #[serde(flatten)]
        node: Node<'a>,
        other: SocketAddr,
    },
    Falseticker {
        #[serde(flatten)]
        node: Node<'a>,
        by_s: f64,
    },
    Path {
        #[serde(flatten)]
        node: Node<'a>,
        by_s: f64,
        one_way: bool,
    },
    MasterLeft {
        #[serde(flatten)]
        node: Node<'a>,
        reason: &'static str,
    },
    Distrusted {
        #[serde(flatten)]
        node: Node<'a>,
        by_s: f64,
        rate: f64,
    },
    Formed {
        members: u32,
    },
    Succession(Succession<'a>),
    Refused {
        addr: SocketAddr,
    },
    Stepped {
        by_s: f64,
    },
    Round {
        round: u32,
        members: u32,
        reachable: u32,
        counted: u32,
        spread_s: f64,
        offset_s: f64,
        rate: f64,
        likely_bound_s: Option<f64>,
        bound_s: Option<f64>,
    },
    Slot {
        node: &'a str,
        id: String,
        round: u32,
        reach: u8,
        offset_s: Option<f64>,
        sigma_s: f64,
        likely_bound_s: Option<f64>,
        bound_s: Option<f64>,
        stamps: BTreeMap<&'static str, u64>,
        rate: f64,
        round_trip_s: Option<f64>,
        standing: &'static str,
        steps: u16,
    },
    Exchange {
        node: &'a str,
        id: String,
        round_trip_s: f64,
        noise_s: f64,
    },
    Adjusted {
        round: u32,
        offset_s: f64,
        sigma_s: f64,
        likely_bound_s: Option<f64>,
        bound_s: Option<f64>,
        rate: f64,
        standing: &'static str,
        members: u32,
        counted: u32,
        spread_s: f64,
        round_trip_s: Option<f64>,
    },
    Course {
        raw_ns: i64,
        shown_ns: i64,
        rate_ppb: f64,
    },
    Warning {
        text: &'a str,
    },
    Unstamped {
        /// `received` or `sent`.
        datagrams: &'static str,
    },
    Keys {
        count: usize,
        sealing: u32,
    },
    Interference {
        /// `moved`, `rate` or `status`.
        kind: &'static str,
        by_s: Option<f64>,
        rate_set: Option<f64>,
        rate_found: Option<f64>,
        status: Option<i32>,
        shared: bool,
    },
    Control {
        path: Option<&'a str>,
        /// Of there being none.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Metrics {
        addr: SocketAddr,
    },
    Report {
        received: u64,
        sent: u64,
        slow: u64,
        dropped: BTreeMap<&'static str, u64>,
        stamps_received: &'static str,
        stamps_sent: &'static str,
        stamps: Stamps,
        send_errors: u64,
        receive_errors: u64,
        overflowed: u64,
        clock_steps: u64,
        interferences: u64,
        #[serde(flatten)]
        report: &'a Report,
    },
}

/// How many timestamps each source gave.
#[derive(Debug, Serialize)]
pub(super) struct Stamps {
    received: BTreeMap<&'static str, u64>,
    sent: BTreeMap<&'static str, u64>,
}

fn by_source(counts: BySource) -> BTreeMap<&'static str, u64> {
    counts.each().map(|(by, count)| (source(by), count)).into()
}

/// A node as JSON names it.
#[derive(Debug, Serialize)]
pub(super) struct Node<'a> {
    node: &'a str,
    id: String,
    addr: SocketAddr,
}

fn node(who: &Who) -> Node<'_> {
    Node { node: who.name.as_str(), id: who.id.to_string(), addr: who.addr }
}

fn id(id: NodeId) -> String {
    id.to_string()
}

/// Nothing where a bound is not known.
fn known(bound: Span) -> Option<f64> {
    (bound < Span::MAX).then(|| bound.as_secs_f64())
}

fn secs(offset: Offset) -> f64 {
    offset.as_secs_f64()
}

/// The name of the line and what it says; `name` is that of the slave a slot is about.
fn body<'a>(event: &'a Event, name: &'a str) -> Option<(&'static str, Body<'a>)> {
    Some(match event {
        Event::Joined(who) => ("joined", Body::Node(node(who))),
        Event::Left { who, said_so } => ("left", Body::Left { node: node(who), said_so: *said_so }),
        Event::Restarted(who) => ("restarted", Body::Node(node(who))),
        Event::Moved { who, from } => ("moved", Body::Moved { node: node(who), from: *from }),
        Event::Twins { who, other } => ("twins", Body::Twins { node: node(who), other: *other }),
        Event::Unreachable(who) => ("unreachable", Body::Node(node(who))),
        Event::Reachable(who) => ("reachable", Body::Node(node(who))),
        Event::RosterFull => ("roster_full", Body::Nothing {}),
        Event::Alone => ("alone", Body::Nothing {}),
        Event::Formed { members } => ("formed", Body::Formed { members: *members }),
        Event::Falseticker { who, by } => {
            ("falseticker", Body::Falseticker { node: node(who), by_s: secs(*by) })
        }
        Event::Counted(who) => ("counted", Body::Node(node(who))),
        Event::LocalStepped { who, by } => {
            ("local_stepped", Body::Falseticker { node: node(who), by_s: secs(*by) })
        }
        Event::PathChanged { who, by, one_way } => {
            let (node, by_s) = (node(who), secs(*by));
            ("path_changed", Body::Path { node, by_s, one_way: *one_way })
        }
        Event::Hold => ("hold", Body::Nothing {}),
        Event::Resumed => ("resumed", Body::Nothing {}),
        Event::Round(round) => ("round", self::round(round)),
        Event::Exchange(measured) => ("exchange", exchange(measured, name)),
        Event::Slot(slot) => ("slot", self::slot(slot, name)),
        Event::Following(who) => ("following", Body::Node(node(who))),
        Event::MasterLeft { who, reason } => {
            let reason = match reason {
                LeaveReason::Shutdown => "shutdown",
                LeaveReason::Elsewhere => "elsewhere",
            };
            ("master_left", Body::MasterLeft { node: node(who), reason })
        }
        Event::MasterSilent(who) => ("master_silent", Body::Node(node(who))),
        Event::Distrusted { who, by, rate } => {
            let (node, by_s, rate) = (node(who), secs(*by), rate.as_ratio());
            ("distrusted", Body::Distrusted { node, by_s, rate })
        }
        Event::Trusted(who) => ("trusted", Body::Node(node(who))),
        Event::NoMaster => ("no_master", Body::Nothing {}),
        Event::Refused(addr) => ("refused", Body::Refused { addr: *addr }),
        Event::Adjusted(adjusted) => ("adjusted", self::adjusted(adjusted)),
        Event::Holdover => ("holdover", Body::Nothing {}),
        Event::Stepped { by } => ("stepped", Body::Stepped { by_s: secs(*by) }),
        other => {
            let (name, said) = succession(other)?;
            (name, Body::Succession(said))
        }
    })
}

fn round(round: &Round) -> Body<'static> {
    Body::Round {
        round: round.number,
        members: round.members,
        reachable: round.reachable,
        counted: round.counted,
        spread_s: round.spread.as_secs_f64(),
        offset_s: secs(round.offset),
        rate: round.rate.reversed().as_ratio(),
        likely_bound_s: known(round.likely_bound),
        bound_s: known(round.bound),
    }
}

fn exchange<'a>(measured: &Measured, name: &'a str) -> Body<'a> {
    Body::Exchange {
        node: name,
        id: id(measured.id),
        round_trip_s: measured.round_trip.as_secs_f64(),
        noise_s: measured.noise.as_secs_f64(),
    }
}

fn slot<'a>(slot: &Slot, name: &'a str) -> Body<'a> {
    Body::Slot {
        node: name,
        id: id(slot.id),
        round: slot.round,
        reach: slot.reach,
        offset_s: slot.offset.map(secs),
        sigma_s: slot.sigma.as_secs_f64(),
        likely_bound_s: known(slot.likely_bound()),
        bound_s: known(slot.bound),
        stamps: by_source(slot.stamps),
        rate: slot.rate.as_ratio(),
        round_trip_s: slot.round_trip.map(Span::as_secs_f64),
        standing: standing(slot.standing),
        steps: slot.steps,
    }
}

fn adjusted(adjusted: &Adjusted) -> Body<'static> {
    Body::Adjusted {
        round: adjusted.round,
        offset_s: secs(adjusted.offset),
        sigma_s: adjusted.sigma.as_secs_f64(),
        likely_bound_s: known(adjusted.likely_bound),
        bound_s: known(adjusted.bound),
        rate: adjusted.rate.reversed().as_ratio(),
        standing: standing(adjusted.standing),
        members: adjusted.members,
        counted: adjusted.counted,
        spread_s: adjusted.spread.as_secs_f64(),
        round_trip_s: adjusted.round_trip.map(Span::as_secs_f64),
    }
}

/// The clock's course from now on, over the counter that all nodes on one machine share.
pub(super) fn course(course: &Map<Raw, Shown>) -> Body<'static> {
    Body::Course {
        raw_ns: course.at.as_nanos(),
        shown_ns: course.reads.as_nanos(),
        rate_ppb: course.rate.as_ppb(),
    }
}

/// What the kernel does not stamp.
pub(super) fn unstamped(missing: Missing) -> Body<'static> {
    let datagrams = match missing {
        Missing::Received => "received",
        Missing::Sent => "sent",
    };
    Body::Unstamped { datagrams }
}

/// What something else did to the clock.
pub(super) fn interference(found: &Interference, shared: bool) -> Body<'static> {
    let (kind, by, rates, status) = match *found {
        Interference::Moved { by } => ("moved", Some(by), None, None),
        Interference::Rate { set, found } => ("rate", None, Some((set, found)), None),
        Interference::Status { found } => ("status", None, None, Some(found)),
    };
    Body::Interference {
        kind,
        by_s: by.map(secs),
        rate_set: rates.map(|(set, _)| set.as_ratio()),
        rate_found: rates.map(|(_, found)| found.as_ratio()),
        status,
        shared,
    }
}

/// All counts since the start, and what `report` holds.
pub(super) fn report<'a>(counters: &Counters, net: &NetStats, report: &'a Report) -> Body<'a> {
    Body::Report {
        received: counters.received,
        sent: counters.sent,
        slow: counters.slow,
        dropped: counters.drops().map(|(reason, count)| (reason.name(), count)).collect(),
        stamps_received: source(net.received.main()),
        stamps_sent: source(net.sent.main()),
        stamps: Stamps { received: by_source(net.received), sent: by_source(net.sent) },
        send_errors: net.send_errors,
        receive_errors: net.receive_errors,
        overflowed: net.overflowed,
        clock_steps: net.clock_steps,
        interferences: net.interferences,
        report,
    }
}

/// Who took how many timestamps, in words.
pub(super) fn by_whom(counts: &BySource) -> String {
    let some = counts.each().into_iter().rev().filter(|(_, count)| *count > 0);
    let parts: Vec<_> =
        some.map(|(by, n)| format!("{} ({})", source(by), human_count(n))).collect();
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(" and ") }
}

/// Who took most timestamps, in a word.
pub(super) fn source(source: Source) -> &'static str {
    match source {
        Source::Daemon => "daemon",
        Source::Kernel => "kernel",
        Source::Hardware => "hardware",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;
    use crate::wire::Standing;

    #[test]
    fn a_clock_that_cluster_time_is_faster_than_has_a_negative_rate() {
        let faster = Rate::from_ppm(15.0);
        let span = Span::from_micros(1);
        let offset = Offset::ZERO;
        let adjusted = Adjusted {
            round: 1,
            offset,
            rate: faster,
            sigma: span,
            likely_bound: span,
            bound: span,
            standing: Standing::Counted,
            members: 2,
            counted: 2,
            spread: span,
            round_trip: None,
        };
        let round = Round {
            number: 1,
            members: 2,
            reachable: 2,
            counted: 2,
            spread: span,
            offset,
            rate: faster,
            likely_bound: span,
            bound: span,
        };
        for event in [Event::Adjusted(adjusted), Event::Round(round)] {
            let line = Line::of(&event, Span::ZERO, "s").unwrap();
            let said = serde_json::to_value(&line).unwrap()["rate"].as_f64().unwrap();
            assert!((said + 15e-6).abs() < 1e-9, "cluster time is faster than it: {said}");
        }
    }
}
