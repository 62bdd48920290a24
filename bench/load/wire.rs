//! The few datagrams that a slave sends and looks at, as templates that are patched: next to
//! nothing is spent on the slaves' side (docs/protocol.md has the places of the fields).

#[path = "../../tests/common/reply.rs"]
mod reply;

use campanile::time::{Span, Time};
use campanile::wire::{
    Admission, BootId, Buffer, Datagram, Header, Join, Keyring, LEN, Message, Name, NodeId, Rank,
    Reply, Sealer, Term,
};

/// The cluster's key, where datagrams are sealed.
pub const KEYS: &str = "1 HMAC-SHA256 HEX:6c6f61646c6f61646c6f61646c6f6164\n";

pub const KIND: usize = 3;
pub const WELCOME: u8 = 2;
pub const POLL: u8 = 4;
pub const ADJUST: u8 = 6;

const SENDER: usize = 8;
const BOOT: usize = 24;
const SEQUENCE: usize = 32;
const NONCE: usize = 40;
const T2: usize = 48;
const T3: usize = 56;
/// Where a reply has its map, and an adjust its own.
const REPLY_MAP: usize = 88;
const ADJUST_MAP: usize = 48;
const MAP_LEN: usize = 24;

/// A slave's Local to its Shown, as the bytes of a datagram.
pub type MapBytes = [u8; MAP_LEN];

/// The challenge of a welcome that admits nobody yet; the next join has to echo it.
pub fn challenge(welcome: &[u8]) -> Option<u64> {
    match Datagram::decode(welcome).ok()?.message {
        Message::Welcome(w) if w.admission == Admission::Challenged => Some(w.challenge),
        _ => None,
    }
}

pub fn join(slave: usize, challenge: u64) -> Buffer {
    let name = Name::nearest(&format!("load-{slave}"));
    let nonce = 1 + slave as u64;
    let join = Join { nonce, name, saved_rate: None, standby: false, challenge };
    encode(slave, Message::Join(join))
}

fn encode(slave: usize, message: Message) -> Buffer {
    let header = Header {
        sender: NodeId(id(slave)),
        receiver: NodeId::UNKNOWN,
        boot: BootId(1),
        term: Term(0),
        rank: Rank(0),
        sequence: 1,
    };
    let mut buffer = [0; LEN];
    Datagram { header, message }.encode(&mut buffer);
    buffer
}

/// Ids are random in life; these are spread alike.
fn id(slave: usize) -> u64 {
    (slave as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

pub fn reply() -> Buffer {
    let (at, shows) = (Time::from_nanos(0), Time::from_nanos(0));
    let reply = Reply {
        t2_source: 0,
        error: Span::MAX,
        applied: 0,
        obeys: NodeId(0),
        ..reply::reply(0, at, shows)
    };
    encode(0, Message::Reply(reply))
}

/// Makes the template `reply` slave `slave`'s answer to `poll`.
pub fn fill(reply: &mut Buffer, slave: usize, poll: &[u8], t2: i64, t3: i64, map: &MapBytes) {
    reply[SENDER..SENDER + 8].copy_from_slice(&id(slave).to_be_bytes());
    reply[BOOT..BOOT + 4].copy_from_slice(&1u32.to_be_bytes());
    reply[NONCE..NONCE + 8].copy_from_slice(&poll[NONCE..NONCE + 8]);
    reply[T2..T2 + 8].copy_from_slice(&t2.to_be_bytes());
    reply[T3..T3 + 8].copy_from_slice(&t3.to_be_bytes());
    reply[REPLY_MAP..REPLY_MAP + MAP_LEN].copy_from_slice(map);
}

/// A sealer of all slaves' datagrams, with the key that theirs are derived from.
pub fn sealer(sealed: bool) -> Sealer {
    let keys = if sealed { Keyring::parse(KEYS).expect("a good key") } else { Keyring::default() };
    Sealer::new(keys)
}

pub fn number(datagram: &mut Buffer, sequence: u64) {
    datagram[SEQUENCE..SEQUENCE + 8].copy_from_slice(&sequence.to_be_bytes());
}

/// The process that sent this.
pub fn boot(datagram: &[u8]) -> BootId {
    let bytes = datagram[BOOT..BOOT + 4].try_into().expect("the length is right");
    BootId(u32::from_be_bytes(bytes))
}

pub fn map_of_adjust(adjust: &[u8]) -> MapBytes {
    adjust[ADJUST_MAP..ADJUST_MAP + MAP_LEN].try_into().expect("the length is right")
}

pub fn map(at: i64, reads: i64) -> MapBytes {
    let mut map = [0; MAP_LEN];
    map[..8].copy_from_slice(&at.to_be_bytes());
    map[8..16].copy_from_slice(&reads.to_be_bytes());
    map
}
