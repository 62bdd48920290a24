//! Where the control socket is: one answer for the daemon that makes it and for whoever asks.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::os;
use crate::outlet::{Control, ControlError};

/// Where a daemon of the system has it.
const SYSTEM: &str = "/run/campanile/campanile.sock";
const FILE: &str = "campanile.sock";

/// What `--control` may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// There shall be no socket.
    Nowhere,
    /// Here and nowhere else.
    At(PathBuf),
}

/// Parses a path, or `none`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    match text {
        "none" => Ok(Place::Nowhere),
        "" => Err("allowed is the path of a socket, or none".to_owned()),
        // The kernel's limit on the address of a Unix socket.
        path if path.len() > 107 => Err("allowed is a path of at most 107 bytes".to_owned()),
        path => Ok(Place::At(PathBuf::from(path))),
    }
}

/// Where a daemon tries to have it, the best first.
fn candidates(state_dir: Option<&Path>) -> Vec<PathBuf> {
    let system = Path::new(SYSTEM);
    let mut found = Vec::new();
    if os::effective_user() == 0 || system.parent().is_some_and(Path::exists) {
        found.push(system.to_owned());
    }
    found.extend(state_dir.map(|dir| dir.join(FILE)));
    found.extend(runtime_dir().map(|dir| dir.join("campanile").join(FILE)));
    found
}

#[expect(clippy::disallowed_methods, reason = "where a user's sockets are is the session's affair")]
fn runtime_dir() -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    dir.is_absolute().then_some(dir)
}

/// What became of a daemon's control socket.
pub(super) enum Opened {
    /// It is here.
    At(Control, PathBuf),
    /// There shall be none.
    AsAsked,
    /// Every usual place is taken, or not ours: why, in words.
    Nowhere(String),
}

/// Opens the control socket of a daemon.
///
/// # Errors
/// Where it was asked for and cannot be had.
pub(super) fn open(choice: Option<&Place>, state_dir: Option<&Path>) -> Result<Opened, Failure> {
    match choice {
        Some(Place::Nowhere) => Ok(Opened::AsAsked),
        Some(Place::At(path)) => match Control::bind(path) {
            Ok(control) => Ok(Opened::At(control, path.clone())),
            Err(why) => Err(Failure::failed(format!("--control {}: {why}", path.display()))),
        },
        None => {
            let mut reasons = Vec::new();
            for path in candidates(state_dir) {
                match bind_usual(&path) {
                    Ok(control) => return Ok(Opened::At(control, path)),
                    Err(ControlError::InUse) => {
                        reasons.push(format!("{} is another daemon's", path.display()));
                    }
                    Err(why) => reasons.push(format!("{}: {why}", path.display())),
                }
            }
            let reasons = match reasons.is_empty() {
                true => "no usual place for it".to_owned(),
                false => reasons.join("; "),
            };
            Ok(Opened::Nowhere(format!(
                "no control socket: {reasons}; --control PATH gives it one"
            )))
        }
    }
}

/// A usual place may lack its directory, which is ours to make.
fn bind_usual(path: &Path) -> Result<Control, ControlError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    Control::bind(path)
}

/// Where to ask, the likeliest first.
pub(super) fn asked(choice: Option<&Path>) -> Vec<PathBuf> {
    match choice {
        Some(path) => vec![path.to_owned()],
        None => {
            let user = runtime_dir().map(|dir| dir.join("campanile").join(FILE));
            std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_none() {
        assert_eq!(place("none"), Ok(Place::Nowhere));
        assert_eq!(place("./x"), Ok(Place::At("./x".into())));
        assert!(place("").is_err() && place(&"x".repeat(108)).is_err());
    }
}
