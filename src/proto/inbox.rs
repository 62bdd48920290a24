//! What master and slave alike ask of a datagram before they look at what it says.

use super::counters::Drop;
use crate::wire::{Datagram, NodeId};

/// The datagram, if it is one, from somebody else, and not meant for a third.
///
/// # Errors
/// Why it is to be dropped.
pub(super) fn open(own: NodeId, bytes: &[u8]) -> Result<Datagram, Drop> {
    let datagram = Datagram::decode(bytes).map_err(Drop::Rejected)?;
    if datagram.header.sender == own {
        return Err(Drop::Own);
    }
    if ![NodeId::UNKNOWN, own].contains(&datagram.header.receiver) {
        return Err(Drop::NotForUs);
    }
    Ok(datagram)
}
