//! The attacker on real sockets, in the middle of the path: it records, cuts the line, and sends
//! what it likes from where the master is.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use campanile::proto::{Drop as Reason, Event, MasterSettings, SlaveSettings, Trust};
use campanile::wire::LEN;

use crate::common::{Running, Wrong, brisk, identity, raw_now, sleep, spread, within};
use crate::table::{cluster_key, node_key};

/// All that passed: whether towards the slave, and what.
type Tape = Vec<(bool, Vec<u8>)>;

/// Stands between a master and one slave.
struct Middle {
    /// What the slave takes for the master.
    front: Arc<UdpSocket>,
    /// What the master takes for the slave.
    back: Arc<UdpSocket>,
    cut: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    slave: Arc<Mutex<Option<SocketAddr>>>,
    tape: Arc<Mutex<Tape>>,
    threads: Vec<JoinHandle<()>>,
}

fn socket() -> Arc<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    Arc::new(socket)
}

impl Middle {
    fn before(master: SocketAddr) -> Middle {
        let mut middle = Middle {
            front: socket(),
            back: socket(),
            cut: Arc::default(),
            end: Arc::default(),
            slave: Arc::default(),
            tape: Arc::default(),
            threads: Vec::new(),
        };
        middle.threads = vec![middle.relay(true, master), middle.relay(false, master)];
        middle
    }

    fn relay(&self, to_slave: bool, master: SocketAddr) -> JoinHandle<()> {
        let (front, back) = (Arc::clone(&self.front), Arc::clone(&self.back));
        let (cut, end) = (Arc::clone(&self.cut), Arc::clone(&self.end));
        let (slave, tape) = (Arc::clone(&self.slave), Arc::clone(&self.tape));
        std::thread::spawn(move || {
            let (inside, outside) = if to_slave { (back, front) } else { (front, back) };
            let mut bytes = [0; 2 * LEN];
            while !end.load(Ordering::Relaxed) {
                let Ok((len, from)) = inside.recv_from(&mut bytes) else { continue };
                if !to_slave {
                    *slave.lock().unwrap() = Some(from);
                }
                if cut.load(Ordering::Relaxed) {
                    continue;
                }
                tape.lock().unwrap().push((to_slave, bytes[..len].to_vec()));
                let to = if to_slave { *slave.lock().unwrap() } else { Some(master) };
                if let Some(to) = to {
                    let _ = outside.send_to(&bytes[..len], to);
                }
            }
        })
    }

    /// Speaks to the slave from where it takes the master to be.
    fn tell(&self, bytes: &[u8]) {
        let slave = self.slave.lock().unwrap().expect("the slave has spoken");
        self.front.send_to(bytes, slave).unwrap();
        // No faster than it reads.
        std::thread::sleep(Duration::from_micros(300));
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn trust(keys: campanile::wire::Keyring) -> Trust {
    Trust { keys, source_rate: Trust::MOST_SOURCE_RATE, ..Trust::default() }
}

#[test]
fn the_attacker_on_the_path_is_believed_nothing() {
    let settings = MasterSettings { trust: trust(cluster_key(1, 7)), ..brisk(1) };
    let master = Running::master("127.0.0.1:0", settings, Wrong { offset_ms: 0, drift_ppm: 5.0 });
    let middle = Middle::before(master.addr);
    let settings = SlaveSettings {
        masters: vec![middle.front.local_addr().unwrap()],
        trust: trust(node_key(1, 7, 2)),
        ..SlaveSettings::new(identity(2, 1))
    };
    let slave = Running::slave("127.0.0.1:0", settings, Wrong { offset_ms: 4, drift_ppm: 30.0 });
    let met = within(20, || spread(&[&master, &slave], raw_now()).as_nanos() < 1_000_000);
    assert!(met, "they meet through the relay");
    sleep(2_000);
    // From here on nothing genuine comes through: the clock works off what it was told last, and
    // a straight line is what it does but for some microseconds.
    middle.cut.store(true, Ordering::Relaxed);
    sleep(1_500);
    let line = *slave.watch.seen().courses.last().unwrap();
    let moved = |e: &Event| {
        matches!(e, Event::Adjusted(_) | Event::Stepped { .. } | Event::MasterLeft { .. })
            || matches!(e, Event::Following(_) | Event::Refused(_))
    };
    let before = slave.watch.count(moved);
    let dropped = |reason| slave.watch.seen().counters.dropped(reason);
    let expect = |reason: Reason, sent: u64, attack: &dyn Fn()| {
        let old = dropped(reason);
        attack();
        let counted = within(5, || dropped(reason) - old >= sent);
        println!("{}: {sent} sent, {} dropped", reason.name(), dropped(reason) - old);
        assert!(counted && dropped(reason) - old == sent, "{}", reason.name());
    };
    let tape: Vec<_> = middle.tape.lock().unwrap().clone();
    let is = |kind: u8| move |bytes: &&Vec<u8>| bytes[3] == kind;
    let to_slave: Vec<_> = tape.iter().filter(|t| t.0).map(|t| &t.1).collect();
    let from_slave: Vec<_> = tape.iter().filter(|t| !t.0).map(|t| &t.1).collect();
    let known: Vec<_> = to_slave.iter().copied().filter(|b| b[3] > 2).collect();
    assert!(known.len() > 30, "{} were recorded", known.len());

    let all = |datagrams: &[&Vec<u8>], change: &dyn Fn(&mut Vec<u8>)| {
        for datagram in datagrams {
            let mut bytes = (*datagram).clone();
            change(&mut bytes);
            middle.tell(&bytes);
        }
    };
    let count = |datagrams: &[&Vec<u8>]| datagrams.len() as u64;
    expect(Reason::Replayed, count(&known), &|| all(&known, &|_| {}));
    let welcomes: Vec<_> = to_slave.iter().copied().filter(is(2)).collect();
    expect(Reason::Replayed, count(&welcomes), &|| all(&welcomes, &|_| {}));
    expect(Reason::Own, count(&from_slave), &|| all(&from_slave, &|_| {}));
    let short = Reason::Rejected(campanile::wire::Reject::Length);
    expect(short, count(&known), &|| all(&known, &|b| b.truncate(LEN - 24)));
    // One bit of the rate of an adjust; a term; another sender; another number.
    let adjusts: Vec<_> = known.iter().copied().filter(is(6)).collect();
    expect(Reason::BadMac, count(&adjusts), &|| all(&adjusts, &|b| b[70] ^= 1));
    expect(Reason::BadMac, count(&adjusts), &|| all(&adjusts, &|b| b[31] = 9));
    expect(Reason::BadMac, count(&adjusts), &|| all(&adjusts, &|b| b[15] = 77));
    expect(Reason::BadMac, count(&adjusts), &|| all(&adjusts, &|b| b[33] = 9));
    // No seal at all, and the number of a key that nobody has.
    expect(Reason::Unsigned, count(&known), &|| all(&known, &|b| b[168..].fill(0)));
    expect(Reason::UnknownKey, count(&known), &|| all(&known, &|b| b[168] = 1));
    assert_eq!(slave.watch.count(moved), before, "it believed something");
    let now = raw_now();
    let aside = (slave.watch.showed(now) - line.reading(now)).abs();
    println!("{aside:?} beside the line");
    assert!(aside.as_nanos() < 50_000, "{aside:?} beside the line");
    // The path is whole again, and all is as it was.
    middle.cut.store(false, Ordering::Relaxed);
    assert!(within(20, || slave.watch.count(moved) > before), "it follows again");
}
