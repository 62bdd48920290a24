//! Drives a core with whatever the fuzzer has: datagrams of every type that are nearly right,
//! sealed or not, stamps, time, stops; and holds it to what every core promises.

use std::net::SocketAddr;

use campanile::clock::Adjustment;
use campanile::proto::{Core, Identity, Input, Output, Source, Stamp, Token, Trust};
use campanile::time::{Local, Map, Offset, Rate, Shown, Span, Time};
use campanile::wire::{
    BootId, Buffer, KeyId, Keyring, LEN, Name, NodeId, Sealer, Voice, cluster_line,
};

/// More outputs than any input may cause at once.
const MOST_OUTPUTS: usize = 10_000;
/// As many inputs come together as a socket gives with one call, and a few more.
const MOST_TOGETHER: usize = 40;

/// Takes numbers off the front of the fuzzer's bytes; zeros where none are left.
pub struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    /// All of `bytes` is still to be taken.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let taken = N.min(self.0.len());
        out[..taken].copy_from_slice(&self.0[..taken]);
        self.0 = &self.0[taken..];
        out
    }

    /// The next byte.
    pub fn u8(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    /// The next eight bytes.
    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.bytes())
    }
}

/// The keys that master, slave and the fuzzer hold.
pub fn keys() -> Keyring {
    Keyring::parse(&cluster_line(KeyId(1), &[7; 32])).expect("a good key")
}

/// With keys or without them.
pub fn trust(draw: &mut Draw<'_>) -> Trust {
    let keys = if draw.u8() & 1 == 0 { Keyring::default() } else { keys() };
    Trust { keys, ..Trust::default() }
}

/// The identity of the core.
pub fn identity(id: u64) -> Identity {
    let name = Name::new("fuzzed").expect("a good name");
    Identity { id: NodeId(id), boot: BootId(1), name }
}

/// When the core begins.
pub const START: Time<Local> = Time::from_nanos(1_000_000_000_000);

/// What its clock does at first.
pub fn course() -> Map<Local, Shown> {
    Map { at: START, reads: Time::from_nanos(1_700_000_000_000_000_000), rate: Rate::ZERO }
}

/// A core, its clock, and the numbers it has drawn that the fuzzer may echo.
pub struct Driver<C> {
    core: C,
    now: Time<Local>,
    course: Map<Local, Shown>,
    shown: Time<Shown>,
    sealer: Sealer,
    /// The newest datagrams that it sent.
    sent: Vec<(SocketAddr, Buffer)>,
}

impl<C: Core> Driver<C> {
    /// A core that has just begun.
    pub fn new(core: C) -> Self {
        let course = course();
        let shown = course.reads;
        Self { core, now: START, course, shown, sealer: Sealer::new(keys()), sent: Vec::new() }
    }

    /// Does what the fuzzer says until it has nothing more to say.
    pub fn run(&mut self, draw: &mut Draw<'_>) {
        while !draw.is_empty() {
            let mut together = 1;
            while self.step(draw) && together < MOST_TOGETHER && !draw.is_empty() {
                together += 1;
            }
            self.drain();
        }
        self.core.handle(self.now, Input::Stop);
        self.drain();
        assert!(self.core.done(), "it ends when it is told to");
    }

    /// One input; says whether another comes before the core is asked for anything.
    fn step(&mut self, draw: &mut Draw<'_>) -> bool {
        let what = draw.u8();
        match what % 8 {
            0..=3 => self.datagram(draw),
            4 => {
                let due = self.core.deadline().unwrap_or(self.now);
                self.now = self.now.max(due.min(self.now + Span::from_secs(10_000)));
            }
            5 => self.now = self.now + Span::from_nanos(u64::from(draw.u32())),
            6 => {
                let token = Token(u64::from_be_bytes(draw.bytes()));
                let at = Stamp { at: Time::from_nanos(draw.i64()), source: Source::Kernel };
                self.core.handle(self.now, Input::Sent { token, at });
            }
            _ => match draw.u8() % 3 {
                0 => self.core.handle(self.now, Input::TransmitStamps(true)),
                1 => self.core.handle(self.now, Input::Keys(&keys())),
                _ => {
                    let addr = SocketAddr::from(([10, 0, 0, 1], 7045));
                    self.core.handle(self.now, Input::Addresses(&[addr]));
                }
            },
        }
        what & 0x80 != 0
    }

    /// A datagram that is nearly right: what the core sent last, changed here and there, with the
    /// core as its receiver and its numbers echoed; and sealed, where the fuzzer wants it.
    fn datagram(&mut self, draw: &mut Draw<'_>) {
        let how = draw.u8();
        let from = SocketAddr::from(([10, 0, 0, 1 + (how >> 6)], 7045));
        let mut bytes = [0; LEN];
        if how & 1 == 0 || self.sent.is_empty() {
            bytes[..4].copy_from_slice(&[0xca, 0x4d, 1, draw.u8() % 12]);
            bytes[8..168].copy_from_slice(&draw.bytes::<160>());
        } else {
            let which = usize::from(draw.u8()) % self.sent.len();
            let echoed = self.sent[which].1;
            bytes = echoed;
            bytes[3] = draw.u8() % 12;
            bytes[8..16].copy_from_slice(&(2 + u64::from(draw.u8() % 4)).to_be_bytes());
            bytes[16..24].copy_from_slice(&echoed[8..16]);
            bytes[24..28].copy_from_slice(&u32::from(draw.u8() % 4).to_be_bytes());
            bytes[32..40].copy_from_slice(&u64::from(draw.u32()).to_be_bytes());
            for _ in 0..draw.u8() % 12 {
                bytes[40 + usize::from(draw.u8()) % 128] = draw.u8();
            }
            // Stamps near the present get further than any others.
            if draw.u8() & 1 == 0 {
                let near = self.now + Offset::from_nanos(i64::from(draw.u32() as i32));
                bytes[48..56].copy_from_slice(&near.as_nanos().to_be_bytes());
            }
        }
        if how & 2 != 0 {
            bytes[4..6].fill(0);
            let voice = if how & 4 == 0 { Voice::Slave } else { Voice::Master };
            self.sealer.seal(&mut bytes, voice, BootId(u32::from(how & 8 == 0)));
        }
        let len = if how & 48 == 48 { usize::from(draw.u8()) } else { LEN };
        let at = match draw.u8() {
            0..=250 => Stamp::daemon(self.now),
            _ => Stamp { at: Time::from_nanos(draw.i64()), source: Source::Kernel },
        };
        let bytes = &bytes[..len.min(LEN)];
        self.core.handle(self.now, Input::Datagram { from, at, bytes });
    }

    fn drain(&mut self) {
        let mut buffer = [0; LEN];
        for _ in 0..MOST_OUTPUTS {
            let Some(output) = self.core.poll(self.now, &mut buffer) else { return self.check() };
            match output {
                Output::Send { to, .. } => {
                    self.sent.push((to, buffer));
                    if self.sent.len() > 32 {
                        self.sent.remove(0);
                    }
                }
                Output::Steer(adjustment) => {
                    self.check();
                    let here = self.course.anchored_at(self.now);
                    self.course = match adjustment {
                        Adjustment::Run { rate } => Map { rate, ..here },
                        Adjustment::Step { by, rate } => {
                            let reads = here.reads + by;
                            // A step is announced, and the one thing that may go backwards.
                            self.shown = reads;
                            Map { reads, rate, ..here }
                        }
                    };
                    assert!(self.course.rate.abs() < Rate::from_ratio(0.2), "a sane rate");
                    self.core.handle(self.now, Input::Steered { map: self.course });
                }
                Output::Keep(ballot) => {
                    self.core.handle(self.now, Input::Kept { ballot, written: true });
                }
                Output::Publish(_) | Output::Event(_) => {}
            }
        }
        panic!("it never comes to an end");
    }

    /// What is shown never runs backwards but by a step.
    fn check(&mut self) {
        let shown = self.course.reading(self.now);
        assert!(shown >= self.shown, "Shown runs backwards");
        self.shown = shown;
    }
}
