//! Earlier processes of a node.

use crate::wire::BootId;

/// So many of them are remembered.
const MOST: usize = 4;

/// The boots before the present one, the newest [`MOST`] of them. A restarted process never comes
/// back to one. Most nodes have none, and pay for none.
#[derive(Debug, Clone, Default)]
pub(super) struct Former(Option<Box<Boots>>);

#[derive(Debug, Clone, Default)]
struct Boots {
    /// Oldest first.
    boots: [BootId; MOST],
    count: usize,
}

impl Former {
    pub(super) fn contains(&self, boot: BootId) -> bool {
        self.0.as_ref().is_some_and(|all| all.boots[..all.count].contains(&boot))
    }

    /// One more is gone.
    pub(super) fn push(&mut self, boot: BootId) {
        let all = self.0.get_or_insert_default();
        if all.count == MOST {
            all.boots.rotate_left(1);
            all.count -= 1;
        }
        all.boots[all.count] = boot;
        all.count += 1;
    }

    /// It has come back all the same.
    pub(super) fn forget(&mut self, boot: BootId) {
        let Some(all) = &mut self.0 else { return };
        let mut kept = Boots::default();
        for &other in all.boots[..all.count].iter().filter(|other| **other != boot) {
            kept.boots[kept.count] = other;
            kept.count += 1;
        }
        **all = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_until_they_are_forgotten() {
        let mut former = Former::default();
        assert!(!former.contains(BootId(0)) && !former.contains(BootId(1)));
        (1..=6).for_each(|boot| former.push(BootId(boot)));
        let known = |former: &Former| {
            (0..=7).filter(|boot| former.contains(BootId(*boot))).collect::<Vec<_>>()
        };
        assert_eq!(known(&former), [3, 4, 5, 6]);
        former.forget(BootId(4));
        assert_eq!(known(&former), [3, 5, 6]);
        former.push(BootId(7));
        assert_eq!(known(&former), [3, 5, 6, 7]);
    }
}
