//! What is told: the families of series, and where each takes its values from.

use prometheus_client::registry::Unit;

use super::text::{Family, Labels, Values};
use crate::outlet::door::House;
use crate::outlet::reply::{Member, Stats, Tracking};

/// A family of the members' series: its name, what it is, and its value of one member.
pub(super) struct MemberFamily {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    value: fn(&Member) -> Option<f64>,
}

impl MemberFamily {
    pub(super) fn of(&self, members: &[Member]) -> Family {
        let series = members.iter().filter_map(|member| {
            let labels = vec![("node", member.node.node.clone()), ("id", member.node.id.clone())];
            Some((labels, (self.value)(member)?))
        });
        let values = Values::Gauges(series.collect());
        Family { name: self.name, help: self.help, unit: self.unit.clone(), values }
    }
}

fn flag(value: bool) -> Option<f64> {
    Some(f64::from(u8::from(value)))
}

/// What is told of each member.
pub(super) const OF_MEMBERS: &[MemberFamily] = &[
    MemberFamily {
        name: "campanile_member_offset",
        help: "What the member shows minus cluster time; positive: it is ahead",
        unit: Some(Unit::Seconds),
        value: |member| member.offset_s,
    },
    MemberFamily {
        name: "campanile_member_bound_statistical",
        help: "Statistical bound of the member's offset, five standard deviations",
        unit: Some(Unit::Seconds),
        value: |member| member.bound_statistical_s,
    },
    MemberFamily {
        name: "campanile_member_bound",
        help: "Hard bound of the member's offset",
        unit: Some(Unit::Seconds),
        value: |member| member.bound_hard_s,
    },
    MemberFamily {
        name: "campanile_member_round_trip",
        help: "Least round trip of the newest round",
        unit: Some(Unit::Seconds),
        value: |member| member.round_trip_s,
    },
    MemberFamily {
        name: "campanile_member_rate_ratio",
        help: "Rate of the member's crystal against cluster time; positive: it runs fast",
        unit: None,
        value: |member| member.rate,
    },
    MemberFamily {
        name: "campanile_member_weight_ratio",
        help: "The member's part in the average, 0 to 1",
        unit: None,
        value: |member| member.weight,
    },
    MemberFamily {
        name: "campanile_member_reachable",
        help: "Whether the member answered in any of the last eight rounds",
        unit: None,
        value: |member| flag(member.reach != 0),
    },
    MemberFamily {
        name: "campanile_member_falseticker",
        help: "Whether the member's clock is beyond the tolerance and not counted",
        unit: None,
        value: |member| flag(member.state == "falseticker"),
    },
];

/// How many members have no series of their own, where `shown` have.
pub(super) fn without_series(house: &House<'_>, shown: usize) -> Family {
    let master = house.tracking().filter(|own| own.role == "master");
    let members = master.and_then(|own| own.members).unwrap_or(0);
    Family::gauge(
        "campanile_members_without_series",
        Some(f64::from(members.saturating_sub(shown as u32))),
        "Members of the cluster that have no series of their own, since there are too many",
    )
}

/// What the node tells of itself.
pub(super) fn own(house: &House<'_>) -> Vec<Family> {
    let mut families = house.tracking().as_ref().map(tracking).unwrap_or_default();
    families.extend(stats(&house.stats()));
    families.push(Family {
        name: "campanile_round_trip",
        help: "Round trips of all exchanges",
        unit: Some(Unit::Seconds),
        values: Values::Histogram(house.ledger.round_trips().clone()),
    });
    families.push(Family {
        name: "campanile_offset_size",
        help: "Sizes of the offsets of all members, one a round and member",
        unit: Some(Unit::Seconds),
        values: Values::Histogram(house.ledger.offset_sizes().clone()),
    });
    families
}

fn tracking(own: &Tracking) -> Vec<Family> {
    let number = |value: Option<u32>| value.map(f64::from);
    let mut families = vec![node(own)];
    families.extend([
        Family::seconds("campanile_uptime", Some(own.uptime_s), "Since the node began"),
        Family::flag(
            "campanile_synchronised",
            own.state == "synchronised",
            "Whether the node follows cluster time now; 0 while searching, alone, forming, \
             holding on or in holdover",
        ),
        Family::flag("campanile_is_master", own.role == "master", "Whether the node is the master"),
        Family::gauge("campanile_term", number(own.term), "Number of the master's reign"),
        Family::gauge(
            "campanile_members",
            number(own.members),
            "Members of the cluster, the master included",
        ),
        Family::gauge(
            "campanile_members_counted",
            number(own.counted),
            "Members that count in the average",
        ),
        Family::seconds(
            "campanile_spread",
            own.spread_s,
            "Greatest minus least offset of the members that count",
        ),
    ]);
    families.extend(clock(own));
    families
}

fn node(own: &Tracking) -> Family {
    let master = own.master.as_ref().map_or("", |master| &master.node);
    let labels: Labels = [
        ("node", own.node.node.as_str()),
        ("id", &own.node.id),
        ("version", &own.version),
        ("role", &own.role),
        ("clock", &own.clock),
        ("master", master),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    Family {
        name: "campanile_node",
        help: "What the node is, and whom it follows",
        unit: None,
        values: Values::Info(labels),
    }
}

fn clock(own: &Tracking) -> [Family; 9] {
    [
        Family::seconds(
            "campanile_last_offset",
            own.last_offset_s,
            "Offset of the node at its last update; positive: it was ahead",
        ),
        Family::seconds(
            "campanile_rms_offset",
            own.rms_offset_s,
            "Root mean square of the last 64 of them",
        ),
        Family::seconds(
            "campanile_correction",
            own.offset_s,
            "Offset that is still to be worked off; positive: the clock is ahead",
        ),
        Family::gauge(
            "campanile_rate_ratio",
            own.rate,
            "Rate of the node's crystal against cluster time; positive: it runs fast",
        ),
        Family::seconds(
            "campanile_bound",
            own.bound_hard_s,
            "Hard bound of the error of the node's clock against cluster time",
        ),
        Family::seconds(
            "campanile_bound_statistical",
            own.bound_statistical_s,
            "Statistical bound of the same: five standard deviations, what is to be slewed, 15 ppm of age",
        ),
        Family::seconds("campanile_since_update", own.since_update_s, "Since the last update"),
        Family::counter("campanile_updates", own.updates, "Updates that were applied"),
        Family::gauge(
            "campanile_clock_steps",
            Some(f64::from(own.steps)),
            "How often the clock was stepped",
        ),
    ]
}

fn stats(stats: &Stats) -> Vec<Family> {
    let drops = stats.drops.iter().map(|(why, count)| (vec![("reason", why.clone())], *count));
    vec![
        Family::counter(
            "campanile_datagrams_received",
            stats.received,
            "Datagrams that came in, whatever they were",
        ),
        Family::counter("campanile_datagrams_sent", stats.sent, "Datagrams that went out"),
        Family {
            name: "campanile_datagrams_dropped",
            help: "Datagrams that were dropped, by reason",
            unit: None,
            values: Values::Counters(drops.collect()),
        },
        Family::counter(
            "campanile_replies_slow",
            stats.slow,
            "Replies that took longer than --max-rtt",
        ),
        Family::counter(
            "campanile_send_errors",
            stats.send_errors,
            "Datagrams that the kernel refused to send",
        ),
        Family::counter(
            "campanile_receive_errors",
            stats.receive_errors,
            "Receive calls that failed",
        ),
        Family::counter(
            "campanile_receive_overflows",
            stats.overflowed,
            "Datagrams lost because the socket's buffer was full",
        ),
        Family::counter("campanile_events", stats.events, "Things that happened"),
        Family::counter("campanile_warnings", stats.warnings, "Warnings among them"),
    ]
}
