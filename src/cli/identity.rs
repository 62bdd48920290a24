//! Who this node is: its id, kept over restarts where it has a directory to keep it in.

use std::path::Path;

use super::failure::Failure;
use super::flags::NodeFlags;
use super::state::State;
use crate::os;
use crate::proto::Identity;
use crate::wire::{BootId, Name, NodeId};

const FILE: &str = "node-id";

/// The identity that the flags ask for, with a boot nonce of its own.
///
/// # Errors
/// Where the state directory cannot be read or written, or holds no id.
pub(super) fn identity(flags: &NodeFlags) -> Result<Identity, Failure> {
    let id = match &flags.state_dir {
        Some(dir) => kept(dir)?,
        None => drawn()?,
    };
    let name = match &flags.name {
        Some(name) => name.clone(),
        None => Name::nearest(&os::hostname().unwrap_or_default()),
    };
    let boot = BootId(u32::from_be_bytes(random()?));
    Ok(Identity { id, boot, name })
}

/// Random bytes of the operating system.
///
/// # Errors
/// Where it gives none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let drawn = os::os_random(&mut bytes);
    drawn.map_err(|error| Failure::failed(format!("no random bytes to be had: {error}")))?;
    Ok(bytes)
}

/// A new id, which is never [`NodeId::UNKNOWN`].
pub(super) fn drawn() -> Result<NodeId, Failure> {
    Ok(NodeId(u64::from_be_bytes(random()?).max(1)))
}

/// The id in the directory; at the first start a new one, which stays there.
fn kept(dir: &Path) -> Result<NodeId, Failure> {
    if let Some(id) = known(dir)? {
        return Ok(id);
    }
    let id = drawn()?;
    State::new(dir).write(FILE, &id.to_string())?;
    Ok(id)
}

/// The id in the directory; none before the first start.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(super) fn known(dir: &Path) -> Result<Option<NodeId>, Failure> {
    let state = State::new(dir);
    let Some(text) = state.read(FILE)? else { return Ok(None) };
    let why = "does not hold 16 hex digits; remove it for a new identity";
    parsed(&text).map(Some).ok_or_else(|| state.broken(FILE, why))
}

/// The id that 16 hex digits are.
pub(super) fn parsed(text: &str) -> Option<NodeId> {
    let is_id = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = u64::from_str_radix(text, 16).ok().filter(|&id| is_id && id != 0)?;
    Some(NodeId(id))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_id_is_kept_and_a_broken_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("new");
        let first = kept(&state).unwrap();
        assert_eq!(kept(&state), Ok(first));
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no draft is left");
        assert_eq!(fs::read_to_string(state.join(FILE)).unwrap(), format!("{first}\n"));
        for broken in ["", "0000000000000000", "+00000000000000f", "xyz", "0123456789abcdef0"] {
            fs::write(state.join(FILE), broken).unwrap();
            assert!(matches!(kept(&state), Err(Failure::Input(_))), "{broken:?}");
            assert_eq!(fs::read_to_string(state.join(FILE)).unwrap(), broken);
        }
    }
}
