//! What master and slave decide, driven by hand: no socket, no clock, every datagram in our hands.

use std::net::SocketAddr;

use campanile::clock::Adjustment;
use campanile::proto::{
    Adjusted, Core, Drop, Event, Identity, Input, Master, MasterSettings, Output, Slave,
    SlaveSettings, Stamp,
};
use campanile::time::{Local, Map, Offset, Rate, Shown, Span, Time};
use campanile::wire::{BootId, Buffer, Datagram, LEN, Message, Name, NodeId};

const ONE_WAY: Span = Span::from_micros(50);

fn addr(node: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], node))
}

fn identity(node: u64) -> Identity {
    let name = Name::new(&format!("node-{node}")).expect("a good name");
    Identity { id: NodeId(node), boot: BootId(1), name }
}

/// A node on the table: its core, its clock, and its Local, which is `ahead` of true time.
struct Node<C> {
    core: C,
    addr: SocketAddr,
    ahead: Offset,
    course: Map<Local, Shown>,
    events: Vec<Event>,
}

impl<C: Core> Node<C> {
    fn local(&self, now: Time<Local>) -> Time<Local> {
        now + self.ahead
    }

    /// Drains the core; what it sends comes back.
    fn drain(&mut self, now: Time<Local>) -> Vec<(SocketAddr, Buffer)> {
        let local = self.local(now);
        let (mut sent, mut buffer) = (Vec::new(), [0; LEN]);
        while let Some(output) = self.core.poll(local, &mut buffer) {
            match output {
                Output::Send { to, .. } => sent.push((to, buffer)),
                Output::Event(event) => self.events.push(event),
                Output::Publish(_) | Output::Keep(_) => {}
                Output::Steer(adjustment) => {
                    let here = self.course.anchored_at(local);
                    self.course = match adjustment {
                        Adjustment::Run { rate } => Map { rate, ..here },
                        Adjustment::Step { by, rate } => {
                            Map { reads: here.reads + by, rate, ..here }
                        }
                    };
                    self.core.handle(local, Input::Steered { map: self.course });
                }
            }
        }
        sent
    }

    fn hear(&mut self, now: Time<Local>, from: SocketAddr, bytes: &[u8]) {
        let local = self.local(now);
        self.core.handle(local, Input::Datagram { from, at: Stamp::daemon(local), bytes });
    }
}

/// A master at port 1 and slaves at 2, 3, …; every datagram takes 50 µs, unless it is filtered.
struct Table {
    now: Time<Local>,
    master: Node<Master>,
    slaves: Vec<Node<Slave>>,
    air: Vec<(Time<Local>, SocketAddr, SocketAddr, Buffer)>,
}

type Filter<'a> = &'a dyn Fn(SocketAddr, SocketAddr, &Buffer) -> bool;

impl Table {
    fn new(ahead_ms: &[i64]) -> Self {
        Self::with(ahead_ms, |_| {})
    }

    fn with(ahead_ms: &[i64], change: impl FnOnce(&mut MasterSettings)) -> Self {
        let now = Time::from_nanos(1_000_000_000_000);
        let mut settings = MasterSettings::new(identity(1));
        change(&mut settings);
        let course = course(now, Offset::ZERO);
        let core = Master::new(now, settings, course, [1; 32]);
        let master = Node { core, addr: addr(1), ahead: Offset::ZERO, course, events: Vec::new() };
        let slaves = (2..).zip(ahead_ms).map(|(n, &ms)| slave(now, n, ms)).collect();
        Self { now, master, slaves, air: Vec::new() }
    }

    fn run(&mut self, span: Span) {
        self.run_with(span, &|_, _, _| true);
    }

    fn run_with(&mut self, span: Span, passes: Filter<'_>) {
        let end = self.now + span;
        loop {
            self.drain(passes);
            let next = self.air.iter().map(|flight| flight.0).chain(self.deadlines()).min();
            match next {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => break,
            }
            self.deliver();
        }
        self.now = end;
    }

    fn deadlines(&self) -> impl Iterator<Item = Time<Local>> + '_ {
        let master = self.master.core.deadline();
        let slaves = self.slaves.iter().map(|s| s.core.deadline().map(|d| d - s.ahead));
        std::iter::once(master).chain(slaves).flatten()
    }

    fn drain(&mut self, passes: Filter<'_>) {
        let mut sent: Vec<_> = self
            .master
            .drain(self.now)
            .into_iter()
            .map(|(to, b)| (self.master.addr, to, b))
            .collect();
        for slave in &mut self.slaves {
            let from = slave.addr;
            sent.extend(slave.drain(self.now).into_iter().map(|(to, b)| (from, to, b)));
        }
        sent.retain(|(from, to, bytes)| passes(*from, *to, bytes));
        let there = self.now + ONE_WAY;
        self.air.extend(sent.into_iter().map(|(from, to, bytes)| (there, from, to, bytes)));
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (landed, flying) = self.air.drain(..).partition(|flight| flight.0 <= now);
        self.air = flying;
        let landed: Vec<(Time<Local>, SocketAddr, SocketAddr, Buffer)> = landed;
        for (_, from, to, bytes) in landed {
            if to == self.master.addr {
                self.master.hear(now, from, &bytes);
            }
            for slave in self.slaves.iter_mut().filter(|slave| slave.addr == to) {
                slave.hear(now, from, &bytes);
            }
        }
    }

    fn spread(&self) -> Span {
        let shown = std::iter::once(self.master.course.reading(self.now))
            .chain(self.slaves.iter().map(|s| s.course.reading(s.local(self.now))));
        let (mut least, mut greatest) = (Time::from_nanos(i64::MAX), Time::from_nanos(i64::MIN));
        for shown in shown {
            least = least.min(shown);
            greatest = greatest.max(shown);
        }
        greatest.since(least)
    }
}

/// A clock that shows what Local does, and the epoch on top.
fn course(now: Time<Local>, ahead: Offset) -> Map<Local, Shown> {
    let local = now + ahead;
    Map { at: local, reads: Time::from_nanos(local.as_nanos()), rate: Rate::ZERO }
}

fn slave(now: Time<Local>, port: u16, ahead_ms: i64) -> Node<Slave> {
    let ahead = Offset::from_nanos(ahead_ms * 1_000_000);
    let mut settings = SlaveSettings::new(identity(u64::from(port)));
    settings.masters = vec![addr(1)];
    let course = course(now, ahead);
    let core = Slave::new(now + ahead, settings, course, [port as u8; 32]);
    Node { core, addr: addr(port), ahead, course, events: Vec::new() }
}

fn count(events: &[Event], which: fn(&Event) -> bool) -> usize {
    events.iter().filter(|&event| which(event)).count()
}

#[test]
fn wrong_clocks_come_together() {
    let mut table = Table::new(&[300, -200, 7]);
    assert!(table.spread() > Span::from_millis(400));
    table.run(Span::from_secs(5));
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Joined(_))), 3);
    // Nobody's clock is privileged: the median of −200, 0, 7 and 300 ms is where they meet.
    let met = table.master.course.reading(table.now).as_nanos() - table.now.as_nanos();
    assert!((met - 3_500_000).abs() < 100_000, "met {met} ns ahead of the master");
}

/// When the slave got the polls of a slot, in ns since the first of them, by its own replies.
fn polled_at(table: &mut Table, loses: impl Fn(usize) -> bool) -> Vec<i64> {
    let asked = std::cell::RefCell::new(Vec::new());
    table.run_with(Span::from_secs(1), &|_, _, bytes| match Datagram::decode(bytes) {
        Ok(Datagram { message: Message::Reply(reply), .. }) => {
            asked.borrow_mut().push(reply.t2);
            !loses(asked.borrow().len() - 1)
        }
        _ => true,
    });
    let asked = asked.into_inner();
    asked.iter().map(|&at| at.as_nanos() - asked[0].as_nanos()).collect()
}

#[test]
fn the_second_poll_of_a_pair_leaves_once_the_first_is_answered() {
    let mut table = Table::new(&[10]);
    table.run(Span::from_secs(5));
    assert_eq!(polled_at(&mut table, |_| false), [0, 100_000, 4_000_000, 4_100_000]);
    let lost = polled_at(&mut table, |reply| reply == 0 || reply == 3);
    assert_eq!(lost, [0, 2_000_000, 4_000_000, 4_100_000], "it does not wait for ever");
}

/// How many tenths of a millisecond after a slave's last reply its delta leaves, where that reply comes
/// through and where it does not.
fn delta_after(burst: u8) -> [usize; 2] {
    let mut table = Table::with(&[10], |settings| settings.burst = burst);
    table.run(Span::from_secs(5));
    [false, true].map(|loses| {
        let (replies, now) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let (last, delta) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        for tenth in 0..10_000 {
            now.set(tenth);
            table.run_with(Span::from_micros(100), &|_, _, bytes| match Datagram::decode(bytes) {
                Ok(Datagram { message: Message::Reply(_), .. }) => {
                    replies.set(replies.get() + 1);
                    last.set(now.get());
                    !loses || replies.get() < burst
                }
                Ok(Datagram { message: Message::Adjust(_), .. }) => {
                    delta.set(now.get());
                    true
                }
                _ => true,
            });
        }
        assert_eq!(replies.get(), burst, "a slot a second");
        delta.get() - last.get()
    })
}

#[test]
fn a_delta_leaves_with_the_last_reply_and_waits_for_a_lost_one() {
    let [single, lost] = delta_after(1);
    assert!(single <= 1 && (99..=101).contains(&lost), "{single}, {lost} tenths of a millisecond");
    // The fourth poll of a burst had its moment two milliseconds after the third.
    let [fourth, lost] = delta_after(4);
    assert!(fourth <= 20 && (99..=120).contains(&lost), "{fourth}, {lost} tenths of a millisecond");
}

#[test]
fn lost_replies_are_coasted_over_and_a_long_silence_is_said_once() {
    let mut table = Table::new(&[10, -10, 20]);
    table.run(Span::from_secs(20));
    let cut = |from: SocketAddr, to: SocketAddr, _: &Buffer| from.port() != 3 && to.port() != 3;
    table.run_with(Span::from_secs(5), &cut);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Unreachable(_))), 0);
    table.run_with(Span::from_secs(30), &cut);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Unreachable(_))), 1);
    assert_eq!(count(&table.slaves[1].events, |e| matches!(e, Event::MasterSilent(_))), 1);
    assert_eq!(count(&table.slaves[1].events, |e| matches!(e, Event::Holdover)), 1);
    assert!(table.spread() < Span::from_micros(5), "holdover keeps the rate");
    table.run(Span::from_secs(20));
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Reachable(_))), 1);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Left { .. })), 0);
}

#[test]
fn an_adjust_is_applied_once_and_only_from_our_master() {
    let mut table = Table::new(&[10]);
    table.run(Span::from_secs(5));
    let recorded = std::cell::Cell::new(None);
    table.run_with(Span::from_secs(2), &|from, _, bytes| {
        if let Ok(Datagram { message: Message::Adjust(_), .. }) = Datagram::decode(bytes) {
            recorded.set(Some((from, *bytes)));
        }
        true
    });
    let (from, bytes) = recorded.take().expect("an adjust a second");
    table.run(Span::from_secs(3));
    let (before, slave) = (table.slaves[0].course, &mut table.slaves[0]);
    slave.hear(table.now, from, &bytes);
    slave.hear(table.now, addr(9), &bytes);
    slave.events.clear();
    slave.drain(table.now);
    assert_eq!(slave.core.counters().dropped(Drop::Stale), 1);
    assert_eq!(slave.core.counters().dropped(Drop::NotOurMaster), 1);
    assert!(!slave.events.iter().any(|e| matches!(e, Event::Adjusted(Adjusted { .. }))));
    assert_eq!(slave.course.reading(before.at), before.reads);
}

#[test]
fn a_master_gone_mad_is_held_off_counted_and_named_once() {
    let mut table = Table::new(&[10, -10]);
    table.run(Span::from_secs(30));
    let recorded = std::cell::Cell::new(None);
    table.run_with(Span::from_secs(1), &|from, to, bytes| {
        let adjust = matches!(
            Datagram::decode(bytes),
            Ok(Datagram { message: Message::Adjust(_), .. }) if to.port() == 2
        );
        if adjust {
            recorded.set(Some((from, *bytes)));
        }
        !adjust
    });
    let (from, bytes) = recorded.take().expect("an adjust a second");
    let lies = [(700_000_000, 0.0), (-3_000_000, 0.0), (0, 600.0), (0, 40.0)];
    for (count, (ahead, ppm)) in (1..).zip(lies) {
        let mut datagram = Datagram::decode(&bytes).unwrap();
        let Message::Adjust(adjust) = &mut datagram.message else { panic!("it is one") };
        adjust.map.reads = adjust.map.reads + Offset::from_nanos(ahead);
        adjust.map.rate = Rate::from_ppm(ppm);
        adjust.round += count;
        let mut lie = [0; LEN];
        datagram.encode(&mut lie);
        let slave = &mut table.slaves[0];
        slave.hear(table.now, from, &lie);
        slave.drain(table.now);
        // The same lie, doubled on its way, is no second witness.
        slave.hear(table.now, from, &lie);
        slave.drain(table.now);
        assert_eq!(slave.core.counters().dropped(Drop::Insane), u64::from(count), "{ahead} {ppm}");
        assert_eq!(slave.core.counters().dropped(Drop::Stale), u64::from(count));
        assert_eq!(count_of_distrust(&slave.events), 1);
        assert!(slave.course.rate.abs() < Rate::from_ppm(1.0), "{:?}", slave.course);
    }
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
    // Those rounds are judged; the real ones that follow are as good as ever.
    table.run(Span::from_secs(10));
    let trusted = |e: &Event| matches!(e, Event::Trusted(_));
    assert_eq!(count(&table.slaves[0].events, trusted), 1);
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
}

fn count_of_distrust(events: &[Event]) -> usize {
    count(events, |e| matches!(e, Event::Distrusted { .. }))
}

#[test]
fn two_nodes_of_one_identity_are_told_once_and_only_one_is_listened_to() {
    let mut table = Table::new(&[10, -10, 300]);
    let local = table.slaves[2].local(table.now);
    let mut settings = SlaveSettings::new(Identity { boot: BootId(99), ..identity(3) });
    settings.masters = vec![addr(1)];
    let course = table.slaves[2].course;
    table.slaves[2].core = Slave::new(local, settings, course, [7; 32]);
    table.run(Span::from_secs(120));
    let events = &table.master.events;
    assert_eq!(count(events, |e| matches!(e, Event::Twins { .. })), 1, "{events:?}");
    assert_eq!(count(events, |e| matches!(e, Event::Joined(_))), 2);
    assert!(count(events, |e| matches!(e, Event::Restarted(_))) <= 1, "no ping-pong");
    assert!(table.master.core.counters().dropped(Drop::Twin) >= 3);
    // Whoever of the two is listened to is with the others.
    let shown = |node: &Node<Slave>| node.course.reading(node.local(table.now));
    let apart = |one, other| (shown(&table.slaves[one]) - shown(&table.slaves[other])).abs();
    let nearest = apart(0, 1).min(apart(0, 2));
    assert!(nearest < Span::from_micros(1), "{nearest:?}");
    // The one that is listened to dies; after a while the other has its place.
    let polled = if apart(0, 1) < apart(0, 2) { 2 } else { 3 };
    table.run_with(Span::from_secs(60), &|from, to, _| ![from, to].contains(&addr(polled + 1)));
    table.run(Span::from_secs(10));
    assert!(table.spread() < Span::from_millis(300));
}

#[test]
fn whoever_lost_the_date_has_no_say_in_it() {
    let millennium = 1_770_000_000_000;
    let mut table = Table::new(&[300, millennium, -200]);
    table.run(Span::from_secs(10));
    let now = table.master.course.reading(table.now);
    let right = table.now + Offset::from_nanos(millennium * 1_000_000);
    let off = now.as_nanos() - right.as_nanos();
    assert!(off.abs() < 1_000_000, "{off} ns from the only one with a date");
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
}

#[test]
fn a_restarted_slave_is_noticed_and_a_stopped_one_takes_leave() {
    let mut table = Table::new(&[10, -10, 20]);
    table.run(Span::from_secs(10));
    let mut again = slave(table.now, 3, 250);
    let mut settings = SlaveSettings::new(Identity { boot: BootId(2), ..identity(3) });
    settings.masters = vec![addr(1)];
    again.core = Slave::new(again.local(table.now), settings, again.course, [77; 32]);
    again.addr = addr(33);
    table.slaves[1] = again;
    table.run(Span::from_secs(10));
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Restarted(_))), 1);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Moved { .. })), 1);
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
    let local = table.slaves[0].local(table.now);
    table.slaves[0].core.handle(local, Input::Stop);
    table.run(Span::from_millis(10));
    assert!(table.slaves[0].core.done());
    let left = |e: &Event| matches!(e, Event::Left { said_so: true, .. });
    assert_eq!(count(&table.master.events, left), 1);
}

#[test]
fn a_lone_master_says_so_once_and_goes_on() {
    let mut table = Table::new(&[]);
    table.run(Span::from_secs(60));
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Alone)), 1);
    table.slaves.push(slave(table.now, 2, 40));
    table.run(Span::from_secs(10));
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
}

#[test]
fn a_join_without_the_challenge_leaves_nothing_behind() {
    let mut table = Table::new(&[10]);
    table.run(Span::from_secs(2));
    let Ok(mut join) = Datagram::decode(&first_join(table.now)) else { panic!("a join decodes") };
    let mut answers = 0;
    for forged in 0..1_000 {
        let mut bytes = [0; LEN];
        join.header.sender = NodeId(1000 + forged);
        if let Message::Join(join) = &mut join.message {
            join.challenge = forged.wrapping_mul(0x2545_f491_4f6c_dd1d);
        }
        join.encode(&mut bytes);
        table.master.hear(table.now, addr(500 + forged as u16), &bytes);
        answers += table.master.drain(table.now).len();
    }
    assert_eq!(answers, 1_000, "one welcome each");
    let to_forged = std::cell::Cell::new(0);
    table.run_with(Span::from_secs(60), &|_, to, _| {
        to_forged.set(to_forged.get() + u32::from(to.port() >= 500));
        true
    });
    assert_eq!(to_forged.get(), 0, "and nothing more");
}

/// What a slave that has just been started sends.
fn first_join(now: Time<Local>) -> Buffer {
    let sent = slave(now, 40, 0).drain(now);
    sent.first().expect("a slave joins at once").1
}

#[test]
fn the_roster_has_a_limit_and_a_joiner_that_never_answers_draws_little() {
    let mut table = Table::with(&[10], |settings| settings.max_slaves = 3);
    table.run(Span::from_secs(2));
    let Ok(mut join) = Datagram::decode(&first_join(table.now)) else { panic!("a join decodes") };
    for joiner in 0..100 {
        let from = addr(500 + joiner as u16);
        join.header.sender = NodeId(1000 + joiner);
        for _ in 0..2 {
            let mut bytes = [0; LEN];
            join.encode(&mut bytes);
            table.master.hear(table.now, from, &bytes);
            for (to, answer) in table.master.drain(table.now) {
                let Ok(answer) = Datagram::decode(&answer) else { panic!("an answer decodes") };
                if let (Message::Welcome(welcome), Message::Join(join)) =
                    (answer.message, &mut join.message)
                {
                    assert_eq!(to, from);
                    join.challenge = welcome.challenge;
                }
            }
        }
    }
    assert_eq!(table.master.core.counters().dropped(Drop::Full), 98);
    let to_joiners = std::cell::Cell::new(0);
    table.run_with(Span::from_secs(60), &|_, to, _| {
        to_joiners.set(to_joiners.get() + u32::from(to.port() >= 500));
        true
    });
    // Eight single polls for each of the two that had a place.
    assert_eq!(to_joiners.get(), 2 * 8);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::RosterFull)), 1);
    assert_eq!(count(&table.master.events, |e| matches!(e, Event::Joined(_))), 1);
}

#[test]
fn a_listed_slave_needs_no_join() {
    let mut table = Table::with(&[25], |settings| settings.slaves = vec![addr(2)]);
    let local = table.slaves[0].local(table.now);
    let passive = SlaveSettings::new(identity(2));
    table.slaves[0].core = Slave::new(local, passive, table.slaves[0].course, [5; 32]);
    table.run(Span::from_secs(10));
    assert!(table.spread() < Span::from_micros(1), "{:?}", table.spread());
    let named = table.slaves[0].events.iter().filter_map(|event| match event {
        Event::Following(who) => Some(who.name.to_string()),
        _ => None,
    });
    let name = identity(1).name.to_string();
    assert_eq!(named.collect::<Vec<_>>(), [name], "it asks who polls it");
}

#[test]
fn a_remembered_rate_is_run_at_from_the_first_moment() {
    let now = Time::from_nanos(0);
    let mut settings = SlaveSettings::new(identity(2));
    settings.saved_rate = Some(Rate::from_ppm(-31.5));
    let mut node = slave(now, 2, 0);
    node.core = Slave::new(now, settings, node.course, [3; 32]);
    node.drain(now);
    assert_eq!(node.course.rate, Rate::from_ppm(-31.5));
}
