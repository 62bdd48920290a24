//! What the nodes of a run said, and the outcome that is made of it.

use std::collections::BTreeMap;

use super::bounds::BoundsBook;
use super::handover::Handovers;
use super::machine::Machine;
use super::outcome::{Falseticker, Happened, Member, Outcome};
use super::scenario::Scenario;
use super::score::{Sample, Score, seconds};
use super::world::{Said, World};
use crate::proto::Event;
use crate::time::{Offset, Time, True};

/// What the nodes said.
pub(super) struct Record {
    names: Vec<String>,
    steps: Vec<u64>,
    exchanges: u64,
    rounds: u64,
    falsetickers: Vec<Falseticker>,
    handovers: Handovers,
    events: Vec<Happened>,
    left_out: u64,
}

impl Record {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            names: scenario.nodes.iter().map(|node| node.name.clone()).collect(),
            steps: vec![0; scenario.nodes.len()],
            exchanges: 0,
            rounds: 0,
            falsetickers: Vec::new(),
            handovers: Handovers::default(),
            events: Vec::new(),
            left_out: 0,
        }
    }

    pub(super) fn take(&mut self, world: &World<'_>, said: Said) {
        self.handovers.note(world, &said);
        let at_s = seconds(said.at);
        match &said.event {
            Event::Exchange(_) => self.exchanges += 1,
            Event::Round(_) => self.rounds += 1,
            Event::Stepped { .. } => self.steps[said.node] += 1,
            Event::Falseticker { who, by } => self.falsetickers.push(Falseticker {
                node: who.name.to_string(),
                from_s: at_s,
                to_s: None,
                by_s: by.as_secs_f64(),
            }),
            Event::Counted(who) => self.counts_again(who.name.as_str(), at_s),
            _ => {}
        }
        let Some((event, about, by)) = in_words(&said.event) else { return };
        if self.events.len() == Outcome::MAX_EVENTS {
            self.left_out += 1;
            return;
        }
        let node = self.names[said.node].clone();
        let by_s = by.map(Offset::as_secs_f64);
        self.events.push(Happened { at_s, node, event, about, by_s });
    }

    /// Takes note of what all nodes show at `t`.
    pub(super) fn look(&mut self, t: Time<True>, samples: &[Sample]) {
        self.handovers.look(t, samples);
    }

    fn counts_again(&mut self, node: &str, at_s: f64) {
        let open = self.falsetickers.iter_mut().filter(|f| f.to_s.is_none() && f.node == node);
        open.for_each(|falseticker| falseticker.to_s = Some(at_s));
    }

    pub(super) fn outcome(
        self,
        scenario: &Scenario,
        seed: u64,
        world: &World<'_>,
        mut score: Score,
        bounds: BoundsBook,
    ) -> Outcome {
        let spread = score.spread();
        let [below_100us, below_2us] = score.settled();
        Outcome {
            scenario: scenario.name.clone(),
            seed,
            nodes: scenario.nodes.len(),
            duration_s: scenario.duration.as_secs_f64(),
            interval_s: scenario.interval.as_secs_f64(),
            burst: scenario.burst,
            spread_rms_s: spread.rms,
            spread_p50_s: spread.p50,
            spread_p99_s: spread.p99,
            spread_max_s: spread.max,
            settled_below_100us_s: below_100us,
            settled_below_2us_s: below_2us,
            wander_s: score.wander(),
            cluster_rate: score.rate(),
            stability: score.stability(),
            bounds: bounds.outcome(),
            steps: self.steps.iter().sum(),
            packets: world.traffic.sent,
            lost: world.traffic.lost,
            exchanges: self.exchanges,
            rounds: self.rounds,
            members: self.members(scenario, world, &score),
            mean_s: score.into_means(),
            handovers: self.handovers.outcome(&self.names, scenario.warm_up.as_secs_f64()),
            falsetickers: self.falsetickers,
            events: self.events,
            events_left_out: self.left_out,
        }
    }

    fn members(&self, scenario: &Scenario, world: &World<'_>, score: &Score) -> Vec<Member> {
        let member = |(index, machine): (usize, &Machine)| {
            let node = &scenario.nodes[index];
            let (error_rms_s, error_max_s, error_end_s) = score.departure(index);
            let counters = machine.core.as_ref().map(|core| core.counters());
            let drops = counters.into_iter().flat_map(|counters| counters.drops());
            Member {
                node: node.name.clone(),
                healthy: !node.faulty,
                error_rms_s,
                error_max_s,
                error_end_s,
                oscillator_rate: score.oscillator_rate(index),
                steps: self.steps[index],
                received: counters.map_or(0, |counters| counters.received),
                sent: counters.map_or(0, |counters| counters.sent),
                dropped: drops.map(|(why, n)| (why.name(), n)).collect::<BTreeMap<_, _>>(),
            }
        };
        world.machines.iter().enumerate().map(member).collect()
    }
}

/// What is worth a line: the event's name, whom it is about, and by how much.
fn in_words(event: &Event) -> Option<(&'static str, Option<String>, Option<Offset>)> {
    let (word, who, by) = match event {
        Event::Joined(who) => ("joined", Some(who), None),
        Event::Left { who, said_so: true } => ("left", Some(who), None),
        Event::Left { who, said_so: false } => ("forgotten", Some(who), None),
        Event::Restarted(who) => ("restarted", Some(who), None),
        Event::Moved { who, .. } => ("moved", Some(&**who), None),
        Event::Twins { who, .. } => ("twins", Some(&**who), None),
        Event::Unreachable(who) => ("unreachable", Some(who), None),
        Event::Reachable(who) => ("reachable", Some(who), None),
        Event::RosterFull => ("roster_full", None, None),
        Event::Alone => ("alone", None, None),
        Event::Formed { .. } => ("formed", None, None),
        Event::Falseticker { who, by } => ("falseticker", Some(who), Some(*by)),
        Event::Counted(who) => ("counted", Some(who), None),
        Event::LocalStepped { who, by } => ("local_stepped", Some(who), Some(*by)),
        Event::PathChanged { who, by, .. } => ("path_changed", Some(who), Some(*by)),
        Event::Hold => ("hold", None, None),
        Event::Resumed => ("resumed", None, None),
        Event::Following(who) => ("following", Some(who), None),
        Event::MasterLeft { who, .. } => ("master_left", Some(who), None),
        Event::MasterSilent(who) => ("master_silent", Some(who), None),
        Event::Distrusted { who, by, .. } => ("distrusted", Some(who), Some(*by)),
        Event::Trusted(who) => ("trusted", Some(who), None),
        Event::NoMaster => ("no_master", None, None),
        Event::Refused(_) => ("refused", None, None),
        Event::Holdover => ("holdover", None, None),
        Event::StandingBy { who, .. } => ("standing_by", Some(who), None),
        Event::Claimed { .. } => ("claimed", None, None),
        Event::StoodBack { master, .. } => ("stood_back", Some(&**master), None),
        Event::Elected { .. } => ("elected", None, None),
        Event::Inherited { .. } => ("inherited", None, None),
        Event::Outbid { rival, .. } => ("outbid", Some(rival), None),
        Event::Yielded { to, .. } => ("yielded", to.as_ref(), None),
        Event::Resigned { heir, .. } => ("resigned", heir.as_ref(), None),
        Event::OutOfSight { .. } => ("out_of_sight", None, None),
        Event::InSight => ("in_sight", None, None),
        Event::Unfit => ("unfit", None, None),
        Event::Unkept => ("unkept", None, None),
        Event::Forgetful => ("forgetful", None, None),
        Event::Stepped { by } => ("stepped", None, Some(*by)),
        Event::Round(_) | Event::Exchange(_) | Event::Slot(_) | Event::Adjusted(_) => return None,
    };
    Some((word, who.map(|who| who.name.to_string()), by))
}
