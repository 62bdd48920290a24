//! What waits to be said, and is written down when its turn has come.

use std::net::SocketAddr;

use super::{Admission, Estimate, Leave, NodeId, Output, Place, Receiver};
use crate::wire::Entry;

/// Not much greater than an estimate: it is moved in and out.
#[derive(Debug)]
pub(super) enum Pending {
    Poll {
        place: Place,
        index: u8,
        burst: u8,
    },
    Adjust {
        place: Place,
        estimate: Estimate,
    },
    Welcome {
        to: SocketAddr,
        receiver: Receiver,
        nonce: u64,
        admission: Admission,
        challenge: u64,
    },
    Announce {
        to: SocketAddr,
        receiver: NodeId,
        page: u32,
    },
    /// The next line of the table, for a standby.
    NextEntry {
        place: Place,
    },
    /// A line that is ready.
    Entry {
        place: Place,
        entry: Box<Entry>,
    },
    Leave {
        to: SocketAddr,
        receiver: NodeId,
        leave: Leave,
    },
    Output(Output),
}
