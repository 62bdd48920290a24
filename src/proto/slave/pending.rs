//! What waits to be said, and is written down when its turn has come.

use std::net::SocketAddr;

use super::{Grant, Local, NodeId, Output, Receiver, Stamp};

#[derive(Debug, Clone, Copy)]
pub(super) struct PendingReply {
    pub(super) to: SocketAddr,
    pub(super) receiver: Receiver,
    pub(super) nonce: u64,
    pub(super) t2: Stamp<Local>,
}

#[derive(Debug)]
pub(super) enum Pending {
    Join { to: SocketAddr, receiver: Receiver, nonce: u64, challenge: u64 },
    Leave(SocketAddr, NodeId),
    Grant(SocketAddr, NodeId, Grant),
    Output(Output),
}
