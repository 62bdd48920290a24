//! A world made of a seed: machines with wrong clocks on a network that delays and loses, running
//! the same core as the daemon, and scored against the truth.
//!
//! A [`Scenario`] says what there is and what happens; [`run`] lets it happen and gives an
//! [`Outcome`]. Nothing else enters: the same scenario and seed give the same outcome to the last
//! bit. True time is an `i64` of nanoseconds from 0; an oscillator is a pure function of it, so
//! that looking at a clock never changes it.

mod bounds;
mod catalogue;
mod chaos;
mod clusters;
mod dice;
mod file;
mod handover;
mod link;
mod machine;
mod oscillator;
mod outcome;
mod pairs;
mod presence;
mod quantity;
mod record;
mod run;
mod scenario;
mod score;
mod shown;
mod stability;
mod tables;
mod tiers;
mod world;

pub use bounds::Bounds;
pub use chaos::{Broken, Disaster, Invariant, disaster, fault_names};
pub use handover::Handover;
pub use link::{Link, Mishap, Path, Queue};
pub use oscillator::Sway;
pub use outcome::{Falseticker, Happened, Member, Outcome, Stability};
pub use run::run;
pub use scenario::{Draw, Driver, Incident, Node, Scenario, StampNoise, Way, What};
pub use shown::ClockKind;
pub use stability::{
    allan_deviation, departure_from_line, max_time_interval_error, slope, time_deviation,
};
pub use tiers::{Errors, Take, Tier, Tiers, Work};
