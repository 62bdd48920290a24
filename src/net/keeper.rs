//! Writes down what a core must find again after a restart, on a thread of its own: a disk may
//! take seconds, or for ever, and polls and signals must not wait for it.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use mio::Waker;

use crate::proto::Ballot;

/// Writes a ballot whole or not at all; says whether it is safe now.
pub type Keep = Arc<dyn Fn(Ballot) -> bool + Send + Sync>;

/// The writer of a node. A node without one keeps nothing, and says so by answering at once.
pub(super) struct Keeper {
    keep: Option<Keep>,
    waker: Arc<Waker>,
    running: Option<(Ballot, Receiver<bool>)>,
    next: Option<Ballot>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { keep: None, waker, running: None, next: None }
    }

    pub(super) fn set(&mut self, keep: Keep) {
        self.keep = Some(keep);
    }

    /// Begins to write; of those that wait only the newest is worth it. Where nothing is kept the
    /// answer is there at once.
    pub(super) fn begin(&mut self, ballot: Ballot) -> Option<(Ballot, bool)> {
        let Some(keep) = &self.keep else { return Some((ballot, true)) };
        if self.running.is_some() {
            self.next = Some(ballot);
            return None;
        }
        let (sender, receiver) = channel();
        let (keep, waker) = (Arc::clone(keep), Arc::clone(&self.waker));
        let write = move || {
            // The node may have ended meanwhile; then nobody waits for this.
            let _ = sender.send(keep(ballot));
            let _ = waker.wake();
        };
        match std::thread::Builder::new().name("keeper".into()).spawn(write) {
            Ok(_) => {
                self.running = Some((ballot, receiver));
                None
            }
            Err(_) => Some((ballot, false)),
        }
    }

    /// What has become of the last one, once it is known.
    pub(super) fn done(&mut self) -> Option<(Ballot, bool)> {
        let (ballot, receiver) = self.running.as_ref()?;
        let written = match receiver.try_recv() {
            Ok(written) => written,
            Err(TryRecvError::Disconnected) => false,
            Err(TryRecvError::Empty) => return None,
        };
        let ballot = *ballot;
        self.running = None;
        // What was begun while this was written comes after it.
        if let Some(next) = self.next.take()
            && let Some(failed) = self.begin(next)
        {
            return Some(failed);
        }
        Some((ballot, written))
    }
}
