//! The roster: the slaves a master knows, by identity and by address.

use std::net::SocketAddr;

use super::agenda::Place;
use super::asked::{Asked, Head, OpenPoll};
use super::closing::Ticket;
use super::event::Who;
use super::exchange::{BySource, Exchange, Source, Stamp};
use super::former::Former;
use super::gate::{Receiver, Seat};
use super::index::Index;
use super::sparing::{SparingRate, SparingSpan, SparingTime};
use super::track::Track;
use crate::time::{Local, Map, Rate, Remote, Shown, Time};
use crate::wire::{BootId, Name, NodeId, Rank, Standing};

/// What a slave said of itself in its newest reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) map: Map<Remote, Shown>,
    pub(super) steps: u16,
}

/// An exchange of which a better T3 may follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) nonce: u64,
    /// T1 and T4, T2 and T3.
    own: [Time<Local>; 2],
    theirs: [Time<Remote>; 2],
    /// Of T1 to T4.
    sources: [Source; 4],
}

impl Held {
    pub(super) fn new(nonce: u64, exchange: &Exchange) -> Self {
        let Exchange { t1, t2, t3, t4 } = *exchange;
        Self {
            nonce,
            own: [t1.at, t4.at],
            theirs: [t2.at, t3.at],
            sources: [t1.source, t2.source, t3.source, t4.source],
        }
    }

    pub(super) fn exchange(&self) -> Exchange {
        let ([t1, t4], [t2, t3], [s1, s2, s3, s4]) = (self.own, self.theirs, self.sources);
        Exchange {
            t1: Stamp { at: t1, source: s1 },
            t2: Stamp { at: t2, source: s2 },
            t3: Stamp { at: t3, source: s3 },
            t4: Stamp { at: t4, source: s4 },
        }
    }
}

/// How many exchanges there were by the worst source of their stamps, up to four thousand millions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally([u32; 3]);

impl Tally {
    pub(super) fn count(&mut self, source: Source) {
        let n = &mut self.0[source as usize];
        *n = n.saturating_add(1);
    }

    pub(super) fn by_source(self) -> BySource {
        let [daemon, kernel, hardware] = self.0.map(u64::from);
        BySource { daemon, kernel, hardware }
    }
}

/// One slave. There may be very many, so each field takes no more room than it needs.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) who: Who,
    pub(super) boot: BootId,
    /// Where the gate has it.
    pub(super) seat: Seat,
    /// Boots before this one.
    pub(super) former: Former,
    /// How often one of them has come back all the same, while this one lives.
    pub(super) returns: u8,
    /// Given on the command line: never forgotten.
    pub(super) listed: bool,
    /// Polls of the running slot without a reply; a burst at most.
    open: Head,
    /// Polls of the running slot that are on their way or back.
    pub(super) asked: u8,
    /// Where the running slot waits for its end.
    pub(super) closing: Ticket,
    /// The newest exchange, while a better T3 for it may follow with the next reply.
    pub(super) held: Option<Held>,
    pub(super) track: Track,
    /// The rate of cluster time against its Local that it remembers from before.
    pub(super) saved: SparingRate,
    /// What it said of itself last, if it has said so.
    map: Map<Remote, Shown>,
    steps: u16,
    spoke: bool,
    /// Whether the running slot has brought a reply, and its least round trip.
    pub(super) replied: bool,
    pub(super) round_trip: SparingSpan,
    /// The least round trip of the newest slot that is over and had one.
    pub(super) least: SparingSpan,
    /// The last eight slots, newest in the lowest bit.
    pub(super) reach: u8,
    /// Slots in a row without a reply.
    pub(super) silent: u16,
    /// It was told cluster time since its newest reply, and shows that rather than what it said.
    pub(super) told: bool,
    /// Its first slot is over.
    pub(super) polled: bool,
    /// It has answered at least once.
    pub(super) known: bool,
    /// Its unreachability was reported.
    pub(super) missed: bool,
    pub(super) standing: Standing,
    /// It may become master, with this rank.
    pub(super) standby: Option<Rank>,
    /// By its newest reply it obeys us.
    pub(super) loyal: bool,
    /// How often it was told who the candidates are.
    pub(super) briefed: u8,
    /// When its first slot would have begun, where it came early.
    pub(super) nominal: SparingTime,
    /// Which line of the table it is told next, where it stands by.
    pub(super) line: u32,
    /// Its exchanges since it booted, each by the worst source of its four stamps.
    pub(super) stamps: Tally,
    /// When it was heard last.
    pub(super) heard: SparingTime,
    /// Its part in the average, 0 … 1.
    pub(super) weight: f32,
}

impl Member {
    pub(super) fn new(who: Who, boot: BootId, listed: bool) -> Self {
        Self {
            who,
            boot,
            seat: Seat::UNKNOWN,
            former: Former::default(),
            returns: 0,
            listed,
            open: Head::EMPTY,
            asked: 0,
            closing: Ticket::NONE,
            held: None,
            track: Track::default(),
            saved: SparingRate::NONE,
            map: NOTHING,
            steps: 0,
            spoke: false,
            replied: false,
            round_trip: SparingSpan::NONE,
            least: SparingSpan::NONE,
            reach: 0,
            silent: 0,
            told: false,
            polled: false,
            known: false,
            missed: false,
            standing: Standing::Spare,
            standby: None,
            loyal: false,
            briefed: 0,
            nominal: SparingTime::NONE,
            line: 0,
            stamps: Tally::default(),
            heard: SparingTime::NONE,
            weight: 0.0,
        }
    }

    /// A word of each line that a reply needs, which brings them near.
    pub(super) fn touch(&self) -> u64 {
        let held = self.held.as_ref().map_or(0, |held| held.nonce);
        self.track.touch() ^ held ^ self.map.rate.as_ratio().to_bits()
    }

    /// Whom to write to it as: the process that has proven itself.
    pub(super) fn receiver(&self) -> Receiver {
        Receiver { seat: self.seat, ..Receiver::from(self.who.id) }
    }

    /// Whether all polls that were sent to it in this slot have come back.
    pub(super) fn is_answered(&self) -> bool {
        self.open == Head::EMPTY
    }

    /// What it said of itself in its newest reply.
    pub(super) fn said(&self) -> Option<Said> {
        self.spoke.then_some(Said { map: self.map, steps: self.steps })
    }

    pub(super) fn say(&mut self, said: Said) {
        (self.map, self.steps, self.spoke) = (said.map, said.steps, true);
    }

    fn is_unanswered(&self) -> bool {
        !self.known && !self.listed
    }

    /// The slave's process is another one now: nothing measured of the old one holds, but for the
    /// rate, which is the crystal's.
    pub(super) fn reboot(&mut self, boot: BootId, rate: Option<Rate>) {
        if self.boot != boot {
            self.former.push(self.boot);
            self.returns = 0;
        }
        self.boot = boot;
        self.held = None;
        self.spoke = false;
        self.told = false;
        self.track = Track::new(rate);
        self.standing = Standing::Spare;
        self.loyal = false;
        self.briefed = 0;
        self.stamps = Tally::default();
        self.weight = 0.0;
        self.round_trip = SparingSpan::NONE;
        self.least = SparingSpan::NONE;
    }
}

/// Stands for what nobody has said yet.
const NOTHING: Map<Remote, Shown> =
    Map { at: Time::from_nanos(0), reads: Time::from_nanos(0), rate: Rate::ZERO };

#[derive(Debug)]
struct Slot {
    generation: u32,
    member: Option<Member>,
}

/// The slaves, at most as many as the settings allow.
#[derive(Debug)]
pub(super) struct Roster {
    slots: Vec<Slot>,
    free: Vec<u32>,
    asked: Asked,
    by_id: Index,
    by_addr: Index,
    most: usize,
    /// Those who joined and have not answered a poll yet.
    unanswered: usize,
    /// Those who have answered.
    known: usize,
    /// Those who have said that they stand by, in the order of their slots. Some may have left.
    standbys: Vec<Place>,
}

impl Roster {
    /// Bytes that a slave takes, with a poll that it has not answered yet.
    pub(super) const EACH: usize = size_of::<Slot>() + Asked::EACH + 2 * Index::EACH;

    /// Room for `most` slaves; `seed` is drawn at random.
    pub(super) fn new(most: usize, seed: [u64; 2]) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            asked: Asked::new(),
            by_id: Index::new(seed),
            by_addr: Index::new(seed),
            most,
            unanswered: 0,
            known: 0,
            standbys: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a member in; `None` where there is no room.
    pub(super) fn add(&mut self, member: Member) -> Option<Place> {
        if self.len() >= self.most {
            return None;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, member: None });
            (self.slots.len() - 1) as u32
        });
        self.unanswered += usize::from(member.is_unanswered());
        self.known += usize::from(member.known);
        let (id, addr) = (member.who.id, member.who.addr);
        let entry = &mut self.slots[slot as usize];
        entry.generation += 1;
        let generation = entry.generation;
        entry.member = Some(member);
        if id != NodeId::UNKNOWN {
            self.by_id.insert(&id, slot, |slot| id_in(&self.slots, slot));
        }
        self.by_addr.insert(&Some(addr), slot, |slot| addr_in(&self.slots, slot));
        Some(Place { slot, generation })
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Member> {
        self.get(place)?;
        let mut member = self.slots[place.slot as usize].member.take()?;
        self.asked.clear(&mut member.open);
        self.free.push(place.slot);
        self.unanswered -= usize::from(member.is_unanswered());
        self.known -= usize::from(member.known);
        self.by_id.remove(&member.who.id, place.slot);
        self.by_addr.remove(&Some(member.who.addr), place.slot);
        Some(member)
    }

    /// Members that have answered.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// Those who have said that they stand by, in the order of their slots.
    pub(super) fn standbys(&self) -> impl Iterator<Item = &Member> {
        self.standbys.iter().filter_map(|&place| self.get(place))
    }

    /// The member at `place` stands by with this rank, or does not.
    pub(super) fn set_standby(&mut self, place: Place, rank: Option<Rank>) {
        let Some(member) = self.get_mut(place) else { return };
        let begins = rank.is_some() && member.standby.is_none();
        member.standby = rank;
        if begins {
            let mut all = std::mem::take(&mut self.standbys);
            all.retain(|&other| self.get(other).is_some_and(|m| m.standby.is_some()));
            let at = all.partition_point(|other| other.slot < place.slot);
            if all.get(at) != Some(&place) {
                all.insert(at, place);
            }
            self.standbys = all;
        }
    }

    /// Joiners that have a place and have not answered a poll yet.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// The member at `place` has answered; says whether it is the first time.
    pub(super) fn answered(&mut self, place: Place) -> bool {
        let Some(member) = self.get_mut(place) else { return false };
        let was_unanswered = member.is_unanswered();
        let first = !std::mem::replace(&mut member.known, true);
        self.unanswered -= usize::from(was_unanswered);
        self.known += usize::from(first);
        first
    }

    /// The member at `place`, which is listed, has to answer anew.
    pub(super) fn unlearn(&mut self, place: Place) {
        let Some(member) = self.get_mut(place).filter(|member| member.listed) else { return };
        let was = std::mem::replace(&mut member.known, false);
        self.known -= usize::from(was);
    }

    pub(super) fn get(&self, place: Place) -> Option<&Member> {
        let slot = self.slots.get(place.slot as usize)?;
        slot.member.as_ref().filter(|_| slot.generation == place.generation)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Member> {
        member_at(&mut self.slots, place)
    }

    /// Polls that wait for their replies.
    pub(super) fn open(&self) -> usize {
        self.asked.len()
    }

    /// The member at `place` was polled. Gives the number that [`Roster::stamp`] asks for.
    pub(super) fn ask(&mut self, place: Place, poll: OpenPoll) -> Option<u32> {
        let member = member_at(&mut self.slots, place)?;
        Some(self.asked.push(&mut member.open, poll, place.slot))
    }

    /// Whether the member at `place` has not answered the poll with this nonce yet.
    pub(super) fn is_asked(&self, place: Place, nonce: u64) -> bool {
        let open = self.get(place).map(|member| self.asked.of(member.open));
        open.is_some_and(|mut open| open.any(|asked| asked == nonce))
    }

    /// The member at `place` has answered the poll with this nonce, which is given.
    pub(super) fn answer(&mut self, place: Place, nonce: u64) -> Option<OpenPoll> {
        let member = member_at(&mut self.slots, place)?;
        self.asked.take(&mut member.open, nonce)
    }

    /// The poll with this number, whose nonce ends with `tail`, left at `at`, to be exact.
    pub(super) fn stamp(&mut self, number: u32, tail: u32, at: Stamp<Local>) {
        self.asked.stamp(number, tail, at);
    }

    /// A slot of the member at `place` begins: what was not answered before will not be.
    pub(super) fn begin(&mut self, place: Place) {
        let Some(member) = member_at(&mut self.slots, place) else { return };
        self.asked.clear(&mut member.open);
        member.asked = 0;
        member.replied = false;
        member.round_trip = SparingSpan::NONE;
    }

    /// Slots that are or were in use: all places are below.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Whoever has this slot now.
    pub(super) fn in_slot(&self, slot: u32) -> Option<Place> {
        let entry = self.slots.get(slot as usize)?;
        entry.member.as_ref().map(|_| Place { slot, generation: entry.generation })
    }

    pub(super) fn by_id(&self, id: NodeId) -> Option<Place> {
        self.in_slot(self.by_id.find(&id, |slot| id_in(&self.slots, slot))?)
    }

    /// As [`Roster::by_id`], but looked for first where a poll with this nonce was sent to of late.
    pub(super) fn by_nonce(&self, nonce: u64, id: NodeId) -> Option<Place> {
        let is_there = |place: &Place| self.get(*place).is_some_and(|member| member.who.id == id);
        self.near(nonce).filter(is_there).or_else(|| self.by_id(id))
    }

    /// Where a poll with this nonce was probably sent to, if it was sent of late.
    pub(super) fn near(&self, nonce: u64) -> Option<Place> {
        self.in_slot(self.asked.whose(nonce))
    }

    pub(super) fn by_addr(&self, addr: SocketAddr) -> Option<Place> {
        self.in_slot(self.by_addr.find(&Some(addr), |slot| addr_in(&self.slots, slot))?)
    }

    /// The member at `place` is `id` now.
    pub(super) fn identify(&mut self, place: Place, id: NodeId) {
        let Some(old) = self.get(place).map(|m| m.who.id) else { return };
        self.by_id.remove(&old, place.slot);
        if let Some(member) = self.get_mut(place) {
            member.who.id = id;
        }
        self.by_id.insert(&id, place.slot, |slot| id_in(&self.slots, slot));
    }

    /// The member at `place` is reached at `addr` now.
    pub(super) fn relocate(&mut self, place: Place, addr: SocketAddr) {
        let Some(old) = self.get(place).map(|m| m.who.addr) else { return };
        self.by_addr.remove(&Some(old), place.slot);
        if let Some(member) = self.get_mut(place) {
            member.who.addr = addr;
        }
        self.by_addr.insert(&Some(addr), place.slot, |slot| addr_in(&self.slots, slot));
    }

    pub(super) fn rename(&mut self, place: Place, name: &Name) {
        if let Some(member) = self.get_mut(place) {
            member.who.name = name.clone();
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.slots.iter_mut().filter_map(|slot| slot.member.as_mut())
    }

    /// All members in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Member)> {
        self.from(0)
    }

    /// The members from a slot on.
    pub(super) fn from(&self, first: u32) -> impl Iterator<Item = (Place, &Member)> {
        (first..).zip(self.slots.iter().skip(first as usize)).filter_map(|(slot, entry)| {
            let place = Place { slot, generation: entry.generation };
            entry.member.as_ref().map(|member| (place, member))
        })
    }
}

fn member_at(slots: &mut [Slot], place: Place) -> Option<&mut Member> {
    let slot = slots.get_mut(place.slot as usize)?;
    let current = slot.generation == place.generation;
    slot.member.as_mut().filter(|_| current)
}

/// Whose slot it is; nobody's id where it is free.
fn id_in(slots: &[Slot], slot: u32) -> NodeId {
    slots[slot as usize].member.as_ref().map_or(NodeId::UNKNOWN, |member| member.who.id)
}

fn addr_in(slots: &[Slot], slot: u32) -> Option<SocketAddr> {
    slots[slot as usize].member.as_ref().map(|member| member.who.addr)
}
