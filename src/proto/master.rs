//! The master: keeps the roster, polls, averages, and sends each slave its delta.
//!
//! Each round has one slot a slave, spread over the interval. A slot is a burst of polls and, when the
//! last of them is answered or given up, its close: the estimate is made and the slave's adjust leaves.
//! At the end of the interval the round is closed: the ensemble averages what the members' clocks say.

mod census;
mod court;
mod exchanges;
mod foresight;
mod intake;
mod membership;
mod pace;
mod pending;
mod relay;
mod rounds;
mod sight;
mod status;
mod succession;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use self::census::Census;
use self::intake::LetIn;
use self::pace::Pace;
use self::pending::Pending;
use self::relay::Relay;
pub(super) use self::succession::Will;
use super::agenda::{Agenda, Due, Place};
use super::asked::OpenPoll;
use super::closing::Closing;
use super::counters::{Counters, Drop};
use super::ensemble::Ensemble;
use super::event::{Event, Round, Who};
use super::exchange::{Exchange, Source, Stamp};
use super::gate::{Gate, Receiver, Seat};
use super::io::{Core, Input, Order, Output, Token};
use super::parts::Parts;
use super::roster::{Held, Member, Roster};
use super::settings::MasterSettings;
use super::status::{Contender, Page, RosterSize, Tracking};
use super::steering::Steering;
use super::track::{Estimate, Flywheel};
use crate::time::{Local, Map, Offset, Shown, Span, Time};
use crate::wire::{
    Admission, Buffer, Datagram, Header, Leave, LeaveReason, Message, NodeId, Poll, Reply,
    Standing, Voice, Welcome,
};

/// Spacing of the polls of a burst: long enough that a reply is in before the next poll leaves.
const BURST_GAP: Span = Span::from_millis(2);
/// An unanswered joiner gets no more polls a round than this, so that a forged join is no lever.
const PROBE_BURST: u8 = 1;
/// Others than slaves that may prove themselves: masters and those that were slaves.
const MORE_PEERS: usize = 64;

/// A master's protocol logic.
#[derive(Debug)]
pub struct Master {
    settings: MasterSettings,
    rng: ChaCha8Rng,
    gate: Gate,
    steering: Steering,
    standing: Standing,
    weight: f64,
    roster: Roster,
    /// The yardstick that all tracks share.
    wheel: Flywheel,
    ensemble: Ensemble,
    agenda: Agenda,
    /// Slots that wait for their last replies.
    closing: Closing,
    replies: Vec<LetIn>,
    pending: VecDeque<Pending>,
    round: u32,
    /// When the first round began.
    born: Time<Local>,
    census: Census,
    pace: Pace,
    summary: Option<Round>,
    /// Rounds that the start has waited.
    deferred: u32,
    said: Announced,
    counters: Counters,
    transmit_stamps: bool,
    stopping: bool,
    /// The other candidates, and those who may be, to whom each round is announced.
    court: Vec<(NodeId, SocketAddr)>,
    /// Members that follow us and count, ourselves included.
    size: u32,
    /// When they were counted.
    counted: Time<Local>,
    /// Since when half of the members or more cannot be reached.
    out_of_sight: Option<Time<Local>>,
    relay: Relay,
}

/// What is said once until it changes.
#[derive(Debug, Default)]
struct Announced {
    alone: bool,
    hold: bool,
    full: bool,
    formed: bool,
}

impl Master {
    /// A master whose own clock runs on `course`. `seed` is all the randomness it ever uses; draw
    /// it from the operating system, or nonces can be guessed.
    pub fn new(
        now: Time<Local>,
        settings: MasterSettings,
        course: Map<Local, Shown>,
        seed: [u8; 32],
    ) -> Self {
        let parts = Parts::new(
            Gate::new(&settings.identity, &settings.trust, seed),
            Steering::new(settings.limits, course, settings.saved_rate),
            seed,
        );
        Self::with(now, settings, parts)
    }

    /// A master that knows no cluster time yet, made of what a node carries over.
    fn with(now: Time<Local>, settings: MasterSettings, mut parts: Parts) -> Self {
        let outputs = parts.outputs.into_iter().map(Pending::Output);
        let secret = [parts.rng.next_u64(), parts.rng.next_u64()];
        let mut gate = parts.gate;
        gate.make_room(settings.max_slaves + MORE_PEERS);
        let mut master = Self {
            rng: parts.rng,
            gate,
            steering: parts.steering,
            standing: Standing::Counted,
            weight: 0.0,
            roster: Roster::new(settings.max_slaves, secret),
            wheel: Flywheel::seeded(secret[0]),
            ensemble: Ensemble::new(settings.average, settings.tolerance).seeded(secret),
            agenda: Agenda::new(now),
            closing: Closing::default(),
            replies: Vec::new(),
            pending: outputs.collect(),
            round: 1,
            born: now,
            census: Census::default(),
            pace: Pace::new(now),
            summary: None,
            deferred: 0,
            said: Announced::default(),
            counters: parts.counters,
            transmit_stamps: parts.transmit_stamps,
            stopping: false,
            court: Vec::new(),
            size: 1,
            counted: now,
            out_of_sight: None,
            relay: Relay::default(),
            settings,
        };
        master.agenda.add(now + master.settings.interval, Due::Tick);
        for addr in master.settings.slaves.clone() {
            master.list(now, addr);
        }
        master
    }

    /// Cluster time over this node's Local; none before it was formed.
    pub fn cluster(&self) -> Option<&Map<Local, crate::time::Cluster>> {
        self.relay.handed().or(self.steering.target())
    }

    fn receive(&mut self, now: Time<Local>, from: SocketAddr, at: Stamp<Local>, bytes: &[u8]) {
        self.counters.received += 1;
        let opened = self.gate.open(now, from, bytes);
        let taken = opened.and_then(|opened| self.take(now, from, at, &opened.datagram));
        if let Err(reason) = taken {
            self.counters.drop(reason);
            self.gate.charge(now, from);
        }
    }

    /// Takes in a datagram that was opened.
    pub(super) fn take(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        datagram: &Datagram,
    ) -> Result<(), Drop> {
        let header = &datagram.header;
        if let Message::Reply(reply) = &datagram.message {
            return self.on_reply(now, from, at, header, reply);
        }
        self.use_replies(now);
        match &datagram.message {
            Message::Join(join) => self.on_join(now, from, header, join),
            Message::Leave(_) => self.on_leave(header),
            _ => Err(Drop::WrongRole),
        }
    }

    fn on_reply(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        header: &Header,
        reply: &Reply,
    ) -> Result<(), Drop> {
        let place = self.roster.by_nonce(reply.nonce, header.sender);
        let place = place.or_else(|| self.place_at(from)).ok_or(Drop::Stranger)?;
        if self.is_twin(place, from, header) || self.is_listed_twin(place, from, reply.nonce) {
            return Err(Drop::Twin);
        }
        let open = self.roster.answer(place, reply.nonce).ok_or(Drop::Unasked)?;
        // Without keys it is the nonce alone that shows who lives there.
        if let Some(member) = self.roster.get_mut(place)
            && let Ok(seat) = self.gate.prove(now, from, header, member.seat)
        {
            member.seat = seat;
        }
        self.recognise(now, place, from, header, reply);
        let exchange = Exchange {
            t1: open.t1,
            t2: Stamp { at: reply.t2, source: Source::from_number(reply.t2_source) },
            t3: Stamp::daemon(reply.t3),
            t4: at,
        };
        let goes_on = self.follow_up(place, open.index);
        let ends = !goes_on && self.roster.get(place).is_some_and(Member::is_answered);
        self.let_in(now, LetIn::new(place, exchange, reply, ends));
        Ok(())
    }

    fn sent(&mut self, token: Token, at: Stamp<Local>) {
        self.roster.stamp((token.0 >> 32) as u32, token.0 as u32, at);
    }

    fn tell(&mut self, event: Event) {
        self.pending.push_back(Pending::Output(Output::Event(event)));
    }

    pub(super) fn send(
        &mut self,
        to: SocketAddr,
        receiver: impl Into<Receiver>,
        message: Message,
        buffer: &mut Buffer,
    ) -> Output {
        self.counters.sent += 1;
        let reign = (self.settings.term, self.settings.rank);
        self.gate.write(receiver.into(), reign, Voice::Master, message, buffer);
        Output::Send { to, token: None }
    }

    /// Carries out one thing that waits; `None` where it has become pointless.
    fn carry_out(
        &mut self,
        now: Time<Local>,
        pending: Pending,
        buffer: &mut Buffer,
    ) -> Option<Output> {
        match pending {
            Pending::Poll { place, index, burst } => self.ask(now, place, index, burst, buffer),
            Pending::Adjust { place, estimate } => {
                let adjust = self.adjust(now, place, &estimate)?;
                let member = self.roster.get_mut(place)?;
                member.told = true;
                let (to, receiver) = (member.who.addr, member.receiver());
                Some(self.send(to, receiver, Message::Adjust(adjust), buffer))
            }
            Pending::Welcome { to, receiver, nonce, admission, challenge } => {
                let (interval, name) =
                    (self.settings.interval, self.settings.identity.name.clone());
                let welcome = Welcome { nonce, admission, interval, name, challenge };
                Some(self.send(to, receiver, Message::Welcome(welcome), buffer))
            }
            Pending::Announce { to, receiver, page } => {
                let announce = self.announce(page);
                Some(self.send(to, receiver, Message::Announce(announce), buffer))
            }
            Pending::NextEntry { place } => {
                let (who, entry) = self.next_entry(now, place)?;
                Some(self.send(who.addr, who.id, Message::Entry(entry), buffer))
            }
            Pending::Entry { place, entry } => {
                let (to, receiver) = self.roster.get(place).map(|m| (m.who.addr, m.who.id))?;
                Some(self.send(to, receiver, Message::Entry(*entry), buffer))
            }
            Pending::Leave { to, receiver, leave } => {
                Some(self.send(to, receiver, Message::Leave(leave), buffer))
            }
            Pending::Output(output) => Some(output),
        }
    }

    fn ask(
        &mut self,
        now: Time<Local>,
        place: Place,
        index: u8,
        burst: u8,
        buffer: &mut Buffer,
    ) -> Option<Output> {
        let nonce = self.rng.next_u64();
        let member = self.roster.get(place)?;
        let (to, receiver) = (member.who.addr, member.receiver());
        let number = self.roster.ask(place, OpenPoll { nonce, t1: Stamp::daemon(now), index })?;
        let poll = Poll { nonce, round: self.round, index, burst };
        self.send(to, receiver, Message::Poll(poll), buffer);
        // The token never leaves this machine; it names the poll, so that nothing is searched.
        let token = Token(u64::from(number) << 32 | u64::from(nonce as u32));
        Some(Output::Send { to, token: Some(token) })
    }

    fn stop(&mut self, now: Time<Local>) {
        self.stopping = true;
        self.pending.push_back(Pending::Output(self.steering.unsynchronised(now)));
        self.pending.retain(|pending| matches!(pending, Pending::Output(_)));
        self.say_good_bye(LeaveReason::Shutdown, None);
    }

    /// Deadlines that have come, one at a time.
    fn decide(&mut self, now: Time<Local>) -> bool {
        if self.give_up(now) {
            return true;
        }
        if self.agenda.fetch(now) {
            self.foresee_polls();
        }
        let Some((at, due)) = self.agenda.next(now) else { return false };
        match due {
            Due::Tick => self.tick(now),
            Due::Poll { place, index } => {
                let polls = self.roster.len() as u64 * u64::from(self.settings.burst);
                match self.pace.wait(now, polls, self.settings.interval) {
                    Some(until) => self.agenda.add(until, Due::Paced { place, index }),
                    None => self.poll_due(now, at, place, index),
                }
            }
            Due::Paced { place, index } => self.poll_due(now, at, place, index),
        }
        true
    }

    fn company(&self) -> impl Iterator<Item = (Place, &Member)> {
        self.roster.iter().filter(|(_, member)| member.reach != 0)
    }
}

impl Core for Master {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        if !matches!(input, Input::Datagram { .. } | Input::Sent { .. }) {
            self.use_replies(now);
        }
        match input {
            Input::Datagram { from, at, bytes } if !self.stopping => {
                self.receive(now, from, at, bytes);
            }
            Input::Sent { token, at } => self.sent(token, at),
            Input::Steered { map } => {
                if let Some(event) = self.steering.steered(map) {
                    self.tell(event);
                }
            }
            Input::Keys(keys) => self.gate.set_keys(keys),
            Input::Order(Order::MakeStep) => self.steering.make_step(now),
            Input::Order(Order::Resign) | Input::Stop if !self.stopping => self.stop(now),
            Input::TransmitStamps(given) => self.transmit_stamps = given,
            Input::Datagram { .. }
            | Input::Addresses(_)
            | Input::Kept { .. }
            | Input::Order(_)
            | Input::Stop => {}
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        self.use_replies(now);
        loop {
            while let Some(pending) = self.pending.pop_front() {
                if let Some(output) = self.carry_out(now, pending, buffer) {
                    return Some(output);
                }
            }
            if self.stopping {
                return None;
            }
            if self.decide(now) {
                continue;
            }
            let output = self.steering.poll(now)?;
            if output == Output::Event(super::Event::Holdover) {
                self.pending.push_back(Pending::Output(self.steering.unsynchronised(now)));
            }
            return Some(output);
        }
    }

    fn deadline(&self) -> Option<Time<Local>> {
        if self.stopping {
            return None;
        }
        let deadlines = [self.agenda.deadline(), self.closing.deadline(), self.steering.deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn foresee(&self, datagrams: &mut dyn Iterator<Item = &[u8]>) {
        self.foresee_replies(datagrams);
    }

    /// The second of two polls follows upon the answer to the first at once; of single ones none does.
    fn is_patient(&self) -> bool {
        self.settings.burst == 1
    }

    fn done(&self) -> bool {
        self.stopping && self.pending.is_empty()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn tracking(&self, now: Time<Local>) -> Option<Tracking> {
        Some(self.track(now))
    }

    fn contenders(&self) -> Vec<Contender> {
        self.contending()
    }

    fn peers(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        self.page(now, from, most)
    }

    fn roster(&self) -> Option<RosterSize> {
        Some(self.roster_size())
    }

    fn held(&self) -> usize {
        self.roster.len()
            + self.roster.open()
            + self.agenda.len()
            + self.closing.len()
            + self.replies.len()
            + self.pending.len()
            + self.ensemble.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::settings::Identity;
    use crate::time::Rate;
    use crate::wire::{BootId, Name};

    #[test]
    fn replies_may_wait_to_be_read_where_no_poll_follows_upon_them() {
        for burst in 1..=MasterSettings::MAX_BURST {
            let now = Time::from_nanos(0);
            let identity =
                Identity { id: NodeId(1), boot: BootId(1), name: Name::nearest("master") };
            let settings = MasterSettings { burst, ..MasterSettings::new(identity) };
            let course = Map { at: now, reads: Time::from_nanos(0), rate: Rate::ZERO };
            let master = Master::new(now, settings, course, [7; 32]);
            assert_eq!(master.is_patient(), burst == 1, "{burst} polls");
        }
    }
}
