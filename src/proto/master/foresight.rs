//! Memory that will be needed, read early and together.
//!
//! What is known of a slave lies in a dozen cache lines here and there, and by its next turn thousands of
//! others have swept them out. Read one after the other each is waited for; of reads that do not depend on
//! each other a processor has dozens on their way at once. So before a lot of polls or replies is worked
//! through, a word of each line that they need is read, and nothing done with it.

use std::hint::black_box;
use std::ops::BitXor;

use super::{Datagram, Master, Place};

impl Master {
    /// For the polls that were fetched from the agenda.
    pub(super) fn foresee_polls(&self) {
        let words = self.agenda.fetched().map(|place| self.whereabouts(place));
        black_box(words.fold(0, BitXor::bitxor));
    }

    /// For what these datagrams bring, if they are replies.
    pub(super) fn foresee_replies(&self, datagrams: &mut dyn Iterator<Item = &[u8]>) {
        let words = datagrams.filter_map(|bytes| {
            let (sender, nonce) = Datagram::glance(bytes)?;
            let peer = if self.gate.is_keyed() { self.gate.touch(sender) } else { 0 };
            let place = self.roster.near(nonce)?;
            let member = self.roster.get(place)?.touch();
            Some(peer ^ self.whereabouts(place) ^ member)
        });
        black_box(words.fold(0, BitXor::bitxor));
    }

    /// Where to write to a member, and what the gate has of it.
    fn whereabouts(&self, place: Place) -> u64 {
        let Some(member) = self.roster.get(place) else { return 0 };
        let (addr, peer) = (member.who.addr.port(), self.gate.touch_at(member.seat));
        u64::from(addr) ^ u64::from(member.boot.0) ^ peer
    }
}
