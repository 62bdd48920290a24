//! What a candidate has promised, kept in the state directory.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::state::State;
use crate::net::Keep;
use crate::proto::Ballot;
use crate::wire::{NodeId, Term};

const FILE: &str = "ballot";

/// The ballot that the directory holds.
///
/// # Errors
/// Where the file cannot be read or holds no ballot.
pub(super) fn ballot(dir: Option<&Path>) -> Result<Option<Ballot>, Failure> {
    let Some(state) = dir.map(State::new) else { return Ok(None) };
    let Some(text) = state.read(FILE)? else { return Ok(None) };
    parsed(&text).map(Some).ok_or_else(|| {
        let why = "does not hold a term and a vote, as in `7 0123456789abcdef` or `7 -`; remove it";
        state.broken(FILE, why)
    })
}

/// Writes ballots into the directory, each whole or not at all.
pub(super) fn keep(dir: &Path) -> Keep {
    let state = State::new(dir);
    Arc::new(move |ballot: Ballot| {
        let vote = ballot.vote.map_or_else(|| "-".to_owned(), |id| id.to_string());
        state.write(FILE, &format!("{} {vote}", ballot.term.0)).is_ok()
    })
}

fn parsed(text: &str) -> Option<Ballot> {
    let (term, vote) = text.split_once(' ')?;
    let term = Term(term.parse().ok()?);
    let vote = match vote {
        "-" => None,
        id if id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(NodeId(u64::from_str_radix(id, 16).ok()?))
        }
        _ => return None,
    };
    Some(Ballot { term, vote })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_ballot_is_found_again_and_a_broken_one_is_said_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ballot(Some(dir.path())), Ok(None));
        for vote in [None, Some(NodeId(7))] {
            let cast = Ballot { term: Term(3), vote };
            assert!(keep(dir.path())(cast));
            assert_eq!(ballot(Some(dir.path())), Ok(Some(cast)));
        }
        for broken in ["", "3", "3 me", "-1 -", "3 00000000000000000", "x -"] {
            fs::write(dir.path().join(FILE), broken).unwrap();
            assert!(matches!(ballot(Some(dir.path())), Err(Failure::Input(_))), "{broken:?}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), broken);
        }
        assert!(!keep(Path::new("/dev/null/x"))(Ballot::default()));
    }
}
