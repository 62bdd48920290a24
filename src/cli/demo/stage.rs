//! The play: every node on a thread of its own, and this one watching.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::DemoArgs;
use super::board::Board;
use super::cast::Actor;
use super::scene::Scene;
use super::view::View;
use crate::cli::daemon::failure;
use crate::cli::failure::Failure;
use crate::cli::out::Out;
use crate::clock::{Clock, Oscillator, VirtualClock};
use crate::net::{Ended, Endpoint, Moment, NetError, Node, Observer, Signals, Stopper};
use crate::os;
use crate::proto::{Core, Event, Master, MasterSettings, Slave, SlaveSettings};
use crate::report::LogWriter;
use crate::time::{Local, Map, Rate, Raw, Shown, Span, Time};

/// How often the picture is drawn anew.
const PERIOD: Span = Span::from_millis(100);
const FRAME: Duration = Duration::from_nanos(PERIOD.as_nanos());
/// What a demo may take beyond its rounds before it is given up.
const GRACE: Span = Span::from_secs(10);

/// Why the play ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// All rounds were played, or nobody looks any more.
    Played,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// What a node's thread tells.
enum News {
    Event { node: usize, event: Event },
    Ended(Result<Ended, NetError>),
}

/// Passes on what a node's core tells, and pins up its clock's course.
struct Reporter {
    node: usize,
    board: Arc<Board>,
    news: Sender<News>,
}

impl Observer for Reporter {
    fn event(&mut self, _: &Moment, event: &Event) {
        // Whoever watched may have gone already.
        let _ = self.news.send(News::Event { node: self.node, event: event.clone() });
    }

    fn course(&mut self, _: &Moment, course: &Map<Raw, Shown>) {
        self.board.pin(self.node, *course);
    }
}

/// A node that is ready to run.
type Entrance = Box<dyn FnOnce(Reporter) -> Result<Ended, NetError> + Send>;

/// All nodes, and what is seen of them.
pub(super) struct Stage {
    board: Arc<Board>,
    entrances: Vec<Entrance>,
    stoppers: Vec<Stopper>,
    threads: Vec<JoinHandle<()>>,
    scene: Scene,
}

impl Stage {
    /// Binds all sockets and opens the report file; nothing runs yet.
    ///
    /// # Errors
    /// Where a socket or the file cannot be had.
    pub(super) fn set(cast: Vec<Actor>, args: &DemoArgs) -> Result<Self, Failure> {
        let mut builder = Builder::default();
        let mut master = None;
        for actor in &cast {
            let endpoint = Endpoint::bind(([127, 0, 0, 1], 0).into()).map_err(failure)?;
            let identity = actor.identity.clone();
            match master {
                None => {
                    master = Some(endpoint.local_addr());
                    let settings =
                        MasterSettings { interval: args.interval, ..MasterSettings::new(identity) };
                    let signals = Signals::catch().map_err(failure)?;
                    builder.add(actor, endpoint, signals, |now, course| {
                        Master::new(now, settings, course, actor.seed)
                    })?;
                }
                Some(addr) => {
                    let settings =
                        SlaveSettings { masters: vec![addr], ..SlaveSettings::new(identity) };
                    builder.add(actor, endpoint, Signals::none(), |now, course| {
                        Slave::new(now, settings, course, actor.seed)
                    })?;
                }
            }
        }
        let log = match &args.report {
            Some(path) => Some(LogWriter::create(path, os::realtime()).map_err(Failure::failed)?),
            None => None,
        };
        let board = Board::new(builder.courses);
        let now = os::monotonic_raw();
        Ok(Self {
            scene: Scene::new(cast, board.errors(now), now, log),
            board: Arc::new(board),
            entrances: builder.entrances,
            stoppers: builder.stoppers,
            threads: Vec::new(),
        })
    }

    /// Lets all nodes run, and shows what they do, until all rounds are played.
    ///
    /// # Errors
    /// Where a node fails, or the rounds take far too long.
    pub(super) fn play(
        &mut self,
        args: &DemoArgs,
        view: &mut View,
        out: &mut Out,
    ) -> Result<Close, Failure> {
        let news = self.raise_the_curtain()?;
        let latest =
            os::monotonic_raw() + args.interval.times(args.rounds.saturating_mul(3)) + GRACE;
        let mut drawn = os::monotonic_raw();
        loop {
            let got = match news.recv_timeout(FRAME) {
                Ok(News::Event { node, event }) => self.scene.note(node, &event),
                Ok(News::Ended(Ok(_))) => return Ok(Close::Interrupted),
                Ok(News::Ended(Err(error))) => return Err(failure(error)),
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::failed("all nodes have ended by themselves"));
                }
            };
            let now = os::monotonic_raw();
            let over = self.scene.round() >= args.rounds || out.failure().is_some();
            if got {
                self.look(now);
                out.text(&view.round(&self.scene));
            }
            if over || now.since(drawn) >= PERIOD {
                drawn = now;
                self.look(now);
                out.text(&view.frame(&self.scene));
            }
            if over {
                return Ok(Close::Played);
            }
            if now > latest {
                let rounds = self.scene.round();
                let why = format!("only {rounds} of {} rounds came to pass", args.rounds);
                return Err(Failure::failed(why));
            }
        }
    }

    fn look(&mut self, now: Time<Raw>) {
        self.scene.see(now, self.board.errors(now));
    }

    fn raise_the_curtain(&mut self) -> Result<Receiver<News>, Failure> {
        let (sender, receiver) = channel();
        for (node, entrance) in self.entrances.drain(..).enumerate() {
            let news = sender.clone();
            let reporter = Reporter { node, board: Arc::clone(&self.board), news: sender.clone() };
            let play = move || {
                let ended = entrance(reporter);
                let _ = news.send(News::Ended(ended));
            };
            let thread = thread::Builder::new().name(format!("node-{node}")).spawn(play);
            let refused = |error| Failure::failed(format!("cannot start a thread: {error}"));
            self.threads.push(thread.map_err(refused)?);
        }
        Ok(receiver)
    }

    /// Ends all nodes, the slaves first, and gives what was seen.
    ///
    /// # Errors
    /// Where a node's thread has died.
    pub(super) fn leave(mut self) -> Result<Scene, Failure> {
        let mut died = false;
        for (stopper, thread) in self.stoppers.iter().zip(self.threads.drain(..)).rev() {
            stopper.stop();
            died |= thread.join().is_err();
        }
        self.scene.close();
        if died { Err(Failure::failed("a node has died; this is a bug")) } else { Ok(self.scene) }
    }
}

/// Puts the nodes together.
#[derive(Default)]
struct Builder {
    courses: Vec<Map<Raw, Shown>>,
    entrances: Vec<Entrance>,
    stoppers: Vec<Stopper>,
}

impl Builder {
    fn add<C: Core + Send + 'static>(
        &mut self,
        actor: &Actor,
        endpoint: Endpoint,
        signals: Signals,
        core: impl FnOnce(Time<Local>, Map<Local, Shown>) -> C,
    ) -> Result<(), Failure> {
        let oscillator = Oscillator::drifting_from_now(actor.drift);
        let now = oscillator.read();
        let mut clock = VirtualClock::new(now, os::realtime() + actor.offset, Rate::ZERO);
        let course = clock.map(now);
        let core = core(now, course);
        let node = Node::new(endpoint, core, clock, oscillator, Vec::new()).map_err(failure)?;
        self.courses.push(oscillator.over_raw(&course));
        self.stoppers.push(node.stopper());
        self.entrances.push(Box::new(move |mut reporter| node.run(&mut reporter, signals, None)));
        Ok(())
    }
}
