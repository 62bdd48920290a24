//! What a node tells of itself when it is asked: plain data, made at the moment of asking.

use super::event::Who;
use super::exchange::Source;
use super::settings::Identity;
use super::steering::Steering;
use crate::time::{Cluster, Local, Offset, Rate, Span, Time};
use crate::wire::{Name, NodeId, Rank, Standing, Term};

/// Which side of the protocol a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Polls, averages, corrects.
    Master,
    /// Answers, and applies what it is told.
    Slave,
    /// A slave that may become master.
    Standby,
}

/// How a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Slave: no master answers.
    Searching,
    /// Master: no slave can be reached.
    Alone,
    /// There is company, and cluster time is not known yet.
    Forming,
    /// It shows cluster time, or is on its way there.
    Synchronised,
    /// Master: no majority agrees; cluster time goes on by prediction.
    Hold,
    /// The last correction has expired; the clock runs on at its learned rate.
    Holdover,
}

/// Where a node's own clock stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracking {
    /// Its role.
    pub role: Role,
    /// How it is doing.
    pub state: State,
    /// Its identity.
    pub id: NodeId,
    /// Its name.
    pub name: Name,
    /// The master it follows; none on a master, or where there is none.
    pub master: Option<Who>,
    /// The master's reign.
    pub term: Option<Term>,
    /// The length of a round.
    pub interval: Span,
    /// The newest round that the clock was corrected by.
    pub round: Option<u32>,
    /// When its map to cluster time is from.
    pub updated: Option<Time<Local>>,
    /// When that expires.
    pub until: Option<Time<Local>>,
    /// Cluster time at the moment of asking.
    pub cluster: Option<Time<Cluster>>,
    /// Cluster time minus what it shows: what is still to be worked off.
    pub remaining: Option<Offset>,
    /// The rate of cluster time against its Local.
    pub rate: Option<Rate>,
    /// One standard deviation of what is known of cluster time.
    pub sigma: Option<Span>,
    /// The statistical bound of the offset: [`DEVIATIONS`](super::DEVIATIONS) of them, with age
    /// and what remains.
    pub likely_bound: Option<Span>,
    /// The hard bound of the offset.
    pub bound: Option<Span>,
    /// Master: the middle one of the slaves' least round trips in their newest slots. Slave: its
    /// own, as the master measured it.
    pub round_trip: Option<Span>,
    /// How its clock stands with the master.
    pub standing: Option<Standing>,
    /// The cluster by the newest round.
    pub summary: Option<Summary>,
    /// How often its clock was stepped since it started.
    pub steps: u16,
    /// Master: how many members it was told have a good outside source.
    pub references: usize,
}

impl Tracking {
    /// What any node knows of its own clock by its steering; the cluster is left out.
    pub(super) fn own(
        now: Time<Local>,
        identity: &Identity,
        steering: &Steering,
        role: Role,
        state: State,
    ) -> Self {
        let target = steering.newest();
        Self {
            role,
            state,
            id: identity.id,
            name: identity.name.clone(),
            master: None,
            term: None,
            interval: Span::from_secs(1),
            round: None,
            updated: target.map(|target| target.map.at),
            until: target.map(|target| target.until),
            cluster: target.map(|target| target.map.reading(now)),
            remaining: target.map(|_| steering.remaining(now)),
            rate: steering.rate(),
            sigma: target.map(|target| target.sigma),
            likely_bound: steering.likely_bound(now),
            bound: steering.bound(now),
            round_trip: None,
            standing: None,
            summary: None,
            steps: steering.steps(),
            references: 0,
        }
    }
}

/// The cluster by the master's measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Members, the master included.
    pub members: u32,
    /// Members that count.
    pub counted: u32,
    /// Greatest minus least measured offset among those that count.
    pub spread: Span,
}

/// What a member is to the node that tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Itself.
    Own,
    /// The master it follows.
    Master,
    /// A slave that it polls.
    Member,
}

/// What a node knows of one member of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Who it is.
    pub who: Who,
    /// What it is to us.
    pub relation: Relation,
    /// Whether it counts in the average.
    pub standing: Standing,
    /// The deviation of its offset is too great to say whether it is within the tolerance.
    pub variable: bool,
    /// The last eight rounds, newest in the lowest bit; set where at least one reply came.
    pub reach: u8,
    /// When it was heard last.
    pub heard: Option<Time<Local>>,
    /// What it shows minus cluster time.
    pub offset: Option<Offset>,
    /// One standard deviation of the offset.
    pub sigma: Option<Span>,
    /// The hard bound of the offset.
    pub bound: Option<Span>,
    /// The rate of its Local against cluster time.
    pub rate: Option<Rate>,
    /// One standard deviation of the rate.
    pub skew: Option<Rate>,
    /// The least round trip of its newest slot.
    pub round_trip: Option<Span>,
    /// Its part in the average, 0 … 1.
    pub weight: Option<f64>,
    /// Where most of its exchanges have their stamps from, each by its worst.
    pub stamps: Option<Source>,
    /// What it says is proven to be its own.
    pub authenticated: bool,
    /// How often its clock was stepped since it booted.
    pub steps: u16,
}

impl Peer {
    /// A node's line about itself.
    pub(super) fn own(
        now: Time<Local>,
        identity: &Identity,
        steering: &Steering,
        standing: Standing,
        weight: Option<f64>,
    ) -> Self {
        let target = steering.newest();
        Self {
            who: identity.who(),
            relation: Relation::Own,
            standing,
            variable: false,
            reach: u8::MAX,
            heard: Some(now),
            offset: target.map(|_| -steering.remaining(now)),
            sigma: target.map(|target| target.sigma),
            bound: steering.bound(now),
            rate: steering.rate().map(Rate::reversed),
            skew: None,
            round_trip: None,
            weight: target.and(weight),
            stamps: None,
            authenticated: true,
            steps: steering.steps(),
        }
    }
}

/// A node that may be master.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Who it is.
    pub who: Who,
    /// It reigns; else it stands by.
    pub reigns: bool,
    /// Its priority.
    pub rank: Rank,
}

/// Some of the members, so that thousands need not be told of at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// In the order of their places.
    pub peers: Vec<Peer>,
    /// Where to go on; none after the last.
    pub next: Option<u32>,
}

/// How large a master's roster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterSize {
    /// Slaves in it.
    pub slaves: usize,
    /// Slaves that it has room for.
    pub most: usize,
    /// Bytes that one of them takes in the core's tables. What few have for a while comes on top:
    /// a second opinion of a young track, the window of numbers where there are seals.
    pub each: usize,
}
