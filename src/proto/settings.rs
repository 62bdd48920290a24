//! What a node is told at its start.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::event::Who;
use crate::clock::Limits;
use crate::time::{Rate, Span};
use crate::wire::{BootId, Keyring, Name, NodeId, Rank, Term};

/// Who a node is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Kept over restarts where the node has a state directory, else drawn at each start.
    pub id: NodeId,
    /// Drawn at each start.
    pub boot: BootId,
    /// For people.
    pub name: Name,
}

impl Identity {
    /// The node itself, as it tells of itself: nobody reaches it at an address.
    pub(super) fn who(&self) -> Who {
        let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Who { id: self.id, name: self.name.clone(), addr }
    }
}

/// Who is heard, and what they have to prove.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// With keys, only what is sealed with one of them is believed, and all that is sent is sealed
    /// with the first; without, everything is believed.
    pub keys: Keyring,
    /// The networks that are heard; all, where there is none.
    pub allow: Vec<IpNet>,
    /// Useless datagrams and joins a second, 1 … 10⁶, beyond which an address is not heard.
    pub source_rate: u32,
}

impl Trust {
    /// The greatest rate.
    pub const MOST_SOURCE_RATE: u32 = 1_000_000;
}

impl Default for Trust {
    /// No keys, all networks, 1 000 a second.
    fn default() -> Self {
        Self { keys: Keyring::default(), allow: Vec::new(), source_rate: 1_000 }
    }
}

/// How the clocks within the tolerance are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Average {
    /// The textbook's: the plain mean.
    Plain,
    /// The mean without the third that is furthest out, on either side alike.
    Trimmed,
    /// By weight: steady clocks count for more, newcomers for little at first.
    #[default]
    Ensemble,
}

/// What a master is told.
#[derive(Debug, Clone, PartialEq)]
pub struct MasterSettings {
    /// Who it is.
    pub identity: Identity,
    /// The number of its reign.
    pub term: Term,
    /// Its priority among masters of one term.
    pub rank: Rank,
    /// The length of a round, 50 ms … 1 h.
    pub interval: Span,
    /// Polls a slave gets each round, 1 … [`MasterSettings::MAX_BURST`].
    pub burst: u8,
    /// Greatest distance from the others' median at which a clock still counts.
    pub tolerance: Span,
    /// Exchanges that took longer are counted and not used.
    pub max_rtt: Span,
    /// How the clocks within the tolerance are averaged.
    pub average: Average,
    /// What may be done to the master's own clock.
    pub limits: Limits,
    /// Greatest number of slaves.
    pub max_slaves: usize,
    /// Slaves that are polled without having asked.
    pub slaves: Vec<SocketAddr>,
    /// The rate of cluster time against its Local that it remembers from before.
    pub saved_rate: Option<Rate>,
    /// Members with a good outside source, by name; cluster time leans to what they show.
    pub references: Vec<Name>,
    /// Who is heard.
    pub trust: Trust,
}

impl MasterSettings {
    /// The greatest burst.
    pub const MAX_BURST: u8 = 16;
    /// The shortest interval.
    pub const MIN_INTERVAL: Span = Span::from_millis(50);
    /// The longest interval.
    pub const MAX_INTERVAL: Span = Span::from_secs(3600);

    /// The defaults of the command line for a node of this identity.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            term: Term(1),
            rank: Rank(0),
            interval: Span::from_secs(1),
            burst: 4,
            tolerance: Span::from_millis(10),
            max_rtt: Span::from_millis(10),
            average: Average::default(),
            limits: Limits::default(),
            max_slaves: 1_000,
            slaves: Vec::new(),
            saved_rate: None,
            references: Vec::new(),
            trust: Trust::default(),
        }
    }
}

/// What a slave is told.
#[derive(Debug, Clone, PartialEq)]
pub struct SlaveSettings {
    /// Who it is.
    pub identity: Identity,
    /// Where masters may be, best first. Only they are obeyed; with none, whoever polls is.
    pub masters: Vec<SocketAddr>,
    /// What may be done to its clock.
    pub limits: Limits,
    /// The rate of cluster time against its Local that it remembers from before.
    pub saved_rate: Option<Rate>,
    /// It may become master, with this rank.
    pub standby: Option<Rank>,
    /// Who is heard.
    pub trust: Trust,
}

impl SlaveSettings {
    /// The defaults of the command line for a node of this identity.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            masters: Vec::new(),
            limits: Limits::default(),
            saved_rate: None,
            standby: None,
            trust: Trust::default(),
        }
    }
}
