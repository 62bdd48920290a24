//! One connection, and what it may cost.

use std::io::{self, Read, Write};

use mio::event::Event as Readiness;
use mio::{Interest, Registry, Token};

use super::door::{Answer, Heard, House, Line, Step, Talk};
use crate::net::Wish;
use crate::time::{Local, Span, Time};

/// The longest request, in bytes.
pub(super) const LONGEST: usize = 8 * 1024;
/// No more of an answer is made while so much of it is unread.
const UNREAD: usize = 64 * 1024;
/// Read at once.
const BITE: usize = 2 * 1024;
/// A reader that takes nothing of its answer for so long is dropped…
const STUCK: Span = Span::from_secs(5);
/// …as is one that leaves a request half said…
const HALF_SAID: Span = Span::from_secs(10);
/// …and one that wants nothing.
const IDLE: Span = Span::from_secs(120);
/// One that wants nothing for so long makes room for others.
const MAKES_ROOM: Span = Span::from_secs(2);

/// What became of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Stays,
    Goes,
    Wish(Wish),
}

/// A connection.
pub(super) struct Visitor {
    line: Box<dyn Line>,
    talk: Box<dyn Talk>,
    heard: Vec<u8>,
    said: Vec<u8>,
    answer: Option<Box<dyn Answer>>,
    readable: bool,
    writable: bool,
    /// What was heard may hold a request.
    fresh: bool,
    /// Nothing more will be heard.
    ended: bool,
    /// Once all is said the line is closed.
    closing: bool,
    /// When something last went one way or the other.
    moved: Time<Local>,
}

impl Visitor {
    pub(super) fn new(line: Box<dyn Line>, talk: Box<dyn Talk>, now: Time<Local>) -> Self {
        Self {
            line,
            talk,
            heard: Vec::new(),
            said: Vec::new(),
            answer: None,
            // What came before the registration may not be announced.
            readable: true,
            writable: true,
            fresh: false,
            ended: false,
            closing: false,
            moved: now,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.line, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(super) fn leave(&mut self, registry: &Registry) {
        // It is closed in a moment, which the kernel notices too.
        let _ = registry.deregister(&mut self.line);
    }

    pub(super) fn announced(&mut self, readiness: &Readiness) {
        let over = readiness.is_error() || readiness.is_read_closed();
        self.readable |= readiness.is_readable() || over;
        self.writable |= readiness.is_writable() || over;
    }

    /// Whether there is something to do for it that needs no announcement.
    pub(super) fn waits(&self) -> bool {
        let can_say = !self.said.is_empty() && self.writable;
        let can_make = self.answer.is_some() && self.said.len() < UNREAD;
        let can_hear = self.answer.is_none() && (self.fresh || self.can_read());
        can_say || can_make || !self.closing && can_hear || self.is_over()
    }

    /// When it is dropped unless something moves.
    pub(super) fn deadline(&self) -> Time<Local> {
        let busy = self.answer.is_some() || !self.said.is_empty();
        self.moved
            + if busy {
                STUCK
            } else if self.heard.is_empty() {
                IDLE
            } else {
                HALF_SAID
            }
    }

    /// How long it has wanted nothing, where that is long enough to make room for another.
    pub(super) fn makes_room(&self, now: Time<Local>) -> Option<Span> {
        let busy = self.answer.is_some() || !self.said.is_empty();
        Some(now.since(self.moved)).filter(|idle| !busy && *idle >= MAKES_ROOM)
    }

    /// Does one piece of work for it.
    pub(super) fn serve(&mut self, house: &House<'_>) -> Outcome {
        let now = house.scene.moment.local;
        if self.deadline() <= now {
            return Outcome::Goes;
        }
        let mut outcome = Outcome::Stays;
        if self.answer.is_some() && self.said.len() < UNREAD {
            outcome = self.make(house);
        } else if self.answer.is_none() && !self.closing && self.fresh {
            self.look();
        } else if self.answer.is_none() && !self.closing && self.can_read() && !self.hear(now) {
            return Outcome::Goes;
        }
        if !self.say(now) {
            return Outcome::Goes;
        }
        if outcome == Outcome::Stays && self.is_over() { Outcome::Goes } else { outcome }
    }

    fn can_read(&self) -> bool {
        self.readable && !self.ended && self.heard.len() < LONGEST
    }

    fn is_over(&self) -> bool {
        let quiet = self.said.is_empty() && self.answer.is_none();
        quiet && (self.closing || self.ended && !self.fresh)
    }

    fn make(&mut self, house: &House<'_>) -> Outcome {
        let Some(answer) = &mut self.answer else { return Outcome::Stays };
        let step = answer.write(house, &mut self.said);
        if step != Step::More {
            self.answer = None;
            self.fresh = !self.heard.is_empty();
        }
        self.closing |= step == Step::Close;
        if let Step::Wish(wish) = step { Outcome::Wish(wish) } else { Outcome::Stays }
    }

    fn look(&mut self) {
        self.fresh = false;
        match self.talk.listen(&self.heard) {
            Heard::Request(length, answer) => {
                self.heard.drain(..length.min(self.heard.len()));
                self.answer = Some(answer);
            }
            Heard::Nonsense(reply) => self.refuse(&reply),
            Heard::More if self.heard.len() >= LONGEST => self.refuse(""),
            Heard::More => {}
        }
    }

    fn refuse(&mut self, reply: &str) {
        self.said.extend_from_slice(reply.as_bytes());
        self.heard.clear();
        self.closing = true;
    }

    /// Reads a bite; false where the line is broken.
    fn hear(&mut self, now: Time<Local>) -> bool {
        let mut bite = [0; BITE];
        let room = (LONGEST - self.heard.len()).min(BITE);
        match self.line.read(&mut bite[..room]) {
            Ok(0) => self.ended = true,
            Ok(length) => {
                if self.heard.is_empty() {
                    // A request has so long from its beginning, however it trickles in.
                    self.moved = now;
                }
                self.heard.extend_from_slice(&bite[..length]);
                self.fresh = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
        true
    }

    /// Sends what it takes; false where the line is broken.
    fn say(&mut self, now: Time<Local>) -> bool {
        if self.said.is_empty() || !self.writable {
            return true;
        }
        match self.line.write(&self.said) {
            Ok(0) => return false,
            Ok(length) => {
                self.said.drain(..length);
                self.moved = now;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
        true
    }
}
