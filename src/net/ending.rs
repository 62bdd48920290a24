//! How a node ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

/// Why a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// SIGTERM or SIGINT.
    Signal,
    /// Its time was over.
    Duration,
    /// The observer has seen enough.
    Observer,
    /// A [`Stopper`].
    Stopper,
    /// The core ended by itself.
    Core,
}

/// Ends a node in order from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { stop: Arc::default(), waker }
    }

    /// Lets the node take leave and return from [`super::Node::run`]. May be called often, and
    /// before or after it runs.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        // A loop that is gone needs no waking.
        let _ = self.waker.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
