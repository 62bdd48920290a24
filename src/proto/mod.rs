//! What a node decides, without I/O: no socket, no clock, no environment, no randomness of the
//! operating system. Time and a seed are arguments.
//!
//! The files in the order the data flows: [`Exchange`] (four stamps) → `track` (one slave's clock)
//! → `consensus` (who counts) → `ensemble` (cluster time) → [`Master`] (polls and deltas) →
//! [`Slave`] (replies, and aims its discipline).

mod agenda;
pub mod consensus;
mod counters;
mod ensemble;
mod event;
mod exchange;
mod inbox;
mod io;
mod master;
mod roster;
mod settings;
mod slave;
mod steering;
mod track;

pub use counters::{Counters, Drop};
pub use ensemble::{Ensemble, Reading, Verdict};
pub use event::{Adjusted, Event, Measured, Round, Slot, Who};
pub use exchange::{Exchange, Source, Stamp};
pub use io::{Core, Input, Output, Token};
pub use master::Master;
pub use settings::{Average, Identity, MasterSettings, SlaveSettings};
pub use slave::Slave;
pub use track::{Estimate, Finding, Flywheel, Noise, Taken, Track, Wheel};
