//! What a node keeps over restarts: small files in the state directory, each written whole or not
//! at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::proto::{LEARNED, LEARNED_AFTER};
use crate::time::{Local, Rate, Span, Time};
use crate::units;

const DRIFT: &str = "drift";
/// No more than so much of a file is looked at: ours have a line.
const MOST: u64 = 256;
/// A rate that is worth keeping is kept whenever twice as much time has gone into it, so often at
/// least, and at the end.
const EVERY: Span = Span::from_secs(3600);
/// No cluster is this far from a crystal.
const GREATEST: Rate = Rate::from_ppm(1_000.0);

/// A directory of small files.
#[derive(Debug, Clone)]
pub(super) struct State(PathBuf);

impl State {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// What the file `name` holds, trimmed; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = self.0.join(name);
        let text = File::open(&path).and_then(|file| {
            let mut text = String::new();
            io::Read::read_to_string(&mut io::Read::take(file, MOST), &mut text)?;
            Ok(text)
        });
        match text {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failure("read", name, &error)),
        }
    }

    /// Writes the file whole or not at all: a crash or a full disk leaves the old one.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn write(&self, name: &str, line: &str) -> Result<(), Failure> {
        self.replace(name, line).map_err(|error| self.failure("write", name, &error))
    }

    /// What is wrong with the contents of a file.
    pub(super) fn broken(&self, name: &str, why: &str) -> Failure {
        Failure::input(format!("--state-dir {}: {name} {why}", self.0.display()))
    }

    fn replace(&self, name: &str, line: &str) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let draft = self.0.join(format!("{name}.{}", std::process::id()));
        let written = File::create(&draft).and_then(|mut file| {
            writeln!(file, "{line}")?;
            file.sync_all()
        });
        let moved = written.and_then(|()| fs::rename(&draft, self.0.join(name)));
        if moved.is_err() {
            let _ = fs::remove_file(&draft);
        }
        moved?;
        File::open(&self.0)?.sync_all()
    }

    fn failure(&self, what: &str, name: &str, error: &io::Error) -> Failure {
        let dir = self.0.display();
        Failure::failed(format!("--state-dir {dir}: cannot {what} {name}: {error}"))
    }
}

/// The rate of cluster time against this node's oscillator, remembered from before. The file holds it the
/// other way round, as people speak of it: how fast the oscillator is.
///
/// # Errors
/// Where the file cannot be read or holds no rate.
pub(super) fn saved_rate(dir: Option<&Path>) -> Result<Option<Rate>, Failure> {
    let Some(state) = dir.map(State::new) else { return Ok(None) };
    let Some(text) = state.read(DRIFT)? else { return Ok(None) };
    match units::rate(&text, -GREATEST, GREATEST) {
        Ok(fast) => Ok(Some(fast.reversed())),
        Err(_) => Err(state.broken(DRIFT, "does not hold a rate such as -31.5ppm; remove it")),
    }
}

/// Keeps the rate that a node learns.
#[derive(Debug)]
pub(super) struct Drift {
    state: State,
    /// The newest that is worth keeping.
    rate: Option<Rate>,
    /// Rounds of the present master's, and the first of them.
    rounds: u32,
    began: Option<Time<Local>>,
    kept: Option<Time<Local>>,
}

impl Drift {
    pub(super) fn new(dir: &Path) -> Self {
        Self { state: State::new(dir), rate: None, rounds: 0, began: None, kept: None }
    }

    /// The rounds that come are another master's, whose first rates may be crude.
    pub(super) fn begin_anew(&mut self) {
        (self.rounds, self.began) = (0, None);
    }

    /// A round has shown this rate. Writes it down where that is due.
    ///
    /// # Errors
    /// Where it cannot be written; it is tried again when it is due the next time.
    pub(super) fn learn(&mut self, now: Time<Local>, rate: Rate) -> Result<(), Failure> {
        self.rounds = self.rounds.saturating_add(1);
        let age = now.since(*self.began.get_or_insert(now));
        if self.rounds < LEARNED || age < LEARNED_AFTER {
            return Ok(());
        }
        self.rate = Some(rate);
        let pause = age.over(2).min(EVERY);
        if self.kept.is_some_and(|kept| now.since(kept) < pause) {
            return Ok(());
        }
        self.kept = Some(now);
        self.keep()
    }

    /// Writes down what was learned, if anything was.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let Some(rate) = self.rate else { return Ok(()) };
        self.state.write(DRIFT, &format!("{:.6}ppm", rate.reversed().as_ppm()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time<Local> {
        Time::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn a_rate_is_kept_once_it_is_learned_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        assert_eq!(saved_rate(Some(&dir)), Ok(None));
        let near = |ppm: f64| {
            let rate = saved_rate(Some(&dir)).unwrap().unwrap();
            (rate.as_ppm() - ppm).abs() < 1e-5
        };
        let mut drift = Drift::new(&dir);
        for secs in 0..20 {
            drift.learn(at(secs), Rate::from_ppm(90.0)).unwrap();
        }
        drift.keep().unwrap();
        assert_eq!(saved_rate(Some(&dir)), Ok(None), "too young to be trusted");
        drift.learn(at(20), Rate::from_ppm(-31.5)).unwrap();
        let fast = fs::read_to_string(dir.join(DRIFT)).unwrap();
        assert!(fast.starts_with("31.5"), "cluster time is slower than it: {fast}");
        assert!(near(-31.5));
        drift.learn(at(30), Rate::from_ppm(-31.0)).unwrap();
        assert!(near(-31.5), "not yet again");
        drift.learn(at(41), Rate::from_ppm(-31.0)).unwrap();
        assert!(near(-31.0));
        drift.learn(at(42), Rate::from_ppm(12.25)).unwrap();
        drift.begin_anew();
        drift.learn(at(43), Rate::from_ppm(90.0)).unwrap();
        drift.keep().unwrap();
        assert!(near(12.25));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_broken_file_is_said_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for broken in ["", "fast", "5", "4000ppm", "NaNppm"] {
            fs::write(dir.path().join(DRIFT), broken).unwrap();
            assert!(matches!(saved_rate(Some(dir.path())), Err(Failure::Input(_))), "{broken:?}");
            assert_eq!(fs::read_to_string(dir.path().join(DRIFT)).unwrap(), broken);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_is_a_failure() {
        let said = State::new(Path::new("/dev/null/x")).write("y", "z").unwrap_err();
        assert!(matches!(said, Failure::Failed(why) if why.starts_with("--state-dir /dev/null/x")));
    }
}
