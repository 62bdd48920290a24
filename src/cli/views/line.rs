//! A line to a running daemon's control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::place::{self, Place};
use crate::outlet::VERSION;

/// A daemon that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody expects an answer sooner.
const HASTE: Duration = Duration::from_millis(100);
/// The longest answer: ten thousand members take some 8 MiB.
const LONGEST: u64 = 64 << 20;

/// Why a daemon did not answer as it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Refusal {
    /// It cannot be reached, or was lost: it may come back.
    Away(String),
    /// It does not want to.
    Refused(String),
}

impl Refusal {
    pub(in crate::cli) fn text(&self) -> &str {
        match self {
            Self::Away(why) | Self::Refused(why) => why,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::failed(refusal.text())
    }
}

/// A connection to a daemon.
#[derive(Debug)]
pub(in crate::cli) struct Line {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Line {
    /// Calls the daemon at `choice`, or in the usual places.
    pub(in crate::cli) fn open(choice: Option<&Place>) -> Result<Self, Refusal> {
        let path = match choice {
            Some(Place::Nowhere) => {
                return Err(Refusal::Away("--control none: there is nobody to ask".to_owned()));
            }
            Some(Place::At(path)) => Some(path.as_path()),
            None => None,
        };
        let mut reasons = Vec::new();
        for path in place::asked(path) {
            match UnixStream::connect(&path) {
                Ok(stream) => return Self::over(stream, path),
                Err(error) => reasons.push(reason(&path, &error)),
            }
        }
        let hint = if path.is_some() { "" } else { "; --control PATH names another socket" };
        Err(Refusal::Away(format!("{}{hint}", reasons.join("; "))))
    }

    fn over(stream: UnixStream, path: PathBuf) -> Result<Self, Refusal> {
        let set = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        set.map_err(|error| Refusal::Away(reason(&path, &error)))?;
        Ok(Self { stream: BufReader::new(stream), path })
    }

    /// Lets whoever has little time wait for an answer no longer than that.
    pub(in crate::cli) fn hurry(&mut self, patience: Duration) -> Result<(), Refusal> {
        let patience = Some(patience.clamp(HASTE, PATIENCE));
        let stream = self.stream.get_ref();
        let set = stream.set_read_timeout(patience).and(stream.set_write_timeout(patience));
        set.map_err(|error| Refusal::Away(reason(&self.path, &error)))
    }

    /// Asks for something, and gives the whole answer.
    pub(in crate::cli) fn ask(&mut self, mut request: Value) -> Result<Value, Refusal> {
        request["v"] = json!(VERSION);
        let mut answer = String::new();
        let stream = self.stream.get_mut();
        let written = writeln!(stream, "{request}").and_then(|()| stream.flush());
        let read = written.and_then(|()| self.stream.by_ref().take(LONGEST).read_line(&mut answer));
        let lost = |why: &str| Refusal::Away(format!("{}: {why}", self.path.display()));
        match read {
            Ok(0) => return Err(lost("the daemon hung up; it may have too many readers")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(lost("the daemon does not answer"));
            }
            Err(error) => return Err(lost(&error.to_string())),
        }
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|_| lost("what answers there is no campanile daemon"))?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        let why = answer["error"].as_str().unwrap_or("it was refused");
        Err(Refusal::Refused(why.to_owned()))
    }

    /// Asks for a view: the value that the answer has under its name.
    pub(in crate::cli) fn get(&mut self, view: &str) -> Result<Value, Refusal> {
        let mut answer = self.ask(json!({ "get": view }))?;
        Ok(answer[view].take())
    }
}

/// What a value says, where the daemon is of our version.
pub(in crate::cli) fn understood<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value)
        .map_err(|error| Refusal::Refused(format!("the daemon is of another version: {error}")))
}

fn reason(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no daemon serves there".to_owned(),
        io::ErrorKind::ConnectionRefused => "the daemon that served there is gone".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "not permitted; root, its user and its group may ask".to_owned()
        }
        _ => error.to_string(),
    };
    format!("{}: {why}", path.display())
}
