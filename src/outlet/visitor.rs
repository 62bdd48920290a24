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
/// …as is one that has not taken all of it in so long…
const SLOW: Span = Span::from_secs(60);
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
    /// When the answer was begun that is not taken yet.
    begun: Option<Time<Local>>,
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
            begun: None,
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
        match self.begun {
            Some(begun) => (self.moved + STUCK).min(begun + SLOW),
            None if self.heard.is_empty() => self.moved + IDLE,
            None => self.moved + HALF_SAID,
        }
    }

    /// How long it has wanted nothing, where that is long enough to make room for another.
    pub(super) fn makes_room(&self, now: Time<Local>) -> Option<Span> {
        Some(now.since(self.moved)).filter(|idle| !self.is_busy() && *idle >= MAKES_ROOM)
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
            self.look(now);
        } else if self.answer.is_none() && !self.closing && self.can_read() && !self.hear(now) {
            return Outcome::Goes;
        }
        if !self.say(now) {
            return Outcome::Goes;
        }
        if !self.is_busy() {
            self.begun = None;
        }
        if outcome == Outcome::Stays && self.is_over() { Outcome::Goes } else { outcome }
    }

    fn is_busy(&self) -> bool {
        self.answer.is_some() || !self.said.is_empty()
    }

    fn can_read(&self) -> bool {
        self.readable && !self.ended && self.heard.len() < LONGEST
    }

    fn is_over(&self) -> bool {
        !self.is_busy() && (self.closing || self.ended && !self.fresh)
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

    fn look(&mut self, now: Time<Local>) {
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
        if self.is_busy() {
            // From here on it is the answer that has so long.
            (self.begun, self.moved) = (Some(now), now);
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use mio::event::Source;

    use super::*;
    use crate::net::{Moment, NetStats, Scene};
    use crate::outlet::Ledger;
    use crate::proto::{Core, Counters, Input, Output};
    use crate::wire::Buffer;

    /// A core that does nothing.
    struct Still(Counters);

    impl Core for Still {
        fn handle(&mut self, _: Time<Local>, _: Input<'_>) {}
        fn poll(&mut self, _: Time<Local>, _: &mut Buffer) -> Option<Output> {
            None
        }
        fn deadline(&self) -> Option<Time<Local>> {
            None
        }
        fn done(&self) -> bool {
            false
        }
        fn counters(&self) -> &Counters {
            &self.0
        }
    }

    /// The far end of a connection: what it still has to say, and how much it takes now.
    #[derive(Default)]
    struct Far {
        says: Vec<u8>,
        takes: usize,
        taken: usize,
    }

    #[derive(Clone, Default)]
    struct Wire(Arc<Mutex<Far>>);

    impl Read for Wire {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let mut far = self.0.lock().unwrap();
            let length = far.says.len().min(room.len());
            if length == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room[..length].copy_from_slice(&far.says[..length]);
            far.says.drain(..length);
            Ok(length)
        }
    }

    impl Write for Wire {
        fn write(&mut self, said: &[u8]) -> io::Result<usize> {
            let mut far = self.0.lock().unwrap();
            let length = far.takes.min(said.len());
            if length == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            (far.takes, far.taken) = (far.takes - length, far.taken + length);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Source for Wire {
        fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }
        fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }
        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            Ok(())
        }
    }

    /// Answers every `?` with a megabyte.
    struct Generous;

    impl Talk for Generous {
        fn listen(&mut self, heard: &[u8]) -> Heard {
            match heard.iter().position(|byte| *byte == b'?') {
                Some(at) => Heard::Request(at + 1, Box::new(Megabyte(0))),
                None => Heard::More,
            }
        }
    }

    struct Megabyte(usize);

    impl Answer for Megabyte {
        fn write(&mut self, _: &House<'_>, out: &mut Vec<u8>) -> Step {
            self.0 += 1;
            out.resize(out.len() + 4_096, b'x');
            if self.0 == 256 { Step::Done } else { Step::More }
        }
    }

    /// Serves a visitor until nothing is left to do at that time.
    fn serve(visitor: &mut Visitor, millis: i64) -> Outcome {
        let now = Time::from_nanos(millis * 1_000_000);
        let (core, net) = (Still(Counters::default()), NetStats::default());
        let moment = Moment { local: now, shown: Time::from_nanos(0), raw: Time::from_nanos(0) };
        let addr = "127.0.0.1:7045".parse().unwrap();
        let scene = Scene { moment, core: &core, net: &net, clock: "virtual", addr };
        let ledger = Ledger::new(Time::from_nanos(0), Box::new(|_| None));
        let house = House { scene: &scene, ledger: &ledger };
        // What a loop is told again and again, as by a poll that is level-triggered.
        (visitor.readable, visitor.writable) = (true, true);
        let mut works = 0;
        while visitor.waits() || visitor.deadline() <= now {
            works += 1;
            assert!(works < 10_000, "it is never done");
            assert!(visitor.said.len() < UNREAD + 4_096, "{} unread", visitor.said.len());
            if visitor.serve(&house) == Outcome::Goes {
                return Outcome::Goes;
            }
        }
        Outcome::Stays
    }

    fn visitor() -> (Wire, Visitor) {
        let wire = Wire::default();
        let visitor = Visitor::new(Box::new(wire.clone()), Box::new(Generous), Time::from_nanos(0));
        (wire, visitor)
    }

    /// When a visitor is dropped that takes so much of an answer each second.
    fn dropped_after(a_second: usize) -> Option<i64> {
        let (wire, mut visitor) = visitor();
        wire.0.lock().unwrap().says = b"?".to_vec();
        (0..200).find(|secs| {
            wire.0.lock().unwrap().takes = a_second;
            serve(&mut visitor, secs * 1_000) == Outcome::Goes
        })
    }

    #[test]
    fn who_takes_nothing_of_an_answer_goes_soon_and_who_takes_it_by_the_spoon_a_little_later() {
        assert_eq!(dropped_after(0), Some(5));
        assert_eq!(dropped_after(1), Some(60));
        assert_eq!(dropped_after(10_000), Some(60));
        // This one has all after 53 s, and wants nothing from then on.
        assert_eq!(dropped_after(20_000), Some(52 + 120));
    }

    #[test]
    fn a_request_that_trickles_in_has_so_long_and_its_answer_has_its_own_time() {
        let (wire, mut visitor) = visitor();
        wire.0.lock().unwrap().says = b"what".to_vec();
        assert_eq!(serve(&mut visitor, 0), Outcome::Stays);
        wire.0.lock().unwrap().says = b" is it?".to_vec();
        assert_eq!(serve(&mut visitor, 9_000), Outcome::Stays);
        wire.0.lock().unwrap().takes = 1 << 20;
        assert_eq!(serve(&mut visitor, 13_000), Outcome::Stays);
        assert_eq!(wire.0.lock().unwrap().taken, 1 << 20);

        let (wire, mut visitor) = self::visitor();
        for secs in 0..10 {
            wire.0.lock().unwrap().says = b"x".to_vec();
            assert_eq!(serve(&mut visitor, secs * 1_000), Outcome::Stays);
        }
        assert_eq!(serve(&mut visitor, 10_000), Outcome::Goes);
    }
}
