//! The loop: waits, hands the core what came, carries out what it asks for.

mod hospitality;
mod news;
mod steer;
mod wait;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use super::ending::{Ended, Stopper};
use super::gather::Gather;
use super::hands::Hands;
use super::keeper::{Keep, Keeper};
use super::names::Names;
use super::stamps::Stamps;
use super::transmit::Transmit;
use super::{Endpoint, Guest, Moment, NetError, NetStats, Observer, Scene, Signals, Wanted, Wish};
use crate::clock::{Clock, Oscillator};
use crate::os::{Inbound, Outbound};
use crate::proto::{Core, Event, Input, Output, Token as Mark};
use crate::time::{Local, Map, Shown, Span, Time};
use crate::wire::{Buffer, DEFAULT_PORT, LEN};

/// Datagrams after which the core is served: its queues for what it answers are short.
const BATCH: usize = 32;
/// Datagrams that are sent with one call at most.
const LOT: usize = 64;
/// A datagram waits no longer than this for others to go with, unless they gather.
const WAITS: Span = Span::from_micros(100);
/// No more events than this wait to be told.
const MOST_UNTOLD: usize = 256;
/// Batches at one turn, a millisecond or so; then signals and reports have theirs.
const TURN: usize = 16;
/// How long taking leave may last.
const LEAVE: Span = Span::from_secs(1);

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
const END: Token = Token(2);
const HANGUP: Token = Token(3);
/// This and what follows are the guest's.
const GUEST: Token = Token(16);
/// The guest is not served where the core wants to be served so soon…
const CLOSE: Span = Span::from_micros(150);
/// …but for every so many turns, or a busy core would keep it out for good.
const PATIENCE: u32 = 8;

/// A core with a socket, a clock and a loop.
pub struct Node<C: Core, K: Clock> {
    poll: Poll,
    stopper: Stopper,
    endpoint: Endpoint,
    stamps: Stamps,
    names: Names,
    keeper: Keeper,
    core: C,
    clock: K,
    course: Map<Local, Shown>,
    oscillator: Oscillator,
    stats: NetStats,
    ready: Ready,
    expects_stamps: bool,
    hands: Hands,
    /// Why the clock is not touched any more.
    failed: Option<NetError>,
    gather: Gather,
    guest: Option<Box<dyn Guest + Send>>,
    /// Turns that the guest has waited.
    put_off: u32,
    datagram: Buffer,
    inbound: Inbound,
    outbound: Outbound,
    /// For what must leave at once.
    express: Outbound,
    /// Of those in `outbound`, in their order: what they are called, and when the core wrote them.
    leaving: VecDeque<(Option<Mark>, Time<Local>)>,
    /// What has come about, and when, until what is to be sent has left: telling takes its time.
    untold: Vec<(Moment, Event)>,
}

/// What was announced and is not used up yet: announcements come once.
#[derive(Debug, Default)]
struct Ready {
    datagrams: bool,
    stamps: bool,
    end: bool,
    hangup: bool,
}

impl<C: Core, K: Clock> Node<C, K> {
    /// Puts a node together. `oscillator` is what the core's Local and the clock stand on;
    /// `names` are looked up again whenever the core says that no master answers.
    ///
    /// # Errors
    /// [`NetError::System`] where the operating system has no event queue left.
    pub fn new(
        mut endpoint: Endpoint,
        core: C,
        mut clock: K,
        oscillator: Oscillator,
        names: Vec<String>,
    ) -> Result<Self, NetError> {
        let failed = |error: io::Error| NetError::system("cannot set up the event loop", &error);
        let poll = Poll::new().map_err(failed)?;
        endpoint.register(poll.registry(), SOCKET).map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
        let stamps = Stamps::new(&endpoint, oscillator);
        let stopper = Stopper::new(Arc::clone(&waker));
        let keeper = Keeper::new(Arc::clone(&waker));
        let names = Names::new(names, DEFAULT_PORT, waker);
        let course = clock.map(oscillator.read());
        Ok(Self {
            poll,
            stopper,
            endpoint,
            stamps,
            names,
            keeper,
            core,
            clock,
            course,
            oscillator,
            stats: NetStats::default(),
            // What came before the registration may not be announced.
            ready: Ready { datagrams: true, ..Ready::default() },
            expects_stamps: false,
            hands: Hands::new(oscillator.read()),
            failed: None,
            gather: Gather::new(oscillator.read()),
            guest: None,
            put_off: 0,
            datagram: [0; LEN],
            // One byte more than any datagram of ours, so that a longer one is seen to be longer.
            inbound: Inbound::new(BATCH, LEN + 1),
            outbound: Outbound::new(LOT, LEN),
            express: Outbound::new(1, LEN),
            leaving: VecDeque::with_capacity(LOT),
            untold: Vec::new(),
        })
    }

    /// Goes on where something else steers the clock too, instead of ending.
    pub fn sharing_the_clock(mut self) -> Self {
        self.hands.allow();
        self
    }

    /// What the core asks to be kept is written with `keep`, on a thread of its own.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.keeper.set(keep);
        self
    }

    /// Serves `guest` too, from [`Node::run`] on.
    pub fn host(&mut self, guest: Box<dyn Guest + Send>) {
        self.guest = Some(guest);
    }

    /// Ends the node from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Runs until a signal, the stopper, the observer or `duration` ends it; then takes leave.
    ///
    /// # Errors
    /// [`NetError::System`] where waiting for events fails, [`NetError::Clock`] where the clock
    /// cannot be steered any more, [`NetError::Shared`] where something else steers it too,
    /// [`NetError::Stamps`] where no stamps come from the kernel that is insisted on. Leave is taken and the last report made all the same.
    pub fn run(
        mut self,
        observer: &mut dyn Observer,
        mut signals: Signals,
        duration: Option<Span>,
    ) -> Result<Ended, NetError> {
        let failed = |error: io::Error| NetError::system("cannot watch for signals", &error);
        signals.register(self.poll.registry(), END, HANGUP).map_err(failed)?;
        if let Some(guest) = &mut self.guest {
            let failed = |error: io::Error| NetError::system("cannot watch for readers", &error);
            guest.enter(self.poll.registry(), GUEST).map_err(failed)?;
        }
        let mut events = Events::with_capacity(64);
        let until = duration.map(|span| self.oscillator.read() + span);
        let moment = self.moment();
        observer.course(&moment, &self.oscillator.over_raw(&self.course));
        let result = loop {
            match self.turn(observer, &mut signals, &mut events, until) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(ended)) => break Ok(ended),
                Err(error) => break Err(error),
            }
        };
        self.take_leave(observer, &mut events);
        let moment = self.moment();
        observer.finish(&moment, self.core.counters(), &self.stats);
        result
    }

    /// Waits, then does what has come and what is due.
    fn turn(
        &mut self,
        observer: &mut dyn Observer,
        signals: &mut Signals,
        events: &mut Events,
        until: Option<Time<Local>>,
    ) -> Result<ControlFlow<Ended>, NetError> {
        let look = Some(self.hands.deadline());
        let guest = self.guest.as_ref().and_then(|guest| guest.deadline());
        let core = self.core.deadline();
        let deadlines = [core, observer.deadline(), self.names.deadline(), guest, look, until];
        self.wait(events, deadlines.into_iter().flatten().min())?;
        self.look_up();
        self.take_in(observer);
        let now = self.oscillator.read();
        if self.hands.deadline() <= now {
            self.may_touch(observer);
        }
        while let Some(missing) = self.stamps.missing(now) {
            if self.endpoint.wanted == Wanted::Kernel {
                return Err(NetError::Stamps(missing.to_string()));
            }
            observer.unstamped(&self.moment(), missing);
        }
        if let Some(error) = self.failed.clone() {
            return Err(error);
        }
        if std::mem::take(&mut self.ready.hangup) && signals.hung_up() {
            self.reload(observer);
        }
        self.serve_guest(observer);
        let now = self.oscillator.read();
        if observer.deadline().is_some_and(|due| due <= now) {
            let moment = self.moment();
            if observer.due(&moment, self.core.counters(), &self.stats).is_break() {
                return Ok(ControlFlow::Break(Ended::Observer));
            }
        }
        let ended = if std::mem::take(&mut self.ready.end) && signals.ended() {
            Some(Ended::Signal)
        } else if self.stopper.is_stopped() {
            Some(Ended::Stopper)
        } else if until.is_some_and(|until| until <= now) {
            Some(Ended::Duration)
        } else {
            self.core.done().then_some(Ended::Core)
        };
        Ok(ended.map_or(ControlFlow::Continue(()), ControlFlow::Break))
    }

    /// Hands the core what has come, a turn's worth at most, and does what it asks for.
    fn take_in(&mut self, observer: &mut dyn Observer) {
        if self.stamps.transmitting() != self.expects_stamps {
            self.expects_stamps = !self.expects_stamps;
            let now = self.oscillator.read();
            self.core.handle(now, Input::TransmitStamps(self.expects_stamps));
        }
        for _ in 0..TURN {
            // Stamps first: the reply to a datagram may lie behind the stamp of its leaving.
            if self.ready.stamps {
                self.take_stamps();
            }
            if self.ready.datagrams {
                self.take_datagrams();
            }
            self.serve(observer);
            if !self.ready.datagrams && !self.ready.stamps {
                break;
            }
        }
        self.send_lot();
        self.tell_all(observer);
    }

    fn take_stamps(&mut self) {
        let Self { stamps, endpoint, stats, core, .. } = self;
        let hand_over = |now, token, at| core.handle(now, Input::Sent { token, at });
        self.ready.stamps = stamps.left(endpoint, stats, hand_over).unwrap_or(false);
    }

    fn take_datagrams(&mut self) {
        // A reading of our own must follow upon each datagram where the kernel takes none.
        let most = if self.stamps.receiving() { BATCH } else { 1 };
        for _ in 0..BATCH / most {
            match self.endpoint.receive(&mut self.inbound, most) {
                Ok(count) => self.hand_over(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready.datagrams = false;
                    return;
                }
                // An error of some earlier datagram; the next one may be in order.
                Err(_) => self.stats.receive_errors += 1,
            }
        }
    }

    /// Hands the core the datagrams that were received just now.
    fn hand_over(&mut self, count: usize) {
        let now = self.stamps.look(&mut self.stats);
        self.core.foresee(&mut Endpoint::bytes(&self.inbound, count));
        for place in 0..count {
            let Some((got, bytes)) = Endpoint::got(&self.inbound, place) else {
                self.stats.receive_errors += 1;
                continue;
            };
            let at = self.stamps.received(got.stamp, now, &mut self.stats);
            self.stats.truncated += u64::from(got.truncated);
            self.stats.note_overflow(got.dropped);
            self.core.handle(now, Input::Datagram { from: got.from, at, bytes });
        }
    }

    fn look_up(&mut self) {
        let now = self.oscillator.read();
        if let Some(addrs) = self.names.serve(now) {
            self.core.handle(now, Input::Addresses(&addrs));
        }
        if let Some((ballot, written)) = self.keeper.done() {
            self.core.handle(now, Input::Kept { ballot, written });
        }
    }

    /// Does whatever the core asks for.
    fn serve(&mut self, observer: &mut dyn Observer) {
        let mut now = self.oscillator.read();
        loop {
            let output = self.core.poll(now, &mut self.datagram);
            match output {
                Some(Output::Send { .. }) => {}
                Some(Output::Event(_)) if self.untold.len() < MOST_UNTOLD => {}
                // At the end of the turn.
                None if self.gather.gathers() => {}
                // What follows may take its time.
                _ => {
                    self.send_lot();
                    self.tell_all(observer);
                }
            }
            let Some(output) = output else { return };
            match output {
                Output::Send { to, token } => self.send(to, token, now),
                Output::Steer(adjustment) => self.steer(adjustment, observer),
                Output::Publish(quality) => self.publish(quality, observer),
                Output::Keep(ballot) => {
                    if let Some((ballot, written)) = self.keeper.begin(ballot) {
                        self.core.handle(now, Input::Kept { ballot, written });
                    }
                }
                Output::Event(event) => {
                    self.names.note(now, &event);
                    self.keep_to_tell(now, event);
                    // It took no time worth a reading of the clock.
                    continue;
                }
            }
            if !self.gather.gathers() {
                now = self.oscillator.read();
            }
        }
    }

    /// Sends the datagram that the core has written at `now`, alone or with others.
    fn send(&mut self, to: SocketAddr, token: Option<Mark>, now: Time<Local>) {
        // The core took `now` for the moment of leaving. Where the kernel tells it better a
        // datagram may wait for others, else only those whose moment does not matter.
        if token.is_some() && !self.stamps.transmitting() {
            self.endpoint.put(&mut self.express, &self.datagram, to);
            match self.endpoint.send(&mut self.express) {
                Ok(_) => self.stamps.sent(token, now, &mut self.stats),
                Err(error) => self.refused(&error),
            }
            return;
        }
        self.endpoint.put(&mut self.outbound, &self.datagram, to);
        self.leaving.push_back((token, now));
        let waits = |(_, first): &(_, Time<Local>)| now.since(*first) < WAITS;
        let patient = self.gather.gathers() || self.leaving.front().is_none_or(waits);
        if !patient || self.outbound.is_full() {
            self.send_lot();
        }
    }

    /// Hands the kernel what waits to be sent.
    fn send_lot(&mut self) {
        while !self.outbound.is_empty() {
            match self.endpoint.send(&mut self.outbound) {
                Ok(count) => {
                    for (token, left) in self.leaving.drain(..count.min(self.leaving.len())) {
                        self.stamps.sent(token, left, &mut self.stats);
                    }
                }
                Err(error) => {
                    self.leaving.pop_front();
                    self.refused(&error);
                }
            }
        }
    }

    /// A datagram could not be sent; whether it is sent again is the core's affair.
    fn refused(&mut self, error: &io::Error) {
        self.stats.send_errors += 1;
        if !Transmit::survives(error) && self.stamps.transmitting() {
            // Those before it must not lose their stamps over it.
            self.ready.stamps = true;
            for _ in 0..TURN {
                if self.ready.stamps {
                    self.take_stamps();
                }
            }
            self.stamps.restart(&self.endpoint);
        }
    }

    /// Lets the core say good-bye, but not for ever.
    fn take_leave(&mut self, observer: &mut dyn Observer, events: &mut Events) {
        // What it was told last is on its way; nobody is served any more.
        self.guest = None;
        let start = self.oscillator.read();
        self.core.handle(start, Input::Stop);
        loop {
            self.take_in(observer);
            let now = self.oscillator.read();
            if self.core.done() || now.since(start) >= LEAVE {
                return;
            }
            let latest = start + LEAVE;
            let deadline = self.core.deadline().map_or(latest, |due| due.min(latest));
            if self.wait(events, Some(deadline)).is_err() {
                return;
            }
        }
    }

    fn moment(&self) -> Moment {
        self.moment_at(self.oscillator.read())
    }

    fn moment_at(&self, local: Time<Local>) -> Moment {
        Moment { local, shown: self.course.reading(local), raw: self.oscillator.raw_at(local) }
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
