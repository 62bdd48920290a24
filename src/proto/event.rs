//! What a core tells people: drivers print, count and record it, and decide nothing by it.

use std::net::SocketAddr;

use super::exchange::BySource;
use crate::time::{Offset, Rate, Span};
use crate::wire::{LeaveReason, Name, NodeId, Rank, Standing, Term};

/// So many standard deviations are the statistical bound.
pub const DEVIATIONS: u32 = 5;

/// Who an event is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Who {
    /// The node's identity.
    pub id: NodeId,
    /// What people call it.
    pub name: Name,
    /// Where it is reached.
    pub addr: SocketAddr,
}

/// Something that happened in a core. No greater than a [`Slot`]: they pass from hand to hand.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Master: a slave is in the roster now.
    Joined(Who),
    /// Master: a slave took leave, or was forgotten after long silence.
    Left {
        /// The slave.
        who: Who,
        /// It said so; otherwise it was forgotten.
        said_so: bool,
    },
    /// Master: a slave came back with another boot nonce.
    Restarted(Who),
    /// Master: a slave speaks from another address now, given in `who`.
    Moved {
        /// The slave, with its new address.
        who: Box<Who>,
        /// Its old address.
        from: SocketAddr,
    },
    /// Master: two nodes carry one identity. Said once while both are there.
    Twins {
        /// The one that is polled.
        who: Box<Who>,
        /// Where the other speaks from; it is not listened to.
        other: SocketAddr,
    },
    /// Master: a slave has not answered for the last polls.
    Unreachable(Who),
    /// Master: an unreachable slave answers again.
    Reachable(Who),
    /// Master: a join was refused because the roster is full. Said once until a place is free.
    RosterFull,
    /// Master: nobody can be reached; said once until somebody can.
    Alone,
    /// Master: cluster time was formed from the clocks of this many members.
    Formed {
        /// The master included.
        members: u32,
    },
    /// Master: this member's clock does not count any more.
    Falseticker {
        /// The member; may be the master itself.
        who: Who,
        /// How far from the others' median.
        by: Offset,
    },
    /// Master: this member's clock counts again.
    Counted(Who),
    /// Master: a slave's free-running clock jumped: its machine slept, or its counter is broken.
    LocalStepped {
        /// The slave.
        who: Who,
        /// Positive: forward.
        by: Offset,
    },
    /// Master: the way to a slave takes longer than before (shorter: negative), for good.
    PathChanged {
        /// The slave.
        who: Who,
        /// By how much, one way.
        by: Offset,
        /// One direction alone; half of it is in the slave's bound, for nothing tells it from an
        /// asymmetry.
        one_way: bool,
    },
    /// Master: no majority agrees; cluster time goes on by prediction alone. Said once.
    Hold,
    /// Master: a majority agrees again.
    Resumed,
    /// Master: a round was closed.
    Round(Round),
    /// Master: one exchange was completed.
    Exchange(Measured),
    /// Master: a slave's slot of this round was closed.
    Slot(Slot),
    /// Slave: this is our master now.
    Following(Who),
    /// Slave: the master took leave.
    MasterLeft {
        /// The master.
        who: Who,
        /// Why.
        reason: LeaveReason,
    },
    /// Slave: the master has not been heard for long.
    MasterSilent(Who),
    /// Slave: the master says what cannot be; the clock holds its course. Said once until it is
    /// followed again.
    Distrusted {
        /// The master.
        who: Who,
        /// Cluster time as it says minus cluster time as we know it; positive: it wants us later.
        by: Offset,
        /// The same of the rate.
        rate: Rate,
    },
    /// Slave: the master is followed again: it came to its senses, or has said the same for long.
    Trusted(Who),
    /// Slave: no master answers at any of the addresses; said once until one does.
    NoMaster,
    /// Slave: the master refused us, its roster is full. Said once.
    Refused(SocketAddr),
    /// Slave: an adjust was applied.
    Adjusted(Adjusted),
    /// Candidate: it follows this master and stands by, with this rank.
    StandingBy {
        /// The master.
        who: Who,
        /// Our own rank.
        rank: Rank,
    },
    /// Candidate: it asks the others for the mastership.
    Claimed {
        /// The term that it would reign in.
        term: Term,
        /// Why it asks.
        why: Cause,
    },
    /// Candidate: it leaves it, for somebody hears a master.
    StoodBack {
        /// Who said so.
        by: Box<Who>,
        /// The master that is heard there.
        master: Box<Who>,
    },
    /// Candidate: it is the master from now on.
    Elected {
        /// Its term.
        term: Term,
        /// Votes for it, its own included; 0 where none are needed.
        votes: u32,
        /// Why it asked.
        why: Cause,
    },
    /// Master: it took over what it was told of so many members.
    Inherited {
        /// The members, but for itself.
        members: Vec<Who>,
    },
    /// Master: it met another of a higher claim but fewer members, and goes on in a higher term.
    Outbid {
        /// The other.
        rival: Who,
        /// Our term from now on.
        term: Term,
        /// Members that follow us.
        size: u32,
        /// Members that follow the other.
        than: u32,
    },
    /// Master: it reigns no more, and stands by.
    Yielded {
        /// The term that ends.
        term: Term,
        /// To whom; nobody where the majority was lost.
        to: Option<Who>,
        /// Why.
        why: Surrender,
    },
    /// Master: half of the members or more cannot be reached. They may have a master of their own,
    /// and the bounds grow by what that may mean. Said once.
    OutOfSight {
        /// Members, itself included.
        members: u32,
        /// Those who cannot be reached.
        missing: u32,
    },
    /// Master: more than half of the members can be reached again.
    InSight,
    /// Master: it ends in order, and hands over.
    Resigned {
        /// The term that ends.
        term: Term,
        /// The standby that takes over; none where there is none.
        heir: Option<Who>,
    },
    /// Candidate: it claims nothing, for its clock shows a date before that of the build.
    Unfit,
    /// Candidate: what it promised could not be written down. Said once until it can be.
    Unkept,
    /// Candidate: it has lost its memory of the votes it gave, and gives none until it has heard
    /// from enough of the others.
    Forgetful,
    /// The last map has expired; the clock runs on at its learned rate.
    Holdover,
    /// The clock was stepped.
    Stepped {
        /// By how much; positive: forward.
        by: Offset,
    },
}

/// Why a candidate asks for the mastership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It has just started, and knows of no master.
    Started,
    /// Its master has been silent for too long.
    Silence,
    /// Its master resigned.
    Resigned,
}

/// Why a master reigns no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surrender {
    /// Another master has the higher claim.
    Outranked,
    /// It does not hear a majority of the candidates any more.
    Minority,
}

/// The close of a master's round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Its number, from 1.
    pub number: u32,
    /// Members in the roster, the master included.
    pub members: u32,
    /// Members that answered lately, the master included.
    pub reachable: u32,
    /// Members that count in the average.
    pub counted: u32,
    /// Greatest minus least measured offset among those that count.
    pub spread: Span,
    /// What the master itself shows minus cluster time.
    pub offset: Offset,
    /// Rate of cluster time against the master's Local.
    pub rate: Rate,
    /// The statistical bound of what the master itself shows, [`DEVIATIONS`] standard deviations.
    pub likely_bound: Span,
    /// The hard bound of what the master itself shows.
    pub bound: Span,
}

/// One exchange as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The slave.
    pub id: NodeId,
    /// Round trip.
    pub round_trip: Span,
    /// The worse of the two directions' delays above the least known: queueing and stamp noise.
    pub noise: Span,
}

/// What a slot of one round brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// The slave.
    pub id: NodeId,
    /// The round.
    pub round: u32,
    /// The last eight rounds, newest in the lowest bit; set where at least one reply came.
    pub reach: u8,
    /// What the slave shows minus cluster time, by the master's estimate; none before cluster
    /// time was formed.
    pub offset: Option<Offset>,
    /// Its Local's rate against cluster time.
    pub rate: Rate,
    /// One standard deviation of the offset.
    pub sigma: Span,
    /// The hard bound of the offset.
    pub bound: Span,
    /// The exchanges since the slave booted, each by the worst source of its four stamps.
    pub stamps: BySource,
    /// Least round trip of the burst; none where no reply came.
    pub round_trip: Option<Span>,
    /// Its standing.
    pub standing: Standing,
    /// How often its clock was stepped since it booted.
    pub steps: u16,
}

// More is not copied in place, but by a call.
const _: () = assert!(size_of::<Event>() <= 128);

impl Slot {
    /// The statistical bound of the offset, [`DEVIATIONS`] standard deviations.
    pub fn likely_bound(&self) -> Span {
        self.sigma.times(DEVIATIONS)
    }
}

/// What a slave did with an adjust.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// The master's round.
    pub round: u32,
    /// What we show minus cluster time, before the correction.
    pub offset: Offset,
    /// Rate of cluster time against our Local.
    pub rate: Rate,
    /// One standard deviation of the offset.
    pub sigma: Span,
    /// The statistical bound of the offset, [`DEVIATIONS`] standard deviations.
    pub likely_bound: Span,
    /// The hard bound of the offset.
    pub bound: Span,
    /// What the master thinks of our clock.
    pub standing: Standing,
    /// Members of the cluster.
    pub members: u32,
    /// Members that count.
    pub counted: u32,
    /// Spread of the cluster by the master's measure.
    pub spread: Span,
    /// The least round trip between us and the master in the newest round that had one, by the
    /// master's measure.
    pub round_trip: Option<Span>,
}
