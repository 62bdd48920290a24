//! Asks a daemon again and again.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cli::place::Place;
use crate::cli::views::{Line, Refusal, understood};
use crate::outlet::{Histogram, Member, Told, Tracking};

/// What a daemon said at one time.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) tracking: Tracking,
    pub(super) members: Vec<Member>,
    pub(super) events: Vec<Told>,
    pub(super) round_trip: Histogram,
}

/// What was seen, or why nothing was.
pub(super) type Seen = Result<Box<Snapshot>, String>;

/// Asks every `every`, and sends what is seen until nobody wants it any more.
#[expect(clippy::disallowed_methods, reason = "nothing else is done on this thread")]
pub(super) fn watch(control: Option<&Place>, every: Duration, to: &Sender<Seen>) {
    let mut line = None;
    loop {
        let seen = look(control, &mut line);
        if seen.is_err() {
            line = None;
        }
        let seen = seen.map(Box::new).map_err(|refusal| refusal.text().to_owned());
        if to.send(seen).is_err() {
            return;
        }
        thread::sleep(every);
    }
}

fn look(control: Option<&Place>, line: &mut Option<Line>) -> Result<Snapshot, Refusal> {
    let line = match line {
        Some(line) => line,
        None => line.insert(Line::open(control)?),
    };
    let tracking: Value = line.get("tracking")?;
    Ok(Snapshot {
        tracking: understood(tracking)?,
        members: understood(line.get("peers")?)?,
        events: understood(line.get("events")?)?,
        round_trip: understood(line.get("histogram")?)?,
    })
}
