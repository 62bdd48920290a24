//! Every message, byte for byte: what is sent, what is refused, and what `docs/protocol.md` draws.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use campanile::time::{Map, Offset, Rate, Span, Time};
use campanile::wire::{
    Adjust, Admission, Announce, BODY_LEN, BootId, Buffer, Candidate, Claim, Correction,
    DEFAULT_PORT, Datagram, Entry, Grant, Header, Join, LEN, Leave, LeaveReason, Message, Name,
    NodeId, Poll, Rank, Reject, Reply, Request, Sighting, Standing, TRAILER_LEN, Term, VERSION,
    Verdict, Welcome,
};
use proptest::prelude::*;

/// A field: its offset in the datagram, what `docs/protocol.md` calls it, and its bytes in hex.
type Row = (usize, &'static str, &'static str);

const HEADER: &[Row] = &[
    (0, "magic", "CA4D"),
    (2, "version", "01"),
    (3, "type", "00"),
    (4, "flags", "0000"),
    (6, "rank", "07"),
    (7, "reserved", "00"),
    (8, "sender", "0123456789ABCDEF"),
    (16, "receiver", "FEDCBA9876543210"),
    (24, "boot", "DEADBEEF"),
    (28, "term", "00000003"),
    (32, "sequence", "000000000000002A"),
];

const JOIN: &[Row] = &[
    (40, "nonce", "1122334455667788"),
    // "rack-3 left"
    (48, "name", "7261636B2D33206C656674000000000000000000000000000000000000000000"),
    // −40 ppm = −40 000 000 000 parts in 10^15
    (80, "saved rate", "FFFFFFF6AFD07000"),
    (88, "rate is known", "01"),
    (89, "stands by", "01"),
    (90, "reserved", "000000000000"),
    (96, "challenge", "0F1E2D3C4B5A6978"),
];

const WELCOME: &[Row] = &[
    (40, "nonce", "1122334455667788"),
    (48, "admission", "02"),
    (49, "reserved", "00000000000000"),
    // 1 s
    (56, "interval", "000000003B9ACA00"),
    // "süd", two bytes for the ü
    (64, "name", "73C3BC6400000000000000000000000000000000000000000000000000000000"),
    // 10.0.0.3:7045
    (96, "master address", "00000000000000000000FFFF0A000003"),
    (112, "master port", "1B85"),
    (114, "reserved", "000000000000"),
    (120, "challenge", "0F1E2D3C4B5A6978"),
];

const LEAVE: &[Row] =
    &[(40, "reason", "01"), (41, "reserved", "00000000000000"), (48, "heir", "1111222233334444")];

const POLL: &[Row] = &[
    (40, "nonce", "1122334455667788"),
    (48, "round", "00000102"),
    (52, "index", "03"),
    (53, "burst", "04"),
];

const REPLY: &[Row] = &[
    (40, "nonce", "1122334455667788"),
    // 1 s and 1 s + 30 µs on the slave's Local
    (48, "T2", "000000003B9ACA00"),
    (56, "T3", "000000003B9B3F30"),
    (64, "T2 source", "01"),
    (65, "T3 follows", "01"),
    (66, "corrected source", "02"),
    (67, "reserved", "00"),
    (68, "steps", "0005"),
    (70, "reserved", "0000"),
    (72, "corrected nonce", "99AABBCCDDEEFF00"),
    // −1 ns: before the origin of the slave's Local
    (80, "corrected T3", "FFFFFFFFFFFFFFFF"),
    (88, "map at", "000000003B9ACA00"),
    // 1 700 000 000 s of the Unix epoch
    (96, "map reads", "17979CFE362A0000"),
    // +0.000001 ppb, the least there is
    (104, "map rate", "0000000000000001"),
    // −250 ms
    (112, "remaining", "FFFFFFFFF1194D80"),
    // +25 ppm
    (120, "rate", "00000005D21DBA00"),
    (128, "error", "7FFFFFFFFFFFFFFF"),
    (136, "applied", "00000101"),
    (140, "stands by", "01"),
    (141, "reserved", "000000"),
    (144, "obeys", "1111222233334444"),
];

const ADJUST: &[Row] = &[
    (40, "round", "00000102"),
    (44, "standing", "02"),
    (45, "reserved", "000000"),
    (48, "map at", "000000003B9ACA00"),
    (56, "map reads", "17979CFE362A0000"),
    (64, "map rate", "FFFFFFF6AFD07000"),
    // +250 ms
    (72, "delta", "000000000EE6B280"),
    // 1 µs, 60 µs, 10 s, 1 s
    (80, "sigma", "00000000000003E8"),
    (88, "bound", "000000000000EA60"),
    (96, "lasts", "00000002540BE400"),
    (104, "interval", "000000003B9ACA00"),
    (112, "members", "00000006"),
    (116, "counted", "00000005"),
    (120, "spread", "0000000000000BB8"),
    // 58.3 µs
    (128, "round trip", "000000000000E3BC"),
];

const ANNOUNCE: &[Row] = &[
    (40, "round", "00000102"),
    (44, "size", "00000005"),
    // 1 s, 10 ms, 10 ms, 10 min
    (48, "interval", "000000003B9ACA00"),
    (56, "tolerance", "0000000000989680"),
    (64, "max round trip", "0000000000989680"),
    (72, "age", "0000008BB2C97000"),
    (80, "burst", "04"),
    (81, "average", "02"),
    (82, "first", "03"),
    (83, "total", "05"),
    (84, "candidate 1", "1111222233334444"),
    // 10.0.0.3:7045
    (92, "address 1", "00000000000000000000FFFF0A000003"),
    (108, "port 1", "1B85"),
    (110, "rank 1", "02"),
    (111, "reserved", "00"),
    (112, "candidate 2", "5555666677778888"),
    // [fd00::1]:9
    (120, "address 2", "FD000000000000000000000000000001"),
    (136, "port 2", "0009"),
    (138, "rank 2", "01"),
    (139, "reserved", "00"),
    (140, "candidate 3", "0000000000000000"),
    (148, "address 3", "00000000000000000000000000000000"),
    (164, "port 3", "0000"),
    (166, "rank 3", "00"),
    (167, "reserved", "00"),
];

const CLAIM: &[Row] =
    &[(40, "nonce", "1122334455667788"), (48, "term", "00000004"), (52, "request", "01")];

const GRANT: &[Row] = &[
    (40, "nonce", "1122334455667788"),
    (48, "term", "00000003"),
    (52, "verdict", "01"),
    (53, "remembers", "01"),
    (54, "master rank", "02"),
    (55, "reserved", "00"),
    (56, "master", "1111222233334444"),
    (64, "master term", "00000003"),
    (68, "master address", "00000000000000000000FFFF0A000003"),
    (84, "master port", "1B85"),
];

const ENTRY: &[Row] = &[
    (40, "round", "00000102"),
    (44, "member boot", "CAFEF00D"),
    (48, "member", "1111222233334444"),
    (56, "member address", "00000000000000000000FFFF0A000003"),
    (72, "member port", "1B85"),
    (74, "listed", "01"),
    (75, "standing", "02"),
    (76, "index", "0001"),
    (78, "total", "0006"),
    (80, "at", "17979CFE362A0000"),
    // −250 ms
    (88, "phase", "FFFFFFFFF1194D80"),
    // +25 ppm, −40 ppm
    (96, "rate", "00000005D21DBA00"),
    (104, "learned rate", "FFFFFFF6AFD07000"),
    // 10 min, 1 µs, 60 µs, 1 ppb
    (112, "age", "00000258"),
    (116, "deviation", "000003E8"),
    (120, "sigma", "0000EA60"),
    (124, "rate sigma", "000003E8"),
    (128, "name", "7261636B2D33206C656674000000000000000000000000000000000000000000"),
];

const LAYOUTS: [(u8, &str, &[Row]); 10] = [
    (1, "Join", JOIN),
    (2, "Welcome", WELCOME),
    (3, "Leave", LEAVE),
    (4, "Poll", POLL),
    (5, "Reply", REPLY),
    (6, "Adjust", ADJUST),
    (7, "Announce", ANNOUNCE),
    (8, "Claim", CLAIM),
    (9, "Grant", GRANT),
    (10, "Entry", ENTRY),
];

fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The bytes of a table; what no row names is zero.
fn bytes(kind: u8, body: &[Row]) -> Buffer {
    let mut out = [0; LEN];
    let mut end = 0;
    for &(at, name, digits) in HEADER.iter().chain(body) {
        assert_eq!(at, end, "{name} follows the field before it without a gap");
        let value = hex(digits);
        end = at + value.len();
        out[at..end].copy_from_slice(&value);
    }
    out[3] = kind;
    out
}

fn header() -> Header {
    Header {
        sender: NodeId(0x0123_4567_89AB_CDEF),
        receiver: NodeId(0xFEDC_BA98_7654_3210),
        boot: BootId(0xDEAD_BEEF),
        term: Term(3),
        rank: Rank(7),
        sequence: 42,
    }
}

const NONCE: u64 = 0x1122_3344_5566_7788;
const OTHER: NodeId = NodeId(0x1111_2222_3333_4444);
const CHALLENGE: u64 = 0x0F1E_2D3C_4B5A_6978;
const UNIX: i64 = 1_700_000_000_000_000_000;

fn name(name: &str) -> Name {
    Name::new(name).expect("a good name")
}

fn reply() -> Reply {
    Reply {
        nonce: NONCE,
        t2: Time::from_nanos(1_000_000_000),
        t3: Time::from_nanos(1_000_030_000),
        t2_source: 1,
        t3_follows: true,
        correction: Some(Correction {
            nonce: 0x99AA_BBCC_DDEE_FF00,
            t3: Time::from_nanos(-1),
            source: 2,
        }),
        map: Map {
            at: Time::from_nanos(1_000_000_000),
            reads: Time::from_nanos(UNIX),
            rate: Rate::from_ppb(1e-6),
        },
        remaining: Offset::from_nanos(-250_000_000),
        rate: Rate::from_ppm(25.0),
        error: Span::MAX,
        applied: 0x101,
        steps: 5,
        standby: true,
        obeys: OTHER,
    }
}

fn adjust() -> Adjust {
    Adjust {
        round: 0x102,
        standing: Standing::Falseticker,
        map: Map {
            at: Time::from_nanos(1_000_000_000),
            reads: Time::from_nanos(UNIX),
            rate: Rate::from_ppm(-40.0),
        },
        delta: Offset::from_nanos(250_000_000),
        sigma: Span::from_micros(1),
        bound: Span::from_micros(60),
        lasts: Span::from_secs(10),
        interval: Span::from_secs(1),
        members: 6,
        counted: 5,
        spread: Span::from_micros(3),
        round_trip: Some(Span::from_nanos(58_300)),
    }
}

fn rack_3() -> SocketAddr {
    "10.0.0.3:7045".parse().expect("an address")
}

fn announce() -> Announce {
    let second = Candidate {
        id: NodeId(0x5555_6666_7777_8888),
        rank: Rank(1),
        addr: "[fd00::1]:9".parse().expect("an address"),
    };
    Announce {
        round: 0x102,
        size: 5,
        interval: Span::from_secs(1),
        tolerance: Span::from_millis(10),
        max_rtt: Span::from_millis(10),
        age: Span::from_secs(600),
        burst: 4,
        average: 2,
        first: 3,
        total: 5,
        candidates: [
            Some(Candidate { id: OTHER, rank: Rank(2), addr: rack_3() }),
            Some(second),
            None,
        ],
    }
}

fn entry() -> Entry {
    Entry {
        round: 0x102,
        id: OTHER,
        boot: BootId(0xCAFE_F00D),
        addr: Some(rack_3()),
        listed: true,
        standing: Standing::Falseticker,
        index: 1,
        total: 6,
        at: Time::from_nanos(UNIX),
        phase: Offset::from_nanos(-250_000_000),
        rate: Rate::from_ppm(25.0),
        learned: Rate::from_ppm(-40.0),
        age: Span::from_secs(600),
        deviation: Span::from_micros(1),
        sigma: Span::from_micros(60),
        rate_sigma: Rate::from_ratio(1e-9),
        name: name("rack-3 left"),
    }
}

/// The messages that the tables spell out.
fn messages() -> [Message; 10] {
    let master = Sighting { id: OTHER, term: Term(3), rank: Rank(2), addr: Some(rack_3()) };
    let rack = name("rack-3 left");
    [
        Message::Join(Join {
            nonce: NONCE,
            name: rack,
            saved_rate: Some(Rate::from_ppm(-40.0)),
            standby: true,
            challenge: CHALLENGE,
        }),
        Message::Welcome(Welcome {
            nonce: NONCE,
            admission: Admission::Elsewhere(rack_3()),
            interval: Span::from_secs(1),
            name: name("süd"),
            challenge: CHALLENGE,
        }),
        Message::Leave(Leave { reason: LeaveReason::Elsewhere, heir: OTHER }),
        Message::Poll(Poll { nonce: NONCE, round: 0x102, index: 3, burst: 4 }),
        Message::Reply(reply()),
        Message::Adjust(adjust()),
        Message::Announce(announce()),
        Message::Claim(Claim { nonce: NONCE, term: Term(4), request: Request::Vote }),
        Message::Grant(Grant {
            nonce: NONCE,
            term: Term(3),
            verdict: Verdict::MasterLives,
            remembers: true,
            master: Some(master),
        }),
        Message::Entry(entry()),
    ]
}

fn encoded(datagram: &Datagram) -> Buffer {
    // Whatever the buffer held before must not leave the machine.
    let mut buffer = [0xAA; LEN];
    datagram.encode(&mut buffer);
    buffer
}

#[test]
fn every_message_is_the_bytes_of_its_table() {
    for ((kind, what, rows), message) in LAYOUTS.into_iter().zip(messages()) {
        let (expected, datagram) = (bytes(kind, rows), Datagram { header: header(), message });
        let sent = encoded(&datagram);
        for &(at, name, digits) in rows {
            let field = &sent[at..at + digits.len() / 2];
            assert_eq!(field, hex(digits), "{what}: {name} at {at}");
        }
        assert_eq!(sent, expected, "{what} encodes");
        assert_eq!(Datagram::decode(&expected).as_ref(), Ok(&datagram), "{what} decodes");
    }
}

/// The table's bytes with one field replaced.
fn with(kind: u8, field: &str, value: &str) -> Buffer {
    let rows = LAYOUTS[usize::from(kind) - 1].2;
    let mut out = bytes(kind, rows);
    let row = HEADER.iter().chain(rows).find(|row| row.1 == field);
    let &(at, _, old) = row.unwrap_or_else(|| panic!("type {kind} has no {field}"));
    assert_eq!(value.len(), old.len(), "{field} keeps its length");
    out[at..at + value.len() / 2].copy_from_slice(&hex(value));
    out
}

#[test]
fn what_is_not_ours_is_refused_by_its_reason() {
    let good = bytes(1, JOIN);
    for len in [0, 1, LEN - 1] {
        assert_eq!(Datagram::decode(&good[..len]), Err(Reject::Length));
    }
    assert_eq!(Datagram::decode(&[&good[..], &[0]].concat()), Err(Reject::Length));
    for kind in 1..=10 {
        let reason = |field, value| Datagram::decode(&with(kind, field, value)).err();
        assert_eq!(reason("magic", "CA4C"), Some(Reject::Magic));
        assert_eq!(reason("version", "00"), Some(Reject::Version));
        assert_eq!(reason("version", "02"), Some(Reject::Version));
        assert_eq!(reason("type", "00"), Some(Reject::Type));
        let next = format!("{:02X}", LAYOUTS.len() + 1);
        assert_eq!(reason("type", &next), Some(Reject::Type), "type {next} has no table here");
        assert_eq!(reason("type", "FF"), Some(Reject::Type));
        assert_eq!(reason("sender", "0000000000000000"), Some(Reject::Field));
    }
}

#[test]
fn a_field_beyond_its_range_is_refused_and_at_its_limit_is_not() {
    // 10^14 parts in 10^15, a tenth, and one part more.
    let (tenth, minus_tenth) = ("00005AF3107A4000", "FFFFA50CEF85C000");
    let (more, less) = ("00005AF3107A4001", "FFFFA50CEF85BFFF");
    let (never, negative) = ("7FFFFFFFFFFFFFFF", "8000000000000000");
    let rates = [(1, "saved rate"), (5, "map rate"), (5, "rate"), (6, "map rate"), (10, "rate")];
    let spans = [
        (2, "interval"),
        (5, "error"),
        (6, "sigma"),
        (6, "bound"),
        (6, "lasts"),
        (6, "interval"),
        (6, "spread"),
        (7, "interval"),
        (7, "tolerance"),
        (7, "max round trip"),
        (7, "age"),
    ];
    for (kind, field) in rates {
        assert!(Datagram::decode(&with(kind, field, tenth)).is_ok(), "{field}");
        assert!(Datagram::decode(&with(kind, field, minus_tenth)).is_ok(), "{field}");
        assert_eq!(Datagram::decode(&with(kind, field, more)), Err(Reject::Field), "{field}");
        assert_eq!(Datagram::decode(&with(kind, field, less)), Err(Reject::Field), "{field}");
    }
    for (kind, field) in spans {
        assert!(Datagram::decode(&with(kind, field, never)).is_ok(), "{field}");
        assert_eq!(Datagram::decode(&with(kind, field, negative)), Err(Reject::Field), "{field}");
    }
    // Type, field, the greatest allowed value, the least refused one.
    let choices = [
        (1, "rate is known", "01", "02"),
        (1, "stands by", "01", "02"),
        (2, "admission", "03", "04"),
        (3, "reason", "01", "02"),
        (4, "index", "03", "04"),
        (5, "T2 source", "02", "03"),
        (5, "T3 follows", "01", "02"),
        (5, "corrected source", "02", "03"),
        (5, "stands by", "01", "02"),
        (6, "standing", "02", "03"),
        (7, "average", "02", "03"),
        (8, "request", "01", "02"),
        (9, "verdict", "05", "06"),
        (9, "remembers", "01", "02"),
        (10, "listed", "01", "02"),
        (10, "standing", "02", "03"),
        (10, "index", "0005", "0006"),
    ];
    for (kind, field, last, beyond) in choices {
        assert!(Datagram::decode(&with(kind, field, last)).is_ok(), "{field}");
        assert_eq!(Datagram::decode(&with(kind, field, beyond)), Err(Reject::Field), "{field}");
    }
    assert_eq!(Datagram::decode(&with(4, "burst", "00")), Err(Reject::Field));
    assert_eq!(Datagram::decode(&with(7, "burst", "00")), Err(Reject::Field));
    assert_eq!(Datagram::decode(&with(10, "member", "0000000000000000")), Err(Reject::Field));
    // Elsewhere, but nowhere.
    assert_eq!(Datagram::decode(&with(2, "master port", "0000")), Err(Reject::Field));
}

#[test]
fn a_name_that_a_terminal_would_obey_is_refused() {
    let decode = |name: &[u8]| {
        let mut field = [0; Name::MAX];
        field[..name.len()].copy_from_slice(name);
        let mut join = bytes(1, JOIN);
        join[48..80].copy_from_slice(&field);
        Datagram::decode(&join).err()
    };
    assert_eq!(decode(&[b'x'; 32]), None);
    assert_eq!(decode("münchen-ß".as_bytes()), None);
    let bad: [&[u8]; 7] =
        [b"", b"\x1b[2J", b"two\nlines", b" before", b"after ", b"gap\0gap", b"\xff\xfe"];
    for name in bad {
        assert_eq!(decode(name), Some(Reject::Field), "{name:?}");
    }
    // Cut in the middle of a character.
    assert_eq!(decode(&"ü".as_bytes()[..1]), Some(Reject::Field));
}

#[test]
fn what_version_1_does_not_use_is_sent_as_zero_and_not_looked_at() {
    for (kind, what, rows) in LAYOUTS {
        let good = bytes(kind, rows);
        let used = |at: usize| {
            let unused = ["reserved", "flags"];
            HEADER.iter().chain(rows).any(|&(start, name, digits)| {
                !unused.contains(&name) && (start..start + digits.len() / 2).contains(&at)
            })
        };
        let mut noisy = good;
        for at in (0..LEN).filter(|&at| !used(at)) {
            noisy[at] = 0x5A;
        }
        assert!(noisy[LEN - TRAILER_LEN..].iter().all(|&b| b == 0x5A));
        assert_eq!(Datagram::decode(&noisy), Datagram::decode(&good), "{what}");
    }
}

#[test]
fn a_rate_beyond_the_limit_is_sent_as_the_limit() {
    let saved_rate = Some(Rate::from_ppm(9e9));
    let mut join = Join { nonce: 1, name: name("x"), saved_rate, standby: false, challenge: 0 };
    for (sent, arrives) in [(9e9, 100_000.0), (-9e9, -100_000.0), (f64::NAN, 0.0)] {
        join.saved_rate = Some(Rate::from_ppm(sent));
        let datagram = Datagram { header: header(), message: Message::Join(join.clone()) };
        let Ok(Datagram { message: Message::Join(back), .. }) =
            Datagram::decode(&encoded(&datagram))
        else {
            panic!("our own join is refused")
        };
        assert_eq!(back.saved_rate, Some(Rate::from_ppm(arrives)));
    }
}

const PROTOCOL: &str = include_str!("../docs/protocol.md");

/// The lines of the document below a heading, down to the next one.
fn section(heading: &str) -> impl Iterator<Item = &'static str> + Clone + use<> {
    let mut lines = PROTOCOL.lines();
    assert!(lines.any(|line| line == heading), "docs/protocol.md has no heading {heading:?}");
    lines.take_while(|line| !line.starts_with('#'))
}

/// Offset, length and name of each row of a section's field table.
fn drawn(section: impl Iterator<Item = &'static str>) -> Vec<(usize, usize, &'static str)> {
    let rows = section.filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let at = cells.next()?.parse().ok()?;
        let length = cells.next()?.parse().expect("a length in bytes");
        Some((at, length, cells.next()?))
    });
    rows.collect()
}

#[test]
fn the_document_draws_what_is_sent() {
    let named = |rows: &[Row]| -> Vec<_> {
        rows.iter().map(|&(at, name, digits)| (at, digits.len() / 2, name)).collect()
    };
    assert_eq!(drawn(section("### Header")), named(HEADER));
    for (kind, what, rows) in LAYOUTS {
        let text = section(&format!("### {what}"));
        assert_eq!(drawn(text.clone()), named(rows), "{what}");
        let number = format!("Type {kind}.");
        assert!(text.clone().any(|line| line.starts_with(&number)), "{what} says {number:?}");
    }
    let body = LEN - BODY_LEN - TRAILER_LEN;
    let lengths = format!("{LEN} bytes: header {body}, body {BODY_LEN}, trailer {TRAILER_LEN}");
    assert!(PROTOCOL.contains(&lengths), "the document lacks {lengths:?}");
    assert!(PROTOCOL.contains(&format!("version {VERSION}")));
    assert!(PROTOCOL.contains(&format!("UDP port {DEFAULT_PORT}")));
}

fn rate() -> impl Strategy<Value = Rate> {
    let limit = 100_000_000_000_000_i64;
    prop_oneof![-limit..=limit, -1_000_000i64..1_000_000]
        .prop_map(|parts| Rate::from_ppb(parts as f64 / 1e6))
}

fn span() -> impl Strategy<Value = Span> {
    any::<u64>().prop_map(Span::from_nanos)
}

fn offset() -> impl Strategy<Value = Offset> {
    any::<i64>().prop_map(Offset::from_nanos)
}

fn any_name() -> impl Strategy<Value = Name> {
    any::<String>().prop_map(|text| Name::nearest(&text))
}

fn map<A: campanile::time::Scale, B: campanile::time::Scale>() -> impl Strategy<Value = Map<A, B>> {
    (any::<i64>(), any::<i64>(), rate()).prop_map(|(at, reads, rate)| Map {
        at: Time::from_nanos(at),
        reads: Time::from_nanos(reads),
        rate,
    })
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let correction = (any::<u64>(), any::<i64>(), 1u8..=2)
        .prop_map(|(nonce, t3, source)| Correction { nonce, t3: Time::from_nanos(t3), source });
    let stamps = (any::<u64>(), any::<i64>(), any::<i64>(), 0u8..=2, any::<bool>());
    let course = (map(), offset(), rate(), span());
    let rest = (any::<u32>(), any::<u16>(), any::<bool>(), any::<u64>());
    (stamps, prop::option::of(correction), course, rest).prop_map(
        |(stamps, correction, (map, remaining, rate, error), rest)| Reply {
            nonce: stamps.0,
            t2: Time::from_nanos(stamps.1),
            t3: Time::from_nanos(stamps.2),
            t2_source: stamps.3,
            t3_follows: stamps.4,
            correction,
            map,
            remaining,
            rate,
            error,
            applied: rest.0,
            steps: rest.1,
            standby: rest.2,
            obeys: NodeId(rest.3),
        },
    )
}

fn any_adjust() -> impl Strategy<Value = Adjust> {
    let standings = vec![Standing::Counted, Standing::Spare, Standing::Falseticker];
    let round_trip = (1..=i64::MAX as u64).prop_map(Span::from_nanos);
    let spans = (span(), span(), span(), span(), span(), prop::option::of(round_trip));
    let rest = (any::<u32>(), any::<u32>(), any::<u32>());
    (rest, prop::sample::select(standings), map(), offset(), spans).prop_map(
        |((round, members, counted), standing, map, delta, spans)| Adjust {
            round,
            standing,
            map,
            delta,
            sigma: spans.0,
            bound: spans.1,
            lasts: spans.2,
            interval: spans.3,
            members,
            counted,
            spread: spans.4,
            round_trip: spans.5,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let join = (any::<u64>(), any_name(), prop::option::of(rate()), any::<bool>(), any::<u64>())
        .prop_map(|(nonce, name, saved_rate, standby, challenge)| {
            Message::Join(Join { nonce, name, saved_rate, standby, challenge })
        });
    let admission = prop_oneof![
        Just(Admission::Accepted),
        Just(Admission::Full),
        Just(Admission::Challenged),
        addr().prop_map(Admission::Elsewhere)
    ];
    let welcome = (any::<u64>(), admission, span(), any_name(), any::<u64>()).prop_map(
        |(nonce, admission, interval, name, challenge)| {
            Message::Welcome(Welcome { nonce, admission, interval, name, challenge })
        },
    );
    let reasons = vec![LeaveReason::Shutdown, LeaveReason::Elsewhere];
    let leave = (prop::sample::select(reasons), any::<u64>())
        .prop_map(|(reason, heir)| Message::Leave(Leave { reason, heir: NodeId(heir) }));
    let poll = (any::<u64>(), any::<u32>(), 0..u8::MAX, any::<u8>()).prop_map(
        |(nonce, round, index, more)| {
            Message::Poll(Poll { nonce, round, index, burst: more.max(index + 1) })
        },
    );
    let (reply, adjust) =
        (any_reply().prop_map(Message::Reply), any_adjust().prop_map(Message::Adjust));
    prop_oneof![join, welcome, leave, poll, reply, adjust, of_the_election()]
}

fn addr() -> impl Strategy<Value = SocketAddr> {
    (any::<[u8; 16]>(), any::<[u8; 4]>(), any::<bool>(), 1..=u16::MAX).prop_map(
        |(six, four, is_four, port)| {
            let six = Ipv6Addr::from(six);
            let plain = is_four || six.to_ipv4_mapped().is_some();
            SocketAddr::new(if plain { Ipv4Addr::from(four).into() } else { six.into() }, port)
        },
    )
}

fn of_the_election() -> impl Strategy<Value = Message> {
    let candidate = (1..=u64::MAX, any::<u8>(), addr()).prop_map(|(id, rank, addr)| Candidate {
        id: NodeId(id),
        rank: Rank(rank),
        addr,
    });
    let candidates = prop::array::uniform3(prop::option::of(candidate));
    let counts = (any::<u32>(), any::<u32>(), 1..=u8::MAX, 0u8..=2, any::<u8>(), any::<u8>());
    let spans = (span(), span(), span(), span());
    let announce = (counts, spans, candidates).prop_map(|(counts, spans, candidates)| Announce {
        round: counts.0,
        size: counts.1,
        interval: spans.0,
        tolerance: spans.1,
        max_rtt: spans.2,
        age: spans.3,
        burst: counts.2,
        average: counts.3,
        first: counts.4,
        total: counts.5,
        candidates,
    });
    let requests = vec![Request::Ask, Request::Vote];
    let claim = (any::<u64>(), any::<u32>(), prop::sample::select(requests))
        .prop_map(|(nonce, term, request)| Claim { nonce, term: Term(term), request });
    let sighting = (1..=u64::MAX, any::<u32>(), any::<u8>(), prop::option::of(addr())).prop_map(
        |(id, term, rank, addr)| Sighting {
            id: NodeId(id),
            term: Term(term),
            rank: Rank(rank),
            addr,
        },
    );
    let verdicts = vec![
        Verdict::Granted,
        Verdict::MasterLives,
        Verdict::Outranked,
        Verdict::Spent,
        Verdict::Forgotten,
        Verdict::NoVote,
    ];
    let said = (any::<u64>(), any::<u32>(), prop::sample::select(verdicts), any::<bool>());
    let grant = (said, prop::option::of(sighting)).prop_map(
        |((nonce, term, verdict, remembers), master)| {
            Message::Grant(Grant { nonce, term: Term(term), verdict, remembers, master })
        },
    );
    let announce = announce.prop_map(Message::Announce);
    prop_oneof![announce, claim.prop_map(Message::Claim), grant, any_entry()]
}

fn any_entry() -> impl Strategy<Value = Message> {
    let who = (any::<u32>(), 1..=u64::MAX, any::<u32>(), prop::option::of(addr()), any_name());
    let standings = vec![Standing::Counted, Standing::Spare, Standing::Falseticker];
    let line = (any::<bool>(), prop::sample::select(standings), 0..u16::MAX);
    let clock = (any::<i64>(), offset(), rate(), rate());
    let sure = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    (who, line, clock, sure).prop_map(|(who, line, clock, sure)| {
        Message::Entry(Entry {
            round: who.0,
            id: NodeId(who.1),
            boot: BootId(who.2),
            addr: who.3,
            name: who.4,
            listed: line.0,
            standing: line.1,
            index: line.2,
            total: line.2 + 1,
            at: Time::from_nanos(clock.0),
            phase: clock.1,
            rate: clock.2,
            learned: clock.3,
            age: Span::from_secs(u64::from(sure.0)),
            deviation: Span::from_nanos(u64::from(sure.1)),
            sigma: Span::from_nanos(u64::from(sure.2)),
            rate_sigma: Rate::from_ratio(f64::from(sure.3) / 1e12),
        })
    })
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let header =
        (1..=u64::MAX, any::<u64>(), any::<u32>(), any::<u32>(), any::<u8>(), any::<u64>());
    (header, message()).prop_map(|((sender, receiver, boot, term, rank, sequence), message)| {
        let header = Header {
            sender: NodeId(sender),
            receiver: NodeId(receiver),
            boot: BootId(boot),
            term: Term(term),
            rank: Rank(rank),
            sequence,
        };
        Datagram { header, message }
    })
}

/// A datagram that some bytes of the way have changed.
fn damaged() -> impl Strategy<Value = Buffer> {
    let damage = prop::collection::vec((0..LEN, any::<u8>()), 0..6);
    (datagram(), damage).prop_map(|(datagram, damage)| {
        let mut bytes = encoded(&datagram);
        damage.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn what_is_encoded_decodes_to_itself(datagram in datagram()) {
        prop_assert_eq!(Datagram::decode(&encoded(&datagram)), Ok(datagram));
    }

    #[test]
    fn no_bytes_make_decoding_panic(
        any in prop::collection::vec(any::<u8>(), 0..2 * LEN),
        mut body in prop::array::uniform32(any::<[u8; 6]>()),
        kind in 0u8..12,
    ) {
        if any.len() != LEN {
            prop_assert_eq!(Datagram::decode(&any), Err(Reject::Length));
        }
        body[0] = [0xCA, 0x4D, VERSION, kind, 0, 0];
        let _ = Datagram::decode(body.as_flattened());
    }

    #[test]
    fn what_decodes_is_stable(bytes in damaged()) {
        if let Ok(once) = Datagram::decode(&bytes) {
            let again = encoded(&once);
            prop_assert_eq!(Datagram::decode(&again), Ok(once));
        }
    }
}
