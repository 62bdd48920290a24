use super::*;
use crate::proto::settings::{Identity, MasterSettings};
use crate::time::Map;
use crate::wire::{Rank, Term};

const START: Time<Local> = Time::from_nanos(1_000_000_000);
const SLAVE: NodeId = NodeId(2);
/// What the master remembers of its own rate.
const OWN: Rate = Rate::from_ppm(3.0);

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}

fn master() -> Master {
    let identity = Identity { id: NodeId(1), boot: BootId(1), name: Name::nearest("master") };
    let settings = MasterSettings { saved_rate: Some(OWN), ..MasterSettings::new(identity) };
    let course = Map { at: START, reads: Time::from_nanos(0), rate: Rate::ZERO };
    Master::new(START, settings, course, [7; 32])
}

fn header(boot: u32) -> Header {
    let (sender, receiver, boot) = (SLAVE, NodeId(1), BootId(boot));
    Header { sender, receiver, boot, term: Term(1), rank: Rank(0), sequence: 1 }
}

fn join(name: &str, saved_rate: Option<Rate>) -> Join {
    Join { nonce: 1, name: Name::nearest(name), saved_rate, standby: false, challenge: 0 }
}

/// A master with one slave at port 1, of boot 1.
fn with_slave(saved: Option<Rate>) -> (Master, Place) {
    let mut master = master();
    let admission = master.admit(START, addr(1), &header(1), &join("slave", saved));
    assert_eq!(admission, Admission::Accepted);
    let place = master.roster.by_id(SLAVE).unwrap();
    (master, place)
}

/// What is remembered of the slave's rate, and what its track begins with.
fn believed_of(saved: f64, is_restart: bool) -> (Option<Rate>, Option<Rate>) {
    let saved = Some(Rate::from_ppm(saved));
    let (mut master, place) = with_slave(saved.filter(|_| !is_restart));
    if is_restart {
        master.restart(place, &header(2), saved);
    }
    let member = master.roster.get(place).unwrap();
    (member.saved.get(), member.track.remembered())
}

#[test]
fn a_remembered_rate_is_believed_where_a_slave_can_have_learned_it() {
    for is_restart in [false, true] {
        for good in [-500.0, 0.0, 31.5, 500.0] {
            let (saved, prior) = believed_of(good, is_restart);
            let near = |rate: Option<Rate>, ppm: f64| (rate.unwrap().as_ppm() - ppm).abs() < 0.3;
            assert!(near(saved, good), "{good} ppm: {saved:?}");
            // Where cluster time is that much faster than the slave the slave is slower than the master.
            assert!(near(prior, OWN.as_ppm() - good), "{good} ppm: {prior:?}");
        }
        for bad in [-100_000.0, -501.0, 501.0, 100_000.0] {
            assert_eq!(believed_of(bad, is_restart), (None, None), "{bad} ppm");
        }
    }
}

#[test]
fn who_restarts_and_tells_no_rate_or_none_that_can_be_has_the_one_it_told_before() {
    let told = Rate::from_ppm(31.5);
    for now in [None, Some(Rate::from_ppm(2_000.0))] {
        let (mut master, place) = with_slave(Some(told));
        master.restart(place, &header(2), now);
        let member = master.roster.get(place).unwrap();
        assert_eq!(member.saved.get(), Some(told), "{now:?}");
        let begins = member.track.remembered().unwrap().as_ppm();
        assert!((begins - (OWN.as_ppm() - 31.5)).abs() < 0.3, "{now:?}: {begins} ppm");
    }
}

#[test]
fn a_standby_is_told_at_once_who_has_left() {
    let (mut master, place) = with_slave(None);
    master.roster.answered(place);
    let standby = Header { sender: NodeId(3), ..header(1) };
    master.admit(START, addr(3), &standby, &Join { standby: true, ..join("standby", None) });
    let other = master.roster.by_id(NodeId(3)).unwrap();
    master.roster.get_mut(other).unwrap().reach = 1;
    master.roster.set_standby(other, Some(Rank(1)));
    master.pending.clear();
    master.on_leave(&header(1)).unwrap();
    let told = master.pending.iter().filter_map(|pending| match pending {
        Pending::Entry { place, entry } => Some((*place, entry.id)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(other, SLAVE)]);
}

#[test]
fn who_comes_to_the_address_of_another_does_not_begin_with_its_rate() {
    let (mut master, place) = with_slave(Some(Rate::from_ppm(-60.0)));
    let other = Header { sender: NodeId(3), ..header(1) };
    master.restart(place, &other, None);
    let member = master.roster.get(place).unwrap();
    assert_eq!((member.saved.get(), member.track.remembered()), (None, None));
}

/// Where a slave is polled, of which boot and by which name, when it has joined from `from` again as
/// `boot`; it was known, was asked in as many slots as there are bits in `slots` and answered where
/// they are set, newest last.
fn after_rejoin(known: bool, slots: &str, from: u16, boot: u32) -> (u16, BootId, String) {
    let (mut master, place) = with_slave(None);
    if known {
        master.roster.answered(place);
    }
    let member = master.roster.get_mut(place).unwrap();
    member.polled = !slots.is_empty();
    member.reach = slots.bytes().fold(0, |reach, slot| reach << 1 | u8::from(slot == b'1'));
    master.rejoin(place, addr(from), &header(boot), &join("renamed", None));
    assert_eq!(
        master.roster.by_addr(addr(from)),
        (from == 1 || moved(&master, place)).then_some(place)
    );
    let member = master.roster.get(place).unwrap();
    (member.who.addr.port(), member.boot, member.who.name.to_string())
}

fn moved(master: &Master, place: Place) -> bool {
    master.roster.get(place).unwrap().who.addr != addr(1)
}

#[test]
fn a_join_from_elsewhere_moves_a_slave_that_is_silent_where_it_was() {
    let renamed = |port, boot| (port, BootId(boot), "renamed".to_owned());
    assert_eq!(after_rejoin(true, "1", 9, 1), renamed(1, 1), "it answers from there");
    assert_eq!(after_rejoin(true, "10000000", 9, 1), renamed(1, 1), "one of eight is enough");
    assert_eq!(after_rejoin(true, "0", 9, 1), renamed(9, 1), "one silent slot and no other");
    assert_eq!(after_rejoin(true, "00000000", 9, 1), renamed(9, 1));
    assert_eq!(after_rejoin(true, "", 9, 1), renamed(1, 1), "it was not asked there yet");
    assert_eq!(after_rejoin(false, "", 9, 1), renamed(9, 1), "it has never answered from there");
    assert_eq!(after_rejoin(true, "1", 9, 2), renamed(9, 2), "it was restarted");
    assert_eq!(after_rejoin(true, "1", 1, 2), renamed(1, 2), "it was restarted where it was");
    assert_eq!(after_rejoin(true, "0", 1, 1), renamed(1, 1), "its welcome was lost");
}
