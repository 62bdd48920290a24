//! Nodes of one process on real sockets, watched, and judged against the truth: all of them stand
//! on one raw counter, so an observer knows what each shows at one and the same instant.

#![allow(dead_code, reason = "no test file uses all of it")]

pub mod daemon;
pub mod keys;
pub mod lan;
pub mod reply;

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use campanile::clock::{Oscillator, VirtualClock};
use campanile::net::{
    Ended, Endpoint, Moment, NetError, NetStats, Node, Observer, Signals, Stopper,
};
use campanile::proto::{
    Core, Counters, Event, Identity, Input, Master, MasterSettings, Output, Slave, SlaveSettings,
};
use campanile::time::{Local, Map, Offset, Rate, Raw, Shown, Span, Time};
use campanile::wire::{BootId, Buffer, Name, NodeId};

/// What is true on Shown when the raw counter reads 0.
const EPOCH: i64 = 1_700_000_000_000_000_000;
/// The counters are copied this often.
const LOOK: Span = Span::from_millis(50);

pub fn raw_now() -> Time<Raw> {
    let plain = Oscillator::plain();
    plain.raw_at(plain.read())
}

pub fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Writes a file that nobody else may read, such as one of keys.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until `condition` holds, `secs` at most; whether it does.
pub fn within(secs: u64, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(secs);
    while Instant::now() < until {
        if condition() {
            return true;
        }
        sleep(20);
    }
    condition()
}

/// What a watched node has told.
#[derive(Default)]
pub struct Seen {
    pub courses: Vec<Map<Raw, Shown>>,
    pub events: Vec<Event>,
    pub counters: Counters,
    pub net: NetStats,
    pub finished: bool,
    next: Option<Time<Local>>,
}

/// Watches a node from its thread; the clones read what it saw.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

impl Watch {
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.seen().events.iter().filter(|event| matches(event)).count()
    }

    pub fn rounds(&self) -> usize {
        self.count(|event| matches!(event, Event::Round(_)))
    }

    /// What the node showed at a raw instant.
    pub fn showed(&self, at: Time<Raw>) -> Time<Shown> {
        showed(&self.seen().courses, at)
    }
}

impl Observer for Watch {
    fn event(&mut self, _: &Moment, event: &Event) {
        self.seen().events.push(event.clone());
    }

    fn course(&mut self, _: &Moment, course: &Map<Raw, Shown>) {
        self.seen().courses.push(*course);
    }

    fn deadline(&self) -> Option<Time<Local>> {
        Some(self.seen().next.unwrap_or(Time::from_nanos(0)))
    }

    fn due(&mut self, moment: &Moment, counters: &Counters, net: &NetStats) -> ControlFlow<()> {
        let mut seen = self.seen();
        (seen.counters, seen.net) = (counters.clone(), *net);
        seen.next = Some(moment.local + LOOK);
        ControlFlow::Continue(())
    }

    fn finish(&mut self, _: &Moment, counters: &Counters, net: &NetStats) {
        let mut seen = self.seen();
        (seen.counters, seen.net) = (counters.clone(), *net);
        seen.finished = true;
    }
}

/// What a clock of these courses showed at a raw instant.
pub fn showed(courses: &[Map<Raw, Shown>], at: Time<Raw>) -> Time<Shown> {
    let after = courses.partition_point(|course| course.at <= at);
    courses[after.max(1) - 1].reading(at)
}

/// Greatest minus least.
pub fn width(shown: &[Time<Shown>]) -> Span {
    shown.iter().max().unwrap().since(*shown.iter().min().unwrap())
}

/// The truth: greatest minus least Shown of all nodes at a raw instant.
pub fn spread(nodes: &[&Running], at: Time<Raw>) -> Span {
    width(&nodes.iter().map(|node| node.watch.showed(at)).collect::<Vec<_>>())
}

/// The greatest true spread from `from` to now, looked at every 5 ms.
pub fn worst_spread(nodes: &[&Running], from: Time<Raw>) -> Span {
    instants(from, raw_now()).map(|at| spread(nodes, at)).max().unwrap()
}

/// Every 5 ms from `from` to `to`.
pub fn instants(from: Time<Raw>, to: Time<Raw>) -> impl Iterator<Item = Time<Raw>> {
    (0..).map(move |n| from + Span::from_millis(5).times(n)).take_while(move |at| *at <= to)
}

/// How wrong a node's clock is at its start.
#[derive(Clone, Copy)]
pub struct Wrong {
    pub offset_ms: i64,
    pub drift_ppm: f64,
}

pub fn identity(number: u64, boot: u32) -> Identity {
    Identity {
        id: NodeId(number),
        boot: BootId(boot),
        name: Name::new(&format!("node-{number}")).unwrap(),
    }
}

/// Rounds of a quarter of a second, and a round trip limit for a busy machine.
pub fn brisk(number: u64) -> MasterSettings {
    MasterSettings {
        interval: Span::from_millis(250),
        max_rtt: Span::from_millis(100),
        ..MasterSettings::new(identity(number, 1))
    }
}

/// A node on a thread of its own. Dropped, it takes leave and ends.
pub struct Running {
    pub addr: SocketAddr,
    pub watch: Watch,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<Ended, NetError>>>,
}

impl Running {
    pub fn master(listen: &str, settings: MasterSettings, wrong: Wrong) -> Running {
        let seed = [settings.identity.id.0 as u8; 32];
        Self::start(bind(listen), wrong, |now, course| Master::new(now, settings, course, seed))
    }

    pub fn slave(listen: &str, settings: SlaveSettings, wrong: Wrong) -> Running {
        let seed = [settings.identity.id.0 as u8; 32];
        Self::start(bind(listen), wrong, |now, course| Slave::new(now, settings, course, seed))
    }

    /// As [`Running::slave`], but it ends without taking leave, as if killed.
    pub fn mortal(listen: &str, settings: SlaveSettings, wrong: Wrong) -> Running {
        let seed = [settings.identity.id.0 as u8 ^ settings.identity.boot.0 as u8; 32];
        Self::start(bind(listen), wrong, |now, course| Mortal {
            core: Slave::new(now, settings, course, seed),
            dead: false,
        })
    }

    fn start<C: Core + Send + 'static>(
        endpoint: Endpoint,
        wrong: Wrong,
        core: impl FnOnce(Time<Local>, Map<Local, Shown>) -> C,
    ) -> Running {
        let oscillator = Oscillator::drifting_from_now(Rate::from_ppm(wrong.drift_ppm));
        let now = oscillator.read();
        let offset = Offset::from_nanos(wrong.offset_ms * 1_000_000);
        let truth = Time::<Shown>::from_nanos(EPOCH + oscillator.raw_at(now).as_nanos());
        let course = Map { at: now, reads: truth + offset, rate: Rate::ZERO };
        let clock = VirtualClock::new(course.at, course.reads, course.rate);
        let addr = endpoint.local_addr();
        let core = core(now, course);
        let node = Node::new(endpoint, core, clock, oscillator, Vec::new()).unwrap();
        let stopper = node.stopper();
        let watch = Watch::default();
        let mut observer = watch.clone();
        let run = move || node.run(&mut observer, Signals::none(), None);
        let thread = Some(std::thread::spawn(run));
        let running = Running { addr, watch, stopper, thread };
        assert!(within(5, || !running.watch.seen().courses.is_empty()), "the node has not begun");
        running
    }

    pub fn stop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join().expect("the node's thread panicked");
            assert_eq!(ended, Ok(Ended::Stopper));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the node has been printed; two at once would abort the tests.
            let _ = thread.join();
        }
    }
}

fn bind(listen: &str) -> Endpoint {
    Endpoint::bind(listen.parse().unwrap()).unwrap()
}

/// A core that does not say good-bye.
struct Mortal<C> {
    core: C,
    dead: bool,
}

impl<C: Core> Core for Mortal<C> {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        if matches!(input, Input::Stop) {
            self.dead = true;
        } else {
            self.core.handle(now, input);
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        if self.dead { None } else { self.core.poll(now, buffer) }
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.core.deadline()
    }

    fn done(&self) -> bool {
        self.dead
    }

    fn counters(&self) -> &Counters {
        self.core.counters()
    }
}
