//! Replies that were let in, until all that came with them were, too.
//!
//! From a datagram to a slave's next deadline is more code than a processor keeps next to it. So that is gone
//! through in parts, each for all that came at once: first every reply is let in, then every exchange is
//! measured, then every slot that is complete is closed: by the wheel as it is after all of them, and all
//! exchanges are told of before all slots.

use super::foresight::LOT;
use super::{Exchange, Held, Local, Master, Place, Stamp, Time};
use crate::proto::exchange::Source;
use crate::proto::roster::Said;
use crate::proto::track::Taken;
use crate::wire::{Correction, Reply};

/// What of a reply is used later.
#[derive(Debug)]
pub(super) struct LetIn {
    place: Place,
    exchange: Exchange,
    nonce: u64,
    said: Said,
    /// A better T3 may follow, and that of an earlier reply does.
    t3_follows: bool,
    correction: Option<Correction>,
    /// It was the last that its slot waited for.
    ends: bool,
    /// What its exchange told.
    taken: Option<Taken>,
}

impl LetIn {
    pub(super) fn new(place: Place, exchange: Exchange, reply: &Reply, ends: bool) -> Self {
        Self {
            place,
            exchange,
            nonce: reply.nonce,
            said: Said { map: reply.map, steps: reply.steps },
            t3_follows: reply.t3_follows,
            correction: reply.correction,
            ends,
            taken: None,
        }
    }
}

impl Master {
    /// Has a reply wait until what came with it was let in. More than come at once do not wait.
    pub(super) fn let_in(&mut self, now: Time<Local>, reply: LetIn) {
        if self.replies.len() == LOT {
            self.use_replies(now);
        }
        self.replies.push(reply);
    }

    /// Uses the replies that wait. Whatever else happens to a member happens after that.
    pub(super) fn use_replies(&mut self, now: Time<Local>) {
        if self.replies.is_empty() {
            return;
        }
        let mut replies = std::mem::take(&mut self.replies);
        for reply in &mut replies {
            reply.taken = self.use_reply(reply);
        }
        for reply in replies.iter().filter(|reply| reply.ends) {
            self.finish(now, reply.place, reply.taken.as_ref());
        }
        // The room is kept.
        replies.clear();
        self.replies = replies;
    }

    fn use_reply(&mut self, reply: &LetIn) -> Option<Taken> {
        self.release(reply);
        if reply.t3_follows {
            let member = self.roster.get_mut(reply.place)?;
            member.held = Some(Held::new(reply.nonce, &reply.exchange));
            return None;
        }
        self.measure(reply.place, &reply.exchange)
    }

    /// The exchange that was held back goes on, with the better T3 where the reply brings it.
    fn release(&mut self, reply: &LetIn) {
        let Some(member) = self.roster.get_mut(reply.place) else { return };
        member.say(reply.said);
        member.told = false;
        let Some(held) = member.held.take() else { return };
        let mut exchange = held.exchange();
        if let Some(better) = reply.correction.filter(|c| c.nonce == held.nonce) {
            exchange.t3 = Stamp { at: better.t3, source: Source::from_number(better.source) };
        }
        self.measure(reply.place, &exchange);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::proto::event::{Event, Who};
    use crate::proto::io::{Core, Input, Output};
    use crate::proto::master::{Member, Pending};
    use crate::proto::settings::{Identity, MasterSettings};
    use crate::time::{Map, Offset, Rate, Span};
    use crate::wire::{
        BootId, Datagram, Header, LEN, Leave, LeaveReason, Message, Name, NodeId, Rank, Term,
    };

    const START: Time<Local> = Time::from_nanos(1_000_000_000);
    const SLAVE: NodeId = NodeId(2);

    fn addr() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 7045))
    }

    /// A master that waits for what a slave of boot 1 has to say in a slot.
    fn master() -> (Master, Place) {
        let identity = Identity { id: NodeId(1), boot: BootId(1), name: Name::nearest("master") };
        let course = Map { at: START, reads: Time::from_nanos(0), rate: Rate::ZERO };
        let mut master = Master::new(START, MasterSettings::new(identity), course, [7; 32]);
        let place = await_one(&mut master, SLAVE, addr());
        (master, place)
    }

    fn await_one(master: &mut Master, id: NodeId, addr: SocketAddr) -> Place {
        let who = Who { id, name: Name::nearest("slave"), addr };
        let mut member = Member::new(who, BootId(1), false);
        (member.known, member.replied) = (true, true);
        let place = master.roster.add(member).unwrap();
        let ticket = master.closing.add(START + Span::from_secs(1), place);
        master.roster.get_mut(place).unwrap().closing = ticket;
        place
    }

    fn header(boot: u32) -> Header {
        let (sender, receiver, boot) = (SLAVE, NodeId(1), BootId(boot));
        Header { sender, receiver, boot, term: Term(1), rank: Rank(0), sequence: 1 }
    }

    fn reply() -> Reply {
        let at = Time::from_nanos(0);
        Reply {
            nonce: 1,
            t2: at,
            t3: at,
            t2_source: 0,
            t3_follows: false,
            correction: None,
            map: Map { at, reads: Time::from_nanos(0), rate: Rate::ZERO },
            remaining: Offset::ZERO,
            rate: Rate::ZERO,
            error: Span::MAX,
            applied: 0,
            steps: 0,
            standby: false,
            obeys: NodeId(1),
        }
    }

    /// An exchange that began so many milliseconds after the start, and took so many µs.
    fn exchange(millis: u64, micros: u64) -> Exchange {
        let t1 = START + Span::from_millis(millis);
        let t4 = t1 + Span::from_micros(micros);
        let middle = Time::from_nanos((t1 + Span::from_micros(micros / 2)).as_nanos());
        Exchange {
            t1: Stamp::daemon(t1),
            t2: Stamp::daemon(middle),
            t3: Stamp::daemon(middle),
            t4: Stamp::daemon(t4),
        }
    }

    fn told(master: &Master) -> Vec<&Event> {
        let event = |pending| match pending {
            &Pending::Output(Output::Event(ref event)) => Some(event),
            _ => None,
        };
        master.pending.iter().filter_map(event).collect()
    }

    #[test]
    fn a_slot_ends_with_all_replies_that_came_together() {
        let (mut master, place) = master();
        for (millis, micros, ends) in [(0, 110, false), (2, 100, false), (4, 105, true)] {
            let reply = LetIn::new(place, exchange(millis, micros), &reply(), ends);
            master.let_in(START + Span::from_millis(millis), reply);
        }
        assert!(told(&master).is_empty(), "they wait for each other");
        master.use_replies(START + Span::from_millis(5));
        let told = told(&master);
        assert!(told[..3].iter().all(|event| matches!(event, Event::Exchange(_))), "{told:?}");
        let Some(Event::Slot(slot)) = told.get(3) else { panic!("{told:?}") };
        assert_eq!(slot.round_trip, Some(Span::from_micros(100)));
        assert_eq!(slot.stamps.daemon, 3);
        assert_eq!(told.len(), 4, "one slot and no more: {told:?}");
    }

    #[test]
    fn all_that_came_together_is_measured_before_any_slot_ends() {
        let (mut master, place) = master();
        let other = await_one(&mut master, NodeId(3), SocketAddr::from(([10, 0, 0, 3], 7045)));
        for place in [place, other] {
            master.let_in(START, LetIn::new(place, exchange(0, 100), &reply(), true));
        }
        master.use_replies(START);
        let told = told(&master);
        let [Event::Exchange(_), Event::Exchange(_), Event::Slot(_), Event::Slot(_)] = told[..]
        else {
            panic!("{told:?}")
        };
    }

    #[test]
    fn an_exchange_is_held_for_the_better_t3_that_follows_and_goes_on_without_it() {
        for (nonce, micros) in [(1, 90), (7, 100)] {
            let (mut master, place) = master();
            let held = Reply { t3_follows: true, ..reply() };
            let first = exchange(0, 100);
            master.let_in(START, LetIn::new(place, first, &held, false));
            master.use_replies(START);
            assert!(told(&master).is_empty(), "it is held");
            let t3 = first.t3.at + Span::from_micros(10);
            let next = Reply { correction: Some(Correction { nonce, t3, source: 1 }), ..reply() };
            master.let_in(START, LetIn::new(place, exchange(2, 100), &next, false));
            master.use_replies(START);
            let told = told(&master);
            let [Event::Exchange(first), Event::Exchange(_)] = told[..] else { panic!("{told:?}") };
            assert_eq!(first.round_trip, Span::from_micros(micros), "a correction of {nonce}");
        }
    }

    #[test]
    fn who_answers_as_another_process_runs_at_the_rate_it_tells_if_a_master_gave_it_one() {
        let rate = Rate::from_ppm(31.5);
        for (applied, remembered) in [(0, None), (1, Some(rate))] {
            let (mut master, place) = master();
            let reply = Reply { applied, rate, ..reply() };
            master.recognise(START, place, addr(), &header(2), &reply);
            let member = master.roster.get(place).unwrap();
            assert_eq!(member.saved.get(), remembered, "{applied} applied");
        }
    }

    #[test]
    fn what_a_process_said_is_not_taken_for_the_word_of_the_next() {
        let (mut master, place) = master();
        master.let_in(START, LetIn::new(place, exchange(0, 100), &reply(), false));
        master.recognise(START, place, addr(), &header(2), &reply());
        master.use_replies(START);
        assert!(matches!(told(&master)[..], [Event::Exchange(_), ..]), "{:?}", told(&master));
        let member = master.roster.get(place).unwrap();
        assert_eq!(member.track.estimate(START, &master.wheel), None, "it is another's track");
    }

    #[test]
    fn a_slave_that_leaves_behind_its_reply_leaves_after_it() {
        let (mut master, place) = master();
        master.let_in(START, LetIn::new(place, exchange(0, 100), &reply(), true));
        let leave = Leave { reason: LeaveReason::Shutdown, heir: NodeId::UNKNOWN };
        let datagram = Datagram { header: header(1), message: Message::Leave(leave) };
        master.take(START, addr(), Stamp::daemon(START), &datagram).unwrap();
        let told = told(&master);
        let [Event::Exchange(_), Event::Slot(_), Event::Left { .. }] = told[..] else {
            panic!("{told:?}")
        };
    }

    #[test]
    fn nobody_is_told_of_a_reply_after_the_good_bye() {
        for stop in [false, true] {
            let (mut master, place) = master();
            master.let_in(START, LetIn::new(place, exchange(0, 100), &reply(), true));
            match stop {
                true => master.handle(START, Input::Stop),
                false => master.abdicate(START, None),
            }
            assert!(matches!(told(&master)[..2], [Event::Exchange(_), Event::Slot(_)]));
            let late = |pending: &&Pending| matches!(pending, Pending::Adjust { .. });
            assert_eq!(master.pending.iter().filter(late).count(), 0);
            assert!(matches!(master.pending.back(), Some(Pending::Leave { .. })), "it says so");
        }
    }

    #[test]
    fn none_waits_for_longer_than_until_the_master_is_asked_what_to_do() {
        let (mut master, place) = master();
        master.let_in(START, LetIn::new(place, exchange(0, 100), &reply(), true));
        let first = master.poll(START, &mut [0; LEN]);
        assert!(matches!(first, Some(Output::Event(Event::Exchange(_)))), "{first:?}");
    }

    #[test]
    fn no_more_wait_than_come_at_once() {
        let (mut master, place) = master();
        for n in 0..=LOT as u64 {
            master.let_in(START, LetIn::new(place, exchange(n, 100), &reply(), false));
        }
        assert_eq!((master.replies.len(), told(&master).len()), (1, LOT));
    }
}
