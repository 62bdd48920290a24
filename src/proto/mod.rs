//! What a node decides, without I/O: no socket, no clock, no environment, no randomness of the
//! operating system. Time and a seed are arguments.
//!
//! The files in the order the data flows: [`Exchange`] (four stamps) → `track` (one slave's clock)
//! → `consensus` (who counts) → `ensemble` (cluster time) → [`Master`] (polls and deltas) →
//! [`Slave`] (replies, and aims its discipline). A [`Candidate`] is the one or the other, by what its
//! [`Election`] says.

mod agenda;
mod asked;
mod candidate;
mod closing;
pub mod consensus;
mod counters;
pub mod election;
mod ensemble;
mod event;
mod exchange;
mod former;
mod gate;
mod index;
mod io;
mod master;
mod parts;
mod roster;
mod settings;
mod slave;
mod sparing;
mod status;
mod steering;
mod title;
mod track;

pub use candidate::{Candidate, CandidateSettings};
pub use counters::{Counters, Drop};
pub use election::{Ballot, Election, ElectionSettings, Start};
pub use ensemble::{Ensemble, Reading, Verdict};
pub use event::{Adjusted, Cause, DEVIATIONS, Event, Measured, Round, Slot, Surrender, Who};
pub use exchange::{BySource, Exchange, Source, Stamp};
pub use io::{Core, Input, Order, Output, Token};
pub use master::Master;
pub use settings::{Average, Identity, MasterSettings, SlaveSettings, Trust};
pub use slave::Slave;
pub use status::{Contender, Page, Peer, Relation, Role, RosterSize, State, Summary, Tracking};
pub use steering::{LEARNED, LEARNED_AFTER};
pub use title::{Allegiance, Meeting, Obeyed, Title};
pub use track::{Estimate, Finding, Flywheel, Noise, Prior, Taken, Track, Turn, Wheel};
