//! The invariants: what must hold whatever happens.

use serde::Serialize;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// No core panics, and every core comes to rest.
    NoPanic,
    /// What is shown only ever grows, and by steps only where steps are allowed.
    Monotonic,
    /// A clock is stepped in the first updates of a daemon only, and only beyond the threshold.
    Step,
    /// A clock is slewed no faster than allowed.
    Slew,
    /// A slave follows one master: no delta twice, none of a past round or term, and none of a
    /// lower master while the higher one can be heard.
    OneMaster,
    /// The published hard bound contains cluster time.
    Bound,
    /// After the last fault the healthy come together and stay together.
    Together,
    /// Tables and queues stay small.
    Memory,
    /// A node sends no more than its duties ask for.
    Traffic,
}

impl Invariant {
    /// All of them, in the order of reports.
    pub const ALL: [Invariant; 9] = [
        Invariant::NoPanic,
        Invariant::Monotonic,
        Invariant::Step,
        Invariant::Slew,
        Invariant::OneMaster,
        Invariant::Bound,
        Invariant::Together,
        Invariant::Memory,
        Invariant::Traffic,
    ];

    /// Its name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Invariant::NoPanic => "no_panic",
            Invariant::Monotonic => "monotonic",
            Invariant::Step => "step",
            Invariant::Slew => "slew",
            Invariant::OneMaster => "one_master",
            Invariant::Bound => "bound",
            Invariant::Together => "together",
            Invariant::Memory => "memory",
            Invariant::Traffic => "traffic",
        }
    }

    /// One line for people.
    pub const fn about(self) -> &'static str {
        match self {
            Invariant::NoPanic => "no core panics or spins",
            Invariant::Monotonic => "what is shown only ever grows",
            Invariant::Step => "steps only where they are allowed",
            Invariant::Slew => "the slew limit is kept",
            Invariant::OneMaster => "one obeyed master, nothing of the past",
            Invariant::Bound => "the hard bound contains cluster time",
            Invariant::Together => "the healthy come together after the last fault",
            Invariant::Memory => "tables and queues stay small",
            Invariant::Traffic => "nobody floods the network",
        }
    }
}
