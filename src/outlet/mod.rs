//! What others read of a node while it runs: the control socket, and the metrics page.
//!
//! An [`Outlet`] is a [`Guest`](crate::net::Guest) of the node's loop. It keeps a [`Ledger`] of
//! what the core's events told, and serves whoever comes in through its doors. It decides nothing
//! of the protocol, and never delays a poll by more than one small piece of work: an answer is
//! made when it is asked for, a few members at a time, and no faster than its reader takes it.
//!
//! What a reader may cost is bounded: so many of them, so long a request, so much unread of an
//! answer, so long without progress (the constants of `visitor`). Whoever exceeds that is dropped.
//!
//! A second kind of server needs a `Door` (a listening socket, and the `Talk` behind it), a `Talk`
//! (finds requests in what was heard) and its `Answer`s (write themselves piece by piece from a
//! `House`: the scene and the ledger); see `control` and `metrics` for all three.

mod answers;
mod buckets;
mod control;
mod desk;
mod door;
mod ledger;
mod metrics;
mod reply;
mod tally;
mod visitor;
mod window;

pub use buckets::Buckets;
pub use control::{Control, ControlError};
pub use desk::Outlet;
pub use door::{Answer, Door, Heard, House, Line, Step, Talk};
pub use ledger::{Ledger, News, Teller};
pub use metrics::Metrics;
pub use reply::{
    Candidate, Cluster, Events, Failure, Histogram, Member, MemberStats, Named, Reign, Stamps,
    Stats, Told, Tracking, VERSION,
};
pub use tally::Tally;
