//! The slave: finds a master, answers its polls, and aims its clock by its deltas.

mod following;
mod pending;
mod sanity;
mod standbys;
mod status;
mod succession;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use self::following::{Master, Search};
use self::pending::{Pending, PendingReply};
use self::sanity::{Ruling, Sanity};
use super::counters::{Counters, Drop};
use super::event::{Adjusted, DEVIATIONS, Event, Who};
use super::exchange::{Source, Stamp};
use super::gate::{Gate, Receiver, Seat};
use super::io::{Core, Input, Order, Output, Token};
use super::settings::SlaveSettings;
use super::status::{Contender, Page, Tracking};
use super::steering::Steering;
use super::title::{Allegiance, Meeting};
use crate::clock::Target;
use crate::time::{Local, Map, Rate, Shown, Span, Time};
use crate::wire::{
    Adjust, Buffer, Correction, Datagram, Grant, Header, Join, Leave, LeaveReason, Message, Name,
    NodeId, Poll, Rank, Reply, Term, Voice,
};

/// Replies that wait for the driver. A burst is 16 at most; more than two of them is a flood.
const MAX_REPLIES: usize = 32;
/// Events and the like that wait for the driver.
const MAX_PENDING: usize = 64;
/// A map whose anchor is further from now than this was not made for this moment.
const ANCHOR_LIMIT: Span = Span::from_secs(10);
/// No quartz is this far off, so no cluster is either.
const RATE_LIMIT: Rate = Rate::from_ppm(1_000.0);
/// A map may not be given for longer: what is not renewed in a day is not to be trusted.
const LASTS_LIMIT: Span = Span::from_secs(86_400);

/// A slave's protocol logic.
#[derive(Debug)]
pub struct Slave {
    settings: SlaveSettings,
    rng: ChaCha8Rng,
    gate: Gate,
    steering: Steering,
    sanity: Sanity,
    allegiance: Allegiance,
    /// What is known of the master that is obeyed.
    master: Option<Master>,
    search: Search,
    replies: VecDeque<PendingReply>,
    /// The newest polls. The second reply to one would leave later than the first, and what is
    /// learned of its leaving would be taken for the first's.
    answered: VecDeque<u64>,
    pending: VecDeque<Pending>,
    /// What became of the newest adjust.
    newest: Option<Adjusted>,
    correction: Option<Correction>,
    awaited: Option<u64>,
    transmit_stamps: bool,
    counters: Counters,
    stopping: bool,
}

impl Slave {
    /// A slave whose clock runs on `course`. `seed` is all the randomness it ever uses; draw it
    /// from the operating system, or nonces can be guessed.
    pub fn new(
        now: Time<Local>,
        settings: SlaveSettings,
        course: Map<Local, Shown>,
        seed: [u8; 32],
    ) -> Self {
        let next = (!settings.masters.is_empty()).then_some(now);
        Self {
            gate: Gate::new(&settings.identity, &settings.trust, seed),
            steering: Steering::new(settings.limits, course, settings.saved_rate),
            settings,
            rng: ChaCha8Rng::from_seed(seed),
            sanity: Sanity::default(),
            allegiance: Allegiance::default(),
            master: None,
            search: Search::new(next),
            replies: VecDeque::new(),
            answered: VecDeque::new(),
            pending: VecDeque::new(),
            newest: None,
            correction: None,
            awaited: None,
            transmit_stamps: false,
            counters: Counters::default(),
            stopping: false,
        }
    }

    /// The rate of cluster time against this node's Local, once a master has told.
    pub fn rate(&self) -> Option<Rate> {
        self.steering.rate()
    }

    /// How far from cluster time the clock may be at `now`; nothing before the first adjust.
    pub fn bound(&self, now: Time<Local>) -> Option<Span> {
        self.steering.bound(now)
    }

    fn receive(&mut self, now: Time<Local>, from: SocketAddr, at: Stamp<Local>, bytes: &[u8]) {
        self.counters.received += 1;
        let opened = self.gate.open(now, from, bytes);
        let taken = opened.and_then(|opened| {
            // That somebody reigns may be a recording.
            let announced = matches!(opened.datagram.message, Message::Announce(_));
            match announced && !opened.proven {
                true => Err(Drop::Unproven),
                false => self.take(now, from, at, &opened.datagram),
            }
        });
        if let Err(reason) = taken {
            self.counters.drop(reason);
            self.gate.charge(now, from);
            self.wonder(now, from, reason);
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
        if !self.admits(from) {
            return Err(Drop::NotOurMaster);
        }
        let header = &datagram.header;
        match &datagram.message {
            Message::Poll(poll) => self.on_poll(now, from, at, header, *poll),
            Message::Adjust(adjust) => self.on_adjust(now, from, header, adjust),
            Message::Welcome(welcome) => self.on_welcome(now, from, header, welcome),
            Message::Leave(leave) => self.on_leave(now, from, header, *leave),
            Message::Announce(announce) => self.on_announce(now, from, header, announce),
            Message::Claim(claim) => self.on_claim(now, from, header, *claim),
            Message::Join(_) | Message::Reply(_) | Message::Grant(_) | Message::Entry(_) => {
                Err(Drop::WrongRole)
            }
        }
    }

    fn on_poll(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        header: &Header,
        poll: Poll,
    ) -> Result<(), Drop> {
        if self.meet(now, from, header, false)? != Meeting::Wait {
            self.note_poll(now);
        }
        if self.answered.contains(&poll.nonce) {
            return Err(Drop::Duplicate);
        }
        if self.answered.len() == MAX_REPLIES {
            self.answered.pop_front();
        }
        self.answered.push_back(poll.nonce);
        if self.replies.len() == MAX_REPLIES {
            self.replies.pop_front();
        }
        let reply = PendingReply {
            to: from,
            receiver: Receiver::sender_of(header),
            nonce: poll.nonce,
            t2: at,
        };
        self.replies.push_back(reply);
        Ok(())
    }

    fn on_adjust(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        adjust: &Adjust,
    ) -> Result<(), Drop> {
        if header.receiver != self.settings.identity.id {
            return Err(Drop::NotForUs);
        }
        let source = (header.sender, header.boot, header.term);
        if self.sanity.has_judged(source, adjust.round) {
            return Err(Drop::Stale);
        }
        let at = adjust.map.at.back_home();
        let plausible = (now - at).abs() <= ANCHOR_LIMIT
            && adjust.map.rate.abs() <= RATE_LIMIT
            && adjust.lasts <= LASTS_LIMIT;
        if !plausible {
            return Err(Drop::Implausible);
        }
        if self.meet(now, from, header, true)? == Meeting::Wait {
            return Err(Drop::NotOurMaster);
        }
        self.allegiance.set_interval(adjust.interval);
        let Some(master) = &self.master else { return Err(Drop::NotOurMaster) };
        if adjust.round <= master.applied {
            return Err(Drop::Stale);
        }
        let map = Map { at, reads: adjust.map.reads, rate: adjust.map.rate };
        let until = at + adjust.lasts;
        // The bound has ten rounds of an unknown rate in it. No exchange misleads by more than it took, nor,
        // later, by more than is likely.
        let likely = adjust.sigma.times(DEVIATIONS);
        let doubt = adjust.round_trip.map_or(adjust.bound, |took| took.max(likely));
        let doubt = doubt.min(adjust.bound);
        let target = Target { map, sigma: adjust.sigma, bound: adjust.bound, doubt, until };
        let counted = (adjust.round, adjust.interval);
        let ruling = self.sanity.judge(now, source, counted, target);
        let Some(master) = &self.master else { return Err(Drop::NotOurMaster) };
        let who = master.who.clone();
        match ruling {
            Ruling::Follow => {}
            Ruling::FollowAgain => self.tell(Event::Trusted(who)),
            Ruling::Hold(difference) => {
                let publish = self.steering.contest(now, &target);
                publish.into_iter().for_each(|publish| self.ask(publish));
                if difference.first {
                    let (by, rate) = (difference.by, difference.rate);
                    self.tell(Event::Distrusted { who, by, rate });
                }
                return Err(Drop::Insane);
            }
        }
        if let Some(master) = &mut self.master {
            master.applied = adjust.round;
        }
        if self.sanity.has_turned() {
            self.steering.begin_anew();
        }
        let publish = self.steering.aim(now, target);
        self.ask(publish);
        let adjusted = self.adjusted(now, adjust);
        self.newest = Some(adjusted);
        self.tell(Event::Adjusted(adjusted));
        Ok(())
    }

    fn adjusted(&self, now: Time<Local>, adjust: &Adjust) -> Adjusted {
        Adjusted {
            round: adjust.round,
            offset: -self.steering.remaining(now),
            rate: adjust.map.rate,
            sigma: adjust.sigma,
            likely_bound: adjust.sigma.times(DEVIATIONS),
            bound: adjust.bound,
            standing: adjust.standing,
            members: adjust.members,
            counted: adjust.counted,
            spread: adjust.spread,
            round_trip: adjust.round_trip,
        }
    }

    fn sent(&mut self, token: Token, at: Stamp<Local>) {
        if self.awaited == Some(token.0) && at.source > Source::Daemon {
            self.correction = Some(Correction {
                nonce: token.0,
                t3: at.at.sent_away(),
                source: at.source.number(),
            });
        }
    }

    fn tell(&mut self, event: Event) {
        self.ask(Output::Event(event));
    }

    fn ask(&mut self, output: Output) {
        self.queue(Pending::Output(output));
    }

    fn queue(&mut self, pending: Pending) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(pending);
        }
    }

    fn send(
        &mut self,
        receiver: impl Into<Receiver>,
        message: Message,
        to: SocketAddr,
        buffer: &mut Buffer,
    ) -> Output {
        self.counters.sent += 1;
        let token = match &message {
            Message::Reply(reply) => Some(Token(reply.nonce)),
            _ => None,
        };
        let term = self.allegiance.master().map_or(Term(0), |master| master.title.term);
        let reign = (term, self.settings.standby.unwrap_or(Rank(0)));
        self.gate.write(receiver.into(), reign, Voice::Slave, message, buffer);
        Output::Send { to, token }
    }

    fn reply(&mut self, now: Time<Local>, pending: PendingReply, buffer: &mut Buffer) -> Output {
        let course = self.steering.course();
        let reply = Reply {
            nonce: pending.nonce,
            t2: pending.t2.at.sent_away(),
            t3: now.sent_away(),
            t2_source: pending.t2.source.number(),
            t3_follows: self.transmit_stamps,
            correction: self.correction.take(),
            map: Map { at: course.at.sent_away(), reads: course.reads, rate: course.rate },
            remaining: self.steering.remaining(now),
            rate: self.steering.rate().or(self.settings.saved_rate).unwrap_or(Rate::ZERO),
            error: self.steering.bound(now).unwrap_or(Span::MAX),
            applied: self.master.as_ref().map_or(0, |master| master.applied),
            steps: self.steering.steps(),
            standby: self.settings.standby.is_some(),
            obeys: self.allegiance.master().map_or(NodeId::UNKNOWN, |master| master.title.id),
        };
        self.awaited = self.transmit_stamps.then_some(pending.nonce);
        self.send(pending.receiver, Message::Reply(reply), pending.to, buffer)
    }

    fn stop(&mut self, now: Time<Local>) {
        self.stopping = true;
        self.replies.clear();
        // Nobody keeps the clock any more; its rate stays.
        let publish = self.steering.unsynchronised(now);
        self.ask(publish);
        if let Some(master) = self.allegiance.master() {
            self.pending.push_back(Pending::Leave(master.addr, master.title.id));
        }
    }
}

impl Core for Slave {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        match input {
            Input::Datagram { from, at, bytes } if !self.stopping => {
                self.receive(now, from, at, bytes);
            }
            Input::Datagram { .. } => {}
            Input::Sent { token, at } => self.sent(token, at),
            Input::Steered { map } => {
                if let Some(event) = self.steering.steered(map) {
                    self.tell(event);
                }
            }
            Input::Addresses(addresses) => {
                if !self.settings.masters.is_empty() && !addresses.is_empty() {
                    self.settings.masters = addresses.to_vec();
                }
            }
            Input::Keys(keys) => self.gate.set_keys(keys),
            Input::TransmitStamps(given) => self.transmit_stamps = given,
            Input::Order(Order::MakeStep) => self.steering.make_step(now),
            Input::Stop if !self.stopping => self.stop(now),
            Input::Stop | Input::Kept { .. } | Input::Order(Order::Resign) => {}
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        if let Some(reply) = self.replies.pop_front() {
            return Some(self.reply(now, reply, buffer));
        }
        if !self.stopping {
            self.decide(now);
        }
        match self.pending.pop_front() {
            Some(Pending::Output(output)) => return Some(output),
            Some(Pending::Join { to, receiver, nonce, challenge }) => {
                let join = Join {
                    nonce,
                    name: self.settings.identity.name.clone(),
                    saved_rate: self.steering.learned(),
                    standby: self.settings.standby.is_some(),
                    challenge,
                };
                return Some(self.send(receiver, Message::Join(join), to, buffer));
            }
            Some(Pending::Leave(to, receiver)) => {
                let leave = Leave { reason: LeaveReason::Shutdown, heir: NodeId::UNKNOWN };
                return Some(self.send(receiver, Message::Leave(leave), to, buffer));
            }
            Some(Pending::Grant(to, receiver, grant)) => {
                return Some(self.send(receiver, Message::Grant(grant), to, buffer));
            }
            None if self.stopping => return None,
            None => {}
        }
        let output = self.steering.poll(now)?;
        if output == Output::Event(Event::Holdover) {
            let publish = self.steering.unsynchronised(now);
            self.ask(publish);
        }
        Some(output)
    }

    fn deadline(&self) -> Option<Time<Local>> {
        if self.stopping {
            return None;
        }
        [self.silence(), self.search.next, self.steering.deadline()].into_iter().flatten().min()
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

    fn held(&self) -> usize {
        self.replies.len() + self.answered.len() + self.pending.len() + self.settings.masters.len()
    }
}
