//! One time for a LAN that has none.
//!
//! campanile implements the Berkeley algorithm: one *master* polls its *slaves*, measures every
//! round trip, estimates each slave's clock, leaves out those beyond a tolerance, averages the
//! rest, its own among them without privilege, and sends each slave the delta it needs. Nothing
//! outside tells the time.
//!
//! The program is thin; this library is the product. Its rooms, and what each must not do:
//!
//! - [`time`]: what a moment is. Scales that do not mix, spans, offsets, rates.
//! - [`wire`]: what a datagram is. Bytes and messages; it never panics on bytes, and knows no socket.
//! - [`proto`]: what a node decides. Master and slave as state machines; they read no clock, open
//!   no socket and draw no randomness of their own.
//! - [`clock`]: what a node shows. The pure discipline, and the clocks that it steers.
//! - [`sim`]: a world made of a seed. Runs `proto` against simulated clocks and links, and scores
//!   it against the truth.
//! - [`net`]: a world made of sockets. Runs `proto` on one thread and one mio loop.
//! - [`outlet`]: what others read of a running node. The control socket, served from the loop of
//!   `net`; it decides nothing of the protocol.
//! - [`report`]: histograms, tables and interval logs. Knows [`time`] only.
//! - [`cli`]: one file per command.
//!
//! `time` ← `wire` and `clock` ← `proto` ← (`sim` | `net` ← `outlet`) ← `cli`: nobody imports upward, `sim` and
//! `net` never see each other, and a test reads the imports to prove it. All `unsafe` lives in one
//! room of its own, `os`, the calls to the operating system.
//!
//! A datagram's way: bytes → `wire` → [`proto::Exchange`] → track → consensus → ensemble → delta →
//! `wire` → bytes → slave → [`clock::Discipline`] → [`clock::Clock`]. It never turns back inside
//! the program; the only loop is through the physical world.
//!
//! The sign is one everywhere: **offset = that clock minus cluster time; positive means ahead.**

pub mod cli;
pub mod clock;
pub mod net;
#[allow(unsafe_code)]
mod os;
pub mod outlet;
pub mod proto;
pub mod report;
pub mod sim;
pub mod time;
mod units;
pub mod wire;
