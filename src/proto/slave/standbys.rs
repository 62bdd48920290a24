//! Who stands by, as our master tells its members.

use super::{Name, NodeId, Slave, Who};
use crate::proto::status::Contender;
use crate::wire::{Announce, Candidate};

/// A master announces no more.
const MOST: usize = 15;

/// The master's list, which comes in pages: what was told longest ago is first.
#[derive(Debug, Clone, Default)]
pub(super) struct Standbys(Vec<Candidate>);

impl Standbys {
    /// Takes a page in.
    pub(super) fn take(&mut self, announce: &Announce) {
        for candidate in announce.candidates.iter().flatten() {
            self.0.retain(|known| known.id != candidate.id);
            self.0.push(*candidate);
        }
        let most = usize::from(announce.total).min(MOST);
        self.0.drain(..self.0.len().saturating_sub(most));
    }

    /// All but `own` and the master, who may have stood by before.
    fn others(&self, own: NodeId, master: NodeId) -> impl Iterator<Item = Contender> {
        let others = self.0.iter().filter(move |known| ![own, master].contains(&known.id));
        others.map(|known| {
            let name = Name::nearest(&known.addr.to_string());
            let who = Who { id: known.id, name, addr: known.addr };
            Contender { who, reigns: false, rank: known.rank }
        })
    }
}

impl Slave {
    /// The master, if one is obeyed, and who stands by for it but for ourselves.
    pub(super) fn contending(&self) -> Vec<Contender> {
        let Some((known, obeyed)) = self.master.as_ref().zip(self.obeyed()) else {
            return Vec::new();
        };
        let master = Contender { who: known.who.clone(), reigns: true, rank: obeyed.title.rank };
        let others = known.standbys.others(self.settings.identity.id, known.who.id);
        std::iter::once(master).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::time::Span;
    use crate::wire::Rank;

    fn page(ids: &[u64], total: u8) -> Announce {
        let mut candidates = [None; Announce::LISTED];
        for (place, id) in candidates.iter_mut().zip(ids) {
            let addr = SocketAddr::from(([10, 0, 0, *id as u8], 7045));
            *place = Some(Candidate { id: NodeId(*id), rank: Rank(1), addr });
        }
        let span = Span::from_secs(1);
        Announce {
            round: 1,
            size: 9,
            interval: span,
            tolerance: span,
            max_rtt: span,
            age: span,
            burst: 4,
            average: 2,
            first: 0,
            total,
            candidates,
        }
    }

    fn others(known: &Standbys) -> Vec<u64> {
        known.others(NodeId(90), NodeId(91)).map(|contender| contender.who.id.0).collect()
    }

    #[test]
    fn pages_are_put_together_and_who_is_told_of_no_more_is_gone() {
        let mut known = Standbys::default();
        known.take(&page(&[1, 2], 4));
        known.take(&page(&[3, 90], 4));
        assert_eq!(others(&known), [1, 2, 3], "and we ourselves");
        known.take(&page(&[2, 3], 3));
        known.take(&page(&[90], 3));
        assert_eq!(others(&known), [2, 3]);
        known.take(&page(&[91, 3], 2));
        assert_eq!(others(&known), [3], "the master is named elsewhere");
        known.take(&page(&[], 0));
        assert!(others(&known).is_empty());
    }
}
