//! The one gate of a core: what comes in is judged here before anybody looks at what it says, and
//! what goes out is sealed here. A new type of message gets all of it by being sent and received.
//!
//! Cheap checks come first: the address, the sender's budget, the header, the seal, and only then
//! the body. Whether a sealed datagram is *new* is the last question. One of a process that has
//! proven to be alive now ([`Gate::prove`]) is checked against its window of numbers; one of any
//! other may be a recording, and is good for nothing but proving the opposite.

mod cookies;
mod peers;
mod sources;

use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use self::cookies::Cookies;
use self::peers::Peers;
use self::sources::Sources;
use super::counters::Drop;
use super::settings::{Identity, Trust};
use crate::time::{Local, Time};
use crate::wire::{
    BootId, Broken, Buffer, Datagram, Header, Keyring, Message, NodeId, Rank, Sealer, Term, Voice,
};

/// A datagram that may be looked at.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) datagram: Datagram,
    /// It is not a recording. Without keys nothing can be told from a recording, and everything
    /// is taken for new.
    pub(super) proven: bool,
}

/// To whom a datagram goes: to which node, and to which process of it as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) id: NodeId,
    pub(super) boot: BootId,
    /// Where what is known of it stands, as far as is known.
    pub(super) seat: Seat,
}

/// Where what is known of a node stands: who keeps it spares the search the next time. It may be wrong at
/// any time, and costs the search then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat(u32);

impl Seat {
    pub(super) const UNKNOWN: Seat = Seat(u32::MAX);
}

/// So many others may prove themselves to a slave: masters, of past and present.
const FEW: usize = 16;

/// What a core's challenges are made with, from its one seed: another stream of the same generator.
fn secret(seed: [u8; 32]) -> [u8; 32] {
    let mut secret = [0; 32];
    stream(seed, 1).fill_bytes(&mut secret);
    secret
}

/// What its peers are hashed with, likewise.
fn indices(seed: [u8; 32]) -> [u64; 2] {
    let mut rng = stream(seed, 2);
    [rng.next_u64(), rng.next_u64()]
}

fn stream(seed: [u8; 32], number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_stream(number);
    rng
}

impl From<NodeId> for Receiver {
    /// The process of this node that has proven to be alive, if one has.
    fn from(id: NodeId) -> Self {
        Self { id, boot: BootId(0), seat: Seat::UNKNOWN }
    }
}

impl Receiver {
    /// Who sent this.
    pub(super) fn sender_of(header: &Header) -> Self {
        Self { id: header.sender, boot: header.boot, seat: Seat::UNKNOWN }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gate {
    own: NodeId,
    boot: BootId,
    /// Datagrams sent since the boot.
    sequence: u64,
    sealer: Sealer,
    trust: Trust,
    peers: Peers,
    sources: Sources,
    cookies: Cookies,
}

impl Gate {
    /// Bytes that one who has proven to live takes.
    pub(super) const EACH: usize = Peers::EACH;

    /// A gate for a node. `seed` is known to nobody else.
    pub(super) fn new(identity: &Identity, trust: &Trust, seed: [u8; 32]) -> Self {
        Self {
            own: identity.id,
            boot: identity.boot,
            sequence: 0,
            sealer: Sealer::new(trust.keys.clone()),
            peers: Peers::new(FEW, indices(seed)),
            sources: Sources::new(trust.source_rate),
            cookies: Cookies::new(secret(seed)),
            trust: trust.clone(),
        }
    }

    /// Lets up to `most` others prove themselves, 16 at least.
    pub(super) fn make_room(&mut self, most: usize) {
        self.peers.set_most(most.max(FEW));
    }

    /// Whether what is not sealed is refused.
    pub(super) fn is_keyed(&self) -> bool {
        self.sealer.is_keyed()
    }

    /// Goes on with other keys. Who has proven itself before stays so.
    pub(super) fn set_keys(&mut self, keys: &Keyring) {
        self.sealer = Sealer::new(keys.clone());
    }

    /// The datagram, if it may be looked at.
    ///
    /// # Errors
    /// Why it is to be dropped.
    pub(super) fn open(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Result<Opened, Drop> {
        if !self.hears(from.ip()) {
            return Err(Drop::NotAllowed);
        }
        if self.sources.is_spent(now, from) && !self.peers.is_at(from) {
            return Err(Drop::RateLimited);
        }
        let (header, bytes) = Datagram::outline(bytes).map_err(Drop::Rejected)?;
        if header.sender == self.own {
            return Err(Drop::Own);
        }
        if ![NodeId::UNKNOWN, self.own].contains(&header.receiver) {
            return Err(Drop::NotForUs);
        }
        let (voice, proven) = self.unseal(now, from, &header, bytes)?;
        let datagram = Datagram::decode(bytes).map_err(Drop::Rejected)?;
        let entitled = datagram.message.voice();
        if voice.is_some_and(|voice| entitled.is_some_and(|entitled| entitled != voice)) {
            return Err(Drop::NotEntitled);
        }
        if !proven && !speaks_first(&datagram.message) {
            return Err(Drop::Unproven);
        }
        Ok(Opened { datagram, proven })
    }

    /// As what the sender speaks, where that is sealed, and whether it is new.
    fn unseal(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        bytes: &Buffer,
    ) -> Result<(Option<Voice>, bool), Drop> {
        let seal = match self.sealer.open(bytes) {
            Ok(seal) => seal,
            Err(Broken::Unsigned) if !self.is_keyed() => return Ok((None, true)),
            Err(Broken::Unsigned) => return Err(Drop::Unsigned),
            Err(Broken::UnknownKey) => return Err(Drop::UnknownKey),
            Err(Broken::BadMac) => return Err(Drop::BadMac),
        };
        let proven = if seal.receiver_boot == self.boot {
            self.peers.take(now, from, header)?
        } else if seal.receiver_boot == BootId(0) {
            self.peers.notice(header);
            false
        } else {
            return Err(Drop::OtherBoot);
        };
        Ok((Some(seal.voice), proven))
    }

    fn hears(&self, ip: IpAddr) -> bool {
        self.trust.allow.is_empty() || self.trust.allow.iter().any(|net| net.contains(&ip))
    }

    /// A datagram from there was dropped, or cost an answer to somebody who has proven nothing. Who is not
    /// allowed to speak spends nothing that others need.
    pub(super) fn charge(&mut self, now: Time<Local>, from: SocketAddr) {
        if self.hears(from.ip()) && !self.peers.is_at(from) {
            self.sources.charge(now, from);
        }
    }

    /// The sender has just proven that this process of it is alive, by echoing what nobody could
    /// know before. Gives its seat, which is looked for at `near` first.
    ///
    /// # Errors
    /// [`Drop::Replayed`] where that process was followed by another one already.
    pub(super) fn prove(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        near: Seat,
    ) -> Result<Seat, Drop> {
        self.peers.prove(now, from, header, self.sealer.is_keyed(), near)
    }

    /// A word of what is known of a node, which brings it near.
    pub(super) fn touch(&self, id: NodeId) -> u64 {
        self.peers.touch(id)
    }

    /// The same, where its seat is known.
    pub(super) fn touch_at(&self, seat: Seat) -> u64 {
        self.peers.touch_at(seat)
    }

    /// What a joiner has to echo.
    pub(super) fn challenge(&self, now: Time<Local>, to: SocketAddr, header: &Header) -> u64 {
        self.cookies.make(now, to, header)
    }

    /// Whether a joiner echoes what it was given there a short while ago.
    pub(super) fn answers(
        &self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        challenge: u64,
    ) -> bool {
        self.cookies.is_good(now, from, header, challenge)
    }

    /// Writes a datagram, numbers it and seals it where there are keys.
    /// `voice` is that of a message which several may speak.
    pub(super) fn write(
        &mut self,
        to: Receiver,
        (term, rank): (Term, Rank),
        voice: Voice,
        message: Message,
        buffer: &mut Buffer,
    ) {
        self.sequence += 1;
        let voice = message.voice().unwrap_or(voice);
        let header = Header {
            sender: self.own,
            receiver: to.id,
            boot: self.boot,
            term,
            rank,
            sequence: self.sequence,
        };
        Datagram { header, message }.encode(buffer);
        if self.is_keyed() {
            let boot =
                if to.boot == BootId(0) { self.peers.boot_of(to.id, to.seat) } else { to.boot };
            self.sealer.seal(buffer, voice, boot);
        }
    }
}

/// What may come from who has not proven to be alive: that which proves it, and what masters settle
/// among themselves, where terms that only rise make a recording worthless.
fn speaks_first(message: &Message) -> bool {
    matches!(
        message,
        Message::Join(_)
            | Message::Welcome(_)
            | Message::Announce(_)
            | Message::Claim(_)
            | Message::Grant(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use crate::wire::Name;

    const START: Time<Local> = Time::from_nanos(0);

    fn addr(n: u32) -> SocketAddr {
        let [_, b, c, d] = n.to_be_bytes();
        SocketAddr::from(([10, b, c, d], 7045))
    }

    /// One that hears 10.0.0.0/16.
    fn gate() -> Gate {
        let identity = Identity { id: NodeId(1), boot: BootId(1), name: Name::nearest("node") };
        let trust = Trust { allow: vec!["10.0.0.0/16".parse().unwrap()], ..Trust::default() };
        Gate::new(&identity, &trust, [7; 32])
    }

    /// Why garbage from there is refused.
    fn refused(gate: &mut Gate, now: Time<Local>, from: u32) -> Drop {
        let why = gate.open(now, addr(from), &[0; 16]).unwrap_err();
        gate.charge(now, addr(from));
        why
    }

    #[test]
    fn a_flood_is_forgiven_a_second_after_it_has_ended() {
        let mut gate = gate();
        let mut limited = 0;
        for n in 0..1_000_000 {
            let now = START + Span::from_micros(10).times(n);
            limited += u32::from(refused(&mut gate, now, n % 50_000) == Drop::RateLimited);
        }
        // 16 000 of 100 000 a second are looked at.
        assert!((800_000..850_000).contains(&limited), "{limited} of a million");
        let ended = START + Span::from_secs(10);
        assert_eq!(refused(&mut gate, ended, 60_000), Drop::RateLimited);
        let later = ended + Span::from_millis(1_100);
        assert!(matches!(refused(&mut gate, later, 60_000), Drop::Rejected(_)));
    }

    #[test]
    fn who_is_not_allowed_to_speak_uses_up_nothing() {
        let mut gate = gate();
        for n in 0..100_000 {
            assert_eq!(refused(&mut gate, START, (1 << 16) + n % 50_000), Drop::NotAllowed);
        }
        assert!(matches!(refused(&mut gate, START, 1), Drop::Rejected(_)));
    }

    #[test]
    fn an_address_gets_its_rate_at_once() {
        let mut gate = gate();
        let most = Trust::default().source_rate;
        let looked = (0..10 * most).filter(|_| refused(&mut gate, START, 1) != Drop::RateLimited);
        assert_eq!(looked.count(), most as usize);
    }

    /// A gate to which twenty nodes have proven themselves, each at the address of its number.
    fn with_proven() -> (Gate, impl Iterator<Item = u32> + Clone) {
        let (mut gate, nodes) = (gate(), 2..22);
        gate.make_room(nodes.len());
        for n in nodes.clone() {
            let header = Header {
                sender: NodeId(n.into()),
                receiver: NodeId(1),
                boot: BootId(1),
                term: Term(0),
                rank: Rank(0),
                sequence: 1,
            };
            gate.prove(START, addr(n), &header, Seat::UNKNOWN).unwrap();
        }
        (gate, nodes)
    }

    #[test]
    fn who_has_proven_itself_is_heard_in_a_flood() {
        let (mut gate, nodes) = with_proven();
        for n in 0..20_000 {
            refused(&mut gate, START, 1_000 + n);
        }
        assert_eq!(refused(&mut gate, START, 30_000), Drop::RateLimited);
        for n in nodes {
            assert!(matches!(refused(&mut gate, START, n), Drop::Rejected(_)), "{n}");
        }
    }

    #[test]
    fn what_is_wrong_with_those_who_have_proven_themselves_is_charged_to_nobody() {
        let (mut gate, nodes) = with_proven();
        for n in nodes.cycle().take(40_000) {
            refused(&mut gate, START, n);
        }
        assert!(matches!(refused(&mut gate, START, 1), Drop::Rejected(_)));
    }
}
