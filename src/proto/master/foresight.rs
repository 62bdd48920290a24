//! Memory that will be needed, read early and together.
//!
//! What is known of a slave lies in a dozen cache lines here and there, and by its next turn thousands of
//! others have swept them out. Read one after the other each is waited for; of reads that do not depend on
//! each other a processor has dozens on their way at once. So before a lot of polls or replies is worked
//! through, a word of each line that they need is read, and nothing done with it. What the gate has of a member
//! lies where the member says, so that comes when all members are near.

use std::hint::black_box;
use std::ops::{BitXor, Range};

use super::{Datagram, Master, Member, Place};

/// As many datagrams as come at once; of more the rest is not read ahead in full.
pub(super) const LOT: usize = 32;

impl Master {
    /// For the polls that were fetched from the agenda.
    pub(super) fn foresee_polls(&self) {
        let words = self.agenda.fetched().map(|place| self.whereabouts(place));
        black_box(words.fold(0, BitXor::bitxor));
        // Without keys the gate is not asked for whom to write to.
        if self.gate.is_keyed() {
            self.foresee_peers(self.agenda.fetched());
        }
    }

    /// For what these datagrams bring, if they are replies.
    pub(super) fn foresee_replies(&self, datagrams: &mut dyn Iterator<Item = &[u8]>) {
        let mut places = [None; LOT];
        let words = datagrams.zip(&mut places).filter_map(|(bytes, seen)| {
            let (sender, nonce) = Datagram::glance(bytes)?;
            let peer = if self.gate.is_keyed() { self.gate.touch(sender) } else { 0 };
            let place = self.roster.near(nonce)?;
            *seen = Some(place);
            let member = self.roster.get(place)?.touch();
            Some(peer ^ self.whereabouts(place) ^ member)
        });
        black_box(words.fold(0, BitXor::bitxor));
        self.foresee_peers(places.into_iter().flatten());
    }

    /// For the census of these slots.
    pub(super) fn foresee_slots(&self, slots: Range<u32>) {
        let members = slots.filter_map(|slot| self.roster.get(self.roster.in_slot(slot)?));
        black_box(members.map(Member::touch).fold(0, BitXor::bitxor));
    }

    /// Where to write to a member.
    fn whereabouts(&self, place: Place) -> u64 {
        let Some(member) = self.roster.get(place) else { return 0 };
        u64::from(member.who.addr.port()) ^ u64::from(member.boot.0)
    }

    /// What the gate has of members, all of which are near.
    fn foresee_peers(&self, places: impl Iterator<Item = Place>) {
        let seats = places.filter_map(|place| self.roster.get(place)).map(|member| member.seat);
        black_box(seats.map(|seat| self.gate.touch_at(seat)).fold(0, BitXor::bitxor));
    }
}
