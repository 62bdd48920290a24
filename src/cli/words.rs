//! Events in plain words.

use super::record::by_whom;
use crate::clock::Interference;
use crate::proto::{Adjusted, Cause, DEVIATIONS, Event, Round, Slot, Surrender, Who};
use crate::report::{following, human, human_offset, human_rate};
use crate::time::{Offset, Span};
use crate::wire::{LeaveReason, NodeId, Standing};

/// How much an event matters to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It comes with each round.
    Routine,
    /// It changes who is here and what is followed.
    News,
    /// Something goes wrong.
    Warning,
}

/// How much `event` matters.
pub(super) fn weight(event: &Event) -> Weight {
    match event {
        Event::Round(_) | Event::Exchange(_) | Event::Slot(_) | Event::Adjusted(_) => {
            Weight::Routine
        }
        Event::Left { said_so: false, .. }
        | Event::Twins { .. }
        | Event::Unreachable(_)
        | Event::RosterFull
        | Event::Alone
        | Event::Falseticker { .. }
        | Event::Hold
        | Event::MasterSilent(_)
        | Event::Distrusted { .. }
        | Event::NoMaster
        | Event::Refused(_)
        | Event::Holdover
        | Event::OutOfSight { .. }
        | Event::Unfit
        | Event::Unkept
        | Event::Forgetful => Weight::Warning,
        _ => Weight::News,
    }
}

/// What a sentence needs to know besides the event.
pub(super) struct Scene<'a> {
    /// This node.
    pub(super) own: NodeId,
    /// The names of slaves, for the events that carry the id alone.
    pub(super) name_of: &'a dyn Fn(NodeId) -> String,
    /// Where masters are looked for, as it was typed.
    pub(super) masters: &'a str,
}

/// `event` as a sentence; none where it is only measured.
pub(super) fn sentence(event: &Event, scene: &Scene<'_>) -> Option<String> {
    Some(match event {
        Event::Joined(who) => format!("slave {} joined from {}", who.name, who.addr),
        Event::Left { who, said_so: true } => format!("slave {} left", who.name),
        Event::Left { who, .. } => format!("slave {} is forgotten, long silent", who.name),
        Event::Restarted(who) => format!("slave {} restarted", who.name),
        Event::Moved { who, from } => {
            format!("slave {} moved from {from} to {}", who.name, who.addr)
        }
        Event::Twins { who, other } => format!(
            "two nodes carry the identity of slave {} at {}: the other, at {other}, is left out; \
             was its state directory copied?",
            who.name, who.addr
        ),
        Event::Unreachable(who) => {
            format!("slave {} went silent: none of its last polls was answered", who.name)
        }
        Event::Reachable(who) => format!("slave {} answers again", who.name),
        Event::RosterFull => {
            "the roster is full: whoever else asks to join is refused; see --max-slaves".to_owned()
        }
        Event::Alone => "no slave can be reached: going on alone until one can".to_owned(),
        Event::Formed { members } => format!("cluster time was formed from {members} clocks"),
        Event::Falseticker { who, by } => falseticker(who, *by, scene.own),
        Event::Counted(who) => format!("{} counts again", member(who, scene.own)),
        Event::LocalStepped { who, by } => format!(
            "slave {}: its free-running clock jumped by {}; did the machine sleep?",
            who.name,
            human_offset(*by)
        ),
        Event::PathChanged { who, by, one_way } => path_changed(who, *by, *one_way),
        Event::Hold => "no majority of the clocks agrees: cluster time goes on by prediction \
                        until one does"
            .to_owned(),
        Event::Resumed => "a majority of the clocks agrees again".to_owned(),
        Event::Round(round) => self::round(round),
        Event::Slot(slot) => self::slot(slot, &(scene.name_of)(slot.id)),
        Event::Exchange(_) => return None,
        Event::Following(who) => following(&who.name, who.addr),
        Event::MasterLeft { who, reason } => format!("master {} left: {}", who.name, why(*reason)),
        Event::MasterSilent(who) => {
            format!("master {} at {} went silent: going on at the learned rate", who.name, who.addr)
        }
        Event::Distrusted { who, by, rate } => format!(
            "master {} says what cannot be, {} and {} from what we know: holding our course",
            who.name,
            human_offset(*by),
            human_rate(*rate)
        ),
        Event::Trusted(who) => format!("master {} is followed again", who.name),
        Event::NoMaster => format!("no master answers at {}: still asking", scene.masters),
        Event::Refused(addr) => {
            format!("the master at {addr} refuses us, its roster is full: still asking")
        }
        Event::Adjusted(adjusted) => self::adjusted(adjusted),
        Event::Holdover => "the last correction has expired: the clock runs on at its learned \
                            rate (holdover)"
            .to_owned(),
        Event::StandingBy { who, rank } => {
            format!("standing by for master {}, with rank {}", who.name, rank.0)
        }
        Event::Claimed { term, why } => {
            format!("asking for the mastership of term {}: {}", term.0, cause(*why))
        }
        Event::StoodBack { by, master } => format!(
            "leaving the mastership alone: {} hears master {} at {}",
            by.name, master.name, master.addr
        ),
        Event::Elected { term, votes: 0, why } => {
            format!("master of term {} from now on: {}", term.0, cause(*why))
        }
        Event::Elected { term, votes, why } => {
            format!("master of term {} from now on, by {votes} votes: {}", term.0, cause(*why))
        }
        Event::Inherited { members } => {
            format!("cluster time goes on with {} slaves of the master before", members.len())
        }
        Event::Outbid { rival, term, size, than } => format!(
            "met master {} with {than} members; going on with {size}, in term {}",
            rival.name, term.0
        ),
        Event::Yielded { term, to, why } => yielded(term.0, to.as_ref(), *why),
        Event::Resigned { term, heir } => match heir {
            Some(heir) => format!("resigning from term {}: {} takes over", term.0, heir.name),
            None => format!("resigning from term {}: nobody stands by", term.0),
        },
        Event::OutOfSight { members, missing } => format!(
            "{missing} of {members} members are out of sight: they may have a master of their own, \
             and the bounds grow by what that may mean"
        ),
        Event::InSight => "more than half of the members are in sight again".to_owned(),
        Event::Unfit => "this clock shows a date before that of the build: not asking for the \
                         mastership until it is put right"
            .to_owned(),
        Event::Unkept => {
            "the vote could not be written to --state-dir: giving none until it can".to_owned()
        }
        Event::Forgetful => "no memory of earlier votes: giving none until enough of the other \
                             candidates have told their terms"
            .to_owned(),
        Event::Stepped { by } => format!("the clock was stepped by {}", human_offset(*by)),
    })
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Started => "no master was found",
        Cause::Silence => "the master is silent",
        Cause::Resigned => "the master resigned",
    }
}

fn yielded(term: u32, to: Option<&Who>, why: Surrender) -> String {
    match (why, to) {
        (Surrender::Outranked, Some(to)) => {
            format!("term {term} ends here: master {} at {} has the higher claim", to.name, to.addr)
        }
        (Surrender::Outranked, None) => format!("term {term} ends here: another master reigns"),
        (Surrender::Minority, _) => {
            format!("term {term} ends here: no majority of the candidates is heard any more")
        }
    }
}

fn why(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Shutdown => "it was shut down",
        LeaveReason::Elsewhere => "it follows another master now",
    }
}

fn falseticker(who: &Who, by: Offset, own: NodeId) -> String {
    let (far, side) = (human(by.abs()), if by < Offset::ZERO { "behind" } else { "ahead of" });
    format!(
        "{} is a falseticker, {far} {side} the others' median: it is corrected and not counted",
        member(who, own)
    )
}

fn path_changed(who: &Who, by: Offset, one_way: bool) -> String {
    let side = if by < Offset::ZERO { "shorter" } else { "longer" };
    let (by, ways) = (human(by.abs()), if one_way { "one way alone" } else { "both ways" });
    let bound = if one_way { "; half of it is in the slave's error bound" } else { "" };
    format!("slave {}: the path got {side} by {by}, {ways}{bound}", who.name)
}

fn member(who: &Who, own: NodeId) -> String {
    if who.id == own { "this master".to_owned() } else { format!("slave {}", who.name) }
}

/// A round in one line.
pub(super) fn round(round: &Round) -> String {
    format!(
        "round {}: {} of {} members reached, {} counted; spread {}, own offset {} {}",
        round.number,
        round.reachable,
        round.members,
        round.counted,
        human(round.spread),
        human_offset(round.offset),
        bounds(round.likely_bound, round.bound)
    )
}

/// What a slave did with an adjust in one line.
pub(super) fn adjusted(adjusted: &Adjusted) -> String {
    let standing = match adjusted.standing {
        Standing::Counted => "",
        Standing::Spare => "; not counted",
        Standing::Falseticker => "; a falseticker, not counted",
    };
    format!(
        "round {}: offset {} {}, rate {}; cluster of {}, {} counted, spread {}{standing}",
        adjusted.round,
        human_offset(adjusted.offset),
        bounds(adjusted.likely_bound, adjusted.bound),
        human_rate(adjusted.rate.reversed()),
        adjusted.members,
        adjusted.counted,
        human(adjusted.spread)
    )
}

fn slot(slot: &Slot, name: &str) -> String {
    let offset = slot.offset.map_or("not known".to_owned(), human_offset);
    let round_trip = slot.round_trip.map_or("no reply".to_owned(), human);
    format!(
        "  {name}: offset {offset} {}, rate {}, round trip {round_trip}, {}, stamps by {}",
        bounds(slot.likely_bound(), slot.bound),
        human_rate(slot.rate),
        standing(slot.standing),
        by_whom(&slot.stamps)
    )
}

/// The statistical bound and the hard one.
fn bounds(likely: Span, hard: Span) -> String {
    match (likely, hard) {
        (Span::MAX, _) | (_, Span::MAX) => "(bounds not known)".to_owned(),
        (likely, hard) => format!("± {} ({DEVIATIONS}σ; hard {})", human(likely), human(hard)),
    }
}

/// What something else did to the clock, and what follows.
pub(super) fn interference(found: &Interference, shared: bool) -> String {
    let then = if shared { "going on from there" } else { "leaving the clock to it" };
    format!("{found}, and not by this program: {then}")
}

/// A standing in a word.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Counted => "counted",
        Standing::Spare => "spare",
        Standing::Falseticker => "falseticker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    fn who(id: u64, name: &str) -> Who {
        let addr = "10.0.0.3:7045".parse().unwrap();
        Who { id: NodeId(id), name: Name::new(name).unwrap(), addr }
    }

    #[test]
    fn events_read_as_sentences() {
        let name_of = |id: NodeId| format!("node-{}", id.0);
        let scene = Scene { own: NodeId(1), name_of: &name_of, masters: "lab:7045" };
        let by = Offset::from_nanos(500_000_000);
        for (event, text) in [
            (Event::Joined(who(3, "rack-3")), "slave rack-3 joined from 10.0.0.3:7045"),
            (
                Event::Falseticker { who: who(3, "x"), by },
                "slave x is a falseticker, 500 ms ahead of the others' median: it is corrected \
                 and not counted",
            ),
            (
                Event::Falseticker { who: who(1, "m"), by: -by },
                "this master is a falseticker, 500 ms behind the others' median: it is corrected \
                 and not counted",
            ),
            (Event::NoMaster, "no master answers at lab:7045: still asking"),
        ] {
            assert_eq!(sentence(&event, &scene).as_deref(), Some(text));
        }
        assert_eq!(weight(&Event::Hold), Weight::Warning);
        assert_eq!(weight(&Event::Resumed), Weight::News);
    }
}
