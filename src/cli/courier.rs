//! What a daemon prints, carried by a thread of its own: a reader that is slow or stuck holds up the
//! words, and never the clock.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::failure::Failure;

/// Bytes that may wait for a reader; what comes then is left out, and counted.
const ROOM: usize = 1 << 20;
/// A reader that takes nothing for so long while the daemon ends is not waited for any more.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where words go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// One thread for both streams, so that what is said on them stays in its order.
#[derive(Debug)]
pub(super) struct Courier {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    /// Something was put on the desk, or was carried away.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<(Stream, String)>,
    bytes: usize,
    /// Where the one that is on its way goes.
    leaving: Option<Stream>,
    carried: u64,
    left_out: u64,
    broken: Option<Failure>,
}

impl Courier {
    /// A courier to standard output and standard error.
    ///
    /// # Errors
    /// Where no thread is to be had.
    pub(super) fn hire() -> io::Result<Self> {
        Self::with(|stream, text| match stream {
            Stream::Output => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
            Stream::Error => io::stderr().write_all(text.as_bytes()),
        })
    }

    fn with(
        write: impl FnMut(Stream, &str) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("courier".into()).spawn(move || theirs.carry(write))?;
        Ok(Self { shared })
    }

    /// Takes `text` along, unless too much is waiting.
    pub(super) fn send(&self, stream: Stream, text: String) {
        let mut desk = self.shared.desk();
        if desk.broken.is_some() && stream == Stream::Output {
            return;
        }
        if desk.bytes + text.len() > ROOM && !desk.waiting.is_empty() {
            desk.left_out += 1;
            return;
        }
        desk.bytes += text.len();
        desk.waiting.push_back((stream, text));
        self.shared.moved.notify_all();
    }

    /// How many texts were left out since this was asked, once there is room to say so.
    pub(super) fn left_out(&self) -> u64 {
        let mut desk = self.shared.desk();
        if desk.bytes > ROOM / 2 { 0 } else { std::mem::take(&mut desk.left_out) }
    }

    /// Why standard output takes nothing any more; none while all is well.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.shared.desk().broken.clone()
    }

    /// Waits until all has been carried, as long as it gets on.
    ///
    /// # Errors
    /// Where standard output did not take all.
    pub(super) fn farewell(&self) -> Result<(), Failure> {
        let mut desk = self.shared.desk();
        loop {
            let before = desk.carried;
            let same = |desk: &mut Desk| !desk.is_clear() && desk.carried == before;
            let waited = self.shared.moved.wait_timeout_while(desk, FAREWELL, same);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
            if desk.is_clear() {
                return desk.broken.clone().map_or(Ok(()), Err);
            }
            if desk.carried == before {
                // Where standard error is stuck nobody is left to complain to.
                return Err(match desk.leaving {
                    Some(Stream::Error) => Failure::Said(1),
                    _ => Failure::failed("standard output: its reader does not take what is said"),
                });
            }
        }
    }
}

impl Desk {
    fn is_clear(&self) -> bool {
        self.waiting.is_empty() && self.leaving.is_none()
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, mut write: impl FnMut(Stream, &str) -> io::Result<()>) {
        let mut desk = self.desk();
        loop {
            let Some((stream, text)) = desk.waiting.pop_front() else {
                desk = self.moved.wait(desk).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            desk.leaving = Some(stream);
            drop(desk);
            let written = write(stream, &text);
            desk = self.desk();
            desk.leaving = None;
            desk.bytes -= text.len();
            desk.carried += 1;
            // A daemon goes on without a log.
            if let (Err(error), Stream::Output) = (written, stream) {
                desk.broken.get_or_insert_with(|| broken(&error));
            }
            self.moved.notify_all();
        }
    }
}

/// What it means that standard output did not take something.
pub(super) fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        // As with `campanile … | head`: who reads has seen enough.
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::failed(format!("cannot write to standard output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_stuck_reader_holds_up_the_words_alone_and_hears_what_it_has_missed() {
        let (let_go, held) = mpsc::channel::<()>();
        let (heard, told) = mpsc::channel();
        let courier = Courier::with(move |_, text| {
            held.recv().unwrap();
            heard.send(text.len()).unwrap();
            Ok(())
        });
        let courier = courier.unwrap();
        let line = "x".repeat(1_000);
        for _ in 0..5_000 {
            courier.send(Stream::Output, line.clone());
        }
        assert_eq!(courier.left_out(), 0, "there is no room yet to say so");
        assert!(courier.farewell().unwrap_err().text().contains("does not take"));
        let kept = ROOM / line.len();
        for _ in 0..kept {
            let_go.send(()).unwrap();
            assert_eq!(told.recv(), Ok(1_000));
        }
        courier.farewell().unwrap();
        let left_out = courier.left_out();
        assert!((4_990..=5_000).contains(&(left_out as usize + kept)), "{left_out} and {kept}");
        assert_eq!(courier.left_out(), 0);
    }

    #[test]
    fn a_reader_that_goes_is_noticed_and_all_is_said_before_the_end() {
        let courier = Courier::with(|stream, _| match stream {
            Stream::Output => Err(ErrorKind::BrokenPipe.into()),
            Stream::Error => Err(ErrorKind::StorageFull.into()),
        });
        let courier = courier.unwrap();
        courier.send(Stream::Error, "a log that cannot be written ends nothing\n".to_owned());
        courier.farewell().unwrap();
        courier.send(Stream::Output, "a line\n".to_owned());
        assert_eq!(courier.farewell(), Err(Failure::ReaderGone));
        assert_eq!(courier.failure(), Some(Failure::ReaderGone));
    }
}
