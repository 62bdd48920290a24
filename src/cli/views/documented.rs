//! The views in `docs/views.md` are what the program prints. `CAMPANILE_WRITE_DOCS=1 cargo test
//! --lib documented` writes them anew.

use std::fs;
use std::path::Path;

use super::{csv, members, tracking, whole};
use crate::outlet::{
    Candidate, Cluster, Histogram, Member, MemberStats, Named, Reign, Stamps, Stats, Told, Tracking,
};

fn named(node: &str, number: u8) -> Named {
    let addr = (number > 0).then(|| format!("10.0.0.{number}:7045"));
    Named { node: node.to_owned(), id: format!("{:016x}", 0x5eed_0000 + u64::from(number)), addr }
}

const SIGMA: f64 = 140e-9;
const AGE: f64 = 0.287;

/// What the daemon says of an offset that remains: `docs/bounds.md`.
fn likely_bound(remaining: f64) -> Option<f64> {
    Some(5.0 * SIGMA + remaining.abs() + 15e-6 * AGE)
}

const STAMPS: Stamps = Stamps { daemon: 12, kernel: 34_310, hardware: 0 };

/// A slave of five machines.
fn slave() -> Tracking {
    Tracking {
        node: Named { addr: None, ..named("rack-3", 0) },
        version: "0.1.0".to_owned(),
        listen: "[::]:41211".to_owned(),
        uptime_s: 8_640.0,
        role: "slave".to_owned(),
        state: "synchronised".to_owned(),
        master: Some(named("rack-1", 1)),
        term: Some(3),
        time_basis: "ensemble".to_owned(),
        cluster_time_ns: Some(1_795_567_549_684_202_000),
        members: Some(5),
        counted: Some(4),
        spread_s: Some(481e-9),
        standing: Some("counted".to_owned()),
        round: Some(8_577),
        interval_s: 1.0,
        since_update_s: Some(AGE),
        expires_in_s: Some(10.0 - AGE),
        updates: 8_570,
        offset_s: Some(-67e-9),
        last_offset_s: Some(-81e-9),
        rms_offset_s: Some(112e-9),
        rate: Some(14.987e-6),
        skew: Some(3.1e-9),
        round_trip_s: Some(61.4e-6),
        sigma_s: Some(SIGMA),
        bound_statistical_s: likely_bound(67e-9),
        bound_hard_s: Some(21.6e-6),
        stamps_received: STAMPS,
        stamps_sent: Stamps { daemon: 0, ..STAMPS },
        clock: "system".to_owned(),
        steps: 1,
    }
}

/// Its master.
pub(in crate::cli) fn master() -> Tracking {
    Tracking {
        node: named("rack-1", 0),
        listen: "[::]:7045".to_owned(),
        role: "master".to_owned(),
        master: None,
        offset_s: Some(66e-9),
        bound_statistical_s: likely_bound(66e-9),
        round_trip_s: Some(58.3e-6),
        ..slave()
    }
}

fn member(node: &str, number: u8, state: &str) -> Member {
    let n = f64::from(number);
    Member {
        node: named(node, number),
        relation: "member".to_owned(),
        state: state.to_owned(),
        reach: 0o377,
        last_reply_s: Some(0.2 * n),
        offset_s: Some(-40e-9 * n),
        sigma_s: Some(SIGMA),
        bound_statistical_s: Some(5.0 * SIGMA),
        bound_hard_s: Some(19.3e-6),
        rate: Some(-4.95e-6),
        skew: Some(3.2e-9),
        round_trip_s: Some(51e-6 + 3e-6 * n),
        weight: Some(0.25),
        stamps: Some("kernel".to_owned()),
        authenticated: false,
        steps: 1,
    }
}

/// What the master knows of all five.
pub(in crate::cli) fn everybody() -> Vec<Member> {
    vec![
        Member {
            node: named("rack-1", 0),
            relation: "own".to_owned(),
            offset_s: Some(66e-9),
            round_trip_s: None,
            stamps: None,
            authenticated: true,
            ..member("rack-1", 1, "master")
        },
        member("rack-2", 2, "counted"),
        member("rack-3", 3, "counted"),
        Member { offset_s: Some(0.5), weight: Some(0.0), ..member("rack-4", 4, "falseticker") },
        Member {
            reach: 0,
            last_reply_s: Some(340.0),
            offset_s: None,
            bound_statistical_s: None,
            round_trip_s: None,
            weight: None,
            stamps: None,
            ..member("storage-of-the-upper-room", 5, "unreachable")
        },
    ]
}

fn measured(m: &Member) -> MemberStats {
    MemberStats {
        node: m.node.clone(),
        samples: 64,
        span_s: 63.0,
        polled: 8_577,
        answered: if m.state == "unreachable" { 8_237 } else { 8_575 },
        exchanges: 34_298,
        offset_mean_s: m.offset_s,
        offset_deviation_s: Some(118e-9),
        rate: m.rate,
        skew: m.skew,
        round_trip_mean_s: m.round_trip_s,
        round_trip_deviation_s: Some(4.4e-6),
        restarts: 0,
        silences: u32::from(m.state == "unreachable"),
        falseticks: u32::from(m.state == "falseticker"),
    }
}

fn cluster() -> Cluster {
    let reign = |node, number, ago_s, why: &str| Reign {
        node: named(node, number),
        ago_s,
        why: why.to_owned(),
    };
    Cluster {
        term: Some(3),
        master: Some(named("rack-1", 1)),
        members: Some(5),
        counted: Some(4),
        spread_s: Some(481e-9),
        candidates: vec![
            Candidate { node: named("rack-1", 1), role: "master".to_owned(), rank: 2 },
            Candidate { node: named("rack-2", 2), role: "standby".to_owned(), rank: 1 },
        ],
        reigns: vec![
            reign("rack-2", 2, 8_600.0, "it was the first"),
            reign("rack-1", 1, 4_210.0, "the one before went silent"),
        ],
    }
}

fn stats() -> Stats {
    Stats {
        uptime_s: 8_640.0,
        received: 34_322,
        sent: 42_880,
        slow: 3,
        dropped: 14,
        drops: [("duplicate".to_owned(), 2), ("magic".to_owned(), 12)].into(),
        stamps_received: STAMPS,
        stamps_sent: STAMPS,
        send_errors: 0,
        receive_errors: 0,
        truncated: 0,
        overflowed: 0,
        clock_steps: 1,
        events: 9,
        warnings: 2,
        slaves: Some(5),
        max_slaves: Some(1_000),
        bytes_per_slave: Some(1_500),
    }
}

/// What happened, for the live view.
pub(in crate::cli) fn events() -> Vec<Told> {
    let told =
        |number, ago_s, warning, text: &str| Told { number, ago_s, warning, text: text.to_owned() };
    vec![
        told(1, 8_639.0, false, "slave rack-2 joined from 10.0.0.2:7045"),
        told(2, 8_638.0, false, "cluster time was formed from 5 clocks"),
        told(3, 340.0, true, "slave storage-of-the-upper-room went silent"),
    ]
}

/// Round trips, for the live view.
pub(in crate::cli) fn round_trips() -> Histogram {
    let counts = [(20e-6, 0), (50e-6, 1_290), (100e-6, 32_400), (200e-6, 580), (500e-6, 28)];
    let mut round_trip: Vec<_> = counts.map(|(edge, n)| (Some(edge), n)).into();
    round_trip.push((None, 0));
    Histogram { round_trip }
}

/// Every view in the documentation, by name.
fn views() -> Vec<(&'static str, String)> {
    let peers: String = everybody().iter().map(members::peers_line).collect();
    let peerstats: String =
        everybody().iter().map(|m| members::peerstats_line(&measured(m))).collect();
    let one = &everybody()[2];
    vec![
        ("tracking", tracking::sheet(&slave()) + tracking::LEGEND),
        ("tracking on the master", tracking::sheet(&master())),
        ("peers", members::peers_heading() + &peers + members::PEERS_LEGEND),
        ("peerstats", members::peerstats_heading() + &peerstats + members::PEERSTATS_LEGEND),
        ("peer", members::sheet(one, &measured(one))),
        ("cluster", whole::cluster(&cluster()) + whole::CLUSTER_LEGEND),
        ("stats", whole::stats(&stats()) + whole::STATS_LEGEND),
        ("top", crate::cli::top::documented()),
        ("columns of tracking", csv::order(csv::TRACKING)),
        ("columns of peers", csv::order(csv::PEERS)),
        ("columns of peerstats", csv::order(csv::PEERSTATS)),
        ("columns of peer", csv::order(&csv::of_peer())),
        ("columns of cluster", csv::order(csv::CLUSTER)),
        ("columns of stats", csv::order(csv::STATS)),
    ]
}

#[test]
fn documented_views_are_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/views.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut fresh = page.clone();
    for (name, view) in views() {
        for line in view.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line:?}");
        }
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = fresh.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let to = from + fresh[from..].find(&end).unwrap_or_else(|| panic!("no {end}"));
        fresh.replace_range(from..to, &format!("```text\n{}\n```\n", view.trim_end()));
    }
    if fresh != page && is_to_be_written() {
        fs::write(&path, &fresh).unwrap();
        return;
    }
    assert!(
        fresh == page,
        "docs/views.md is stale; CAMPANILE_WRITE_DOCS=1 cargo test --lib documented writes it anew"
    );
}

#[expect(clippy::disallowed_methods, reason = "a test that writes only when it is told to")]
fn is_to_be_written() -> bool {
    std::env::var_os("CAMPANILE_WRITE_DOCS").is_some()
}
