//! A master that takes over from another, goes on in a higher term, or reigns no more.

use rand_chacha::rand_core::Rng;

use super::{
    Counters, Event, Gate, LeaveReason, Local, Map, Master, MasterSettings, Member, NodeId,
    Pending, Round, Standing, Time,
};
use crate::proto::ensemble::{Ensemble, Share};
use crate::proto::event::Who;
use crate::proto::io::Output;
use crate::proto::parts::Parts;
use crate::proto::track::{Prior, Track, Wheel};
use crate::time::{Cluster, Offset, Rate, Span};
use crate::wire::{Entry, Term};

/// A map to cluster time that is older than this is no ground to go on from.
const STALE: Span = Span::from_secs(1_000);

/// What a standby was told by the master before it.
#[derive(Debug)]
pub(in crate::proto) struct Will {
    /// The master's lines, one a member.
    pub(in crate::proto) entries: Vec<Entry>,
    /// Where the master is reached whose table it is: its own line names no address.
    pub(in crate::proto) author: Option<std::net::SocketAddr>,
    /// How long ago cluster time was formed.
    pub(in crate::proto) age: Span,
}

impl Master {
    /// A master that goes on from what `parts` know of cluster time, with the members of `will`.
    /// Where nothing is known it begins anew.
    pub(in crate::proto) fn succeed(
        now: Time<Local>,
        settings: MasterSettings,
        parts: Parts,
        will: &Will,
    ) -> Self {
        let cluster = parts.steering.target().filter(|map| (now - map.at).abs() <= STALE);
        let cluster = cluster.map(|map| map.anchored_at(now));
        let mut master = Self::with(now, settings, parts);
        if let Some(cluster) = cluster {
            master.inherit(now, &cluster, will);
        } else {
            will.entries.iter().for_each(|entry| master.adopt(now, entry, will, None));
        }
        master
    }

    fn inherit(&mut self, now: Time<Local>, cluster: &Map<Local, Cluster>, will: &Will) {
        let own = self.settings.identity.id;
        // The wheel begins as our own Local.
        let at: Time<Wheel> = Time::from_nanos(now.as_nanos());
        let map = Map { at, reads: cluster.reads, rate: cluster.rate };
        let shares = will.entries.iter().filter(|entry| entry.standing != Standing::Spare);
        let shares = shares.map(|entry| (entry.id, share(entry, cluster, own)));
        let (average, tolerance) = (self.settings.average, self.settings.tolerance);
        let secret = [self.rng.next_u64(), self.rng.next_u64()];
        self.ensemble = Ensemble::resume(average, tolerance, map, will.age, shares).seeded(secret);
        self.said.formed = true;
        // The table is told against the cluster time of who wrote it. Who holds another course cannot tell
        // what its rates are against his own clock.
        let common = Some(cluster).filter(|_| !self.steering.is_contested());
        for entry in &will.entries {
            if entry.id == own {
                self.standing = entry.standing;
            } else {
                self.adopt(now, entry, will, common);
            }
        }
        let members = self.roster.len() as u32 + 1;
        let counted = will.entries.iter().filter(|e| e.standing == Standing::Counted).count();
        self.summary = Some(Round {
            number: 0,
            members,
            reachable: members,
            counted: counted as u32,
            spread: Span::ZERO,
            offset: -self.steering.remaining(now),
            rate: cluster.rate,
            likely_bound: Span::MAX,
            bound: Span::MAX,
        });
        let members = self.roster.iter().map(|(_, member)| member.who.clone()).collect();
        self.tell(Event::Inherited { members });
    }

    /// Takes a member over from the table.
    fn adopt(
        &mut self,
        now: Time<Local>,
        entry: &Entry,
        will: &Will,
        cluster: Option<&Map<Local, Cluster>>,
    ) {
        let Some(addr) = entry.addr.or(will.author) else { return };
        if entry.id == self.settings.identity.id || self.roster.by_id(entry.id).is_some() {
            return;
        }
        let who = Who { id: entry.id, name: entry.name.clone(), addr };
        let mut member = Member::new(who, entry.boot, entry.listed);
        member.known = true;
        member.standing = entry.standing;
        if let Some(cluster) = cluster {
            member.track = Track::warm(prior(entry, cluster));
        }
        if let Some(place) = self.roster.add(member) {
            self.hasten_slot(now, place);
        }
    }

    pub(in crate::proto) fn books(&mut self) -> (&mut Gate, &mut Counters) {
        (&mut self.gate, &mut self.counters)
    }

    /// Goes on in another term.
    pub(in crate::proto) fn set_term(&mut self, term: Term) {
        self.settings.term = term;
    }

    /// Reigns no more: says so to the members, and leaves the role. The datagrams that are still to
    /// be sent come first. To the master `to` it is no good-bye.
    pub(in crate::proto) fn abdicate(
        &mut self,
        now: Time<Local>,
        to: Option<std::net::SocketAddr>,
    ) {
        self.use_replies(now);
        self.pending.retain(|pending| matches!(pending, Pending::Output(_)));
        self.say_good_bye(LeaveReason::Elsewhere, to);
        self.stopping = true;
    }

    /// Leaves the role.
    pub(in crate::proto) fn into_parts(self) -> Parts {
        let outputs = self.pending.into_iter().filter_map(|pending| match pending {
            Pending::Output(output) => Some(output),
            _ => None,
        });
        let outputs: Vec<Output> = outputs.collect();
        Parts {
            rng: self.rng,
            steering: self.steering,
            counters: self.counters,
            gate: self.gate,
            transmit_stamps: self.transmit_stamps,
            outputs,
        }
    }
}

/// A member's Local minus cluster time at the anchor of `cluster`.
fn phase(entry: &Entry, cluster: &Map<Local, Cluster>) -> Offset {
    entry.phase + entry.rate.gain_over(cluster.reads - entry.at)
}

/// Our own Local minus cluster time at its anchor.
fn own_phase(cluster: &Map<Local, Cluster>) -> Offset {
    Offset::from_nanos(cluster.at.as_nanos().saturating_sub(cluster.reads.as_nanos()))
}

fn share(entry: &Entry, cluster: &Map<Local, Cluster>, own: NodeId) -> Share {
    let ours = entry.id == own;
    Share {
        phase: if ours { own_phase(cluster) } else { phase(entry, cluster) },
        rate: entry.learned,
        deviation: entry.deviation,
        age: entry.age,
        standing: entry.standing,
    }
}

fn prior(entry: &Entry, cluster: &Map<Local, Cluster>) -> Prior {
    let rate: Rate = entry.rate.on_top_of(cluster.rate);
    Prior {
        at: cluster.at,
        offset: phase(entry, cluster) - own_phase(cluster),
        rate,
        sigma: entry.sigma,
        rate_sigma: entry.rate_sigma,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Target;
    use crate::proto::settings::Identity;
    use crate::proto::steering::Steering;
    use crate::wire::{BootId, Name};

    const NOW: Time<Local> = Time::from_nanos(1_000_000_000);

    /// The rate of a slave's Local that its track begins with under a successor whose own map runs at 20 ppm,
    /// where the table says 70 ppm against cluster time, and the `last_word` was not followed, if there is one.
    fn begins_with(last_word: Option<Rate>) -> Option<Rate> {
        let identity = Identity { id: NodeId(1), boot: BootId(1), name: Name::nearest("heir") };
        let settings = MasterSettings::new(identity);
        let course = Map { at: NOW, reads: Time::from_nanos(0), rate: Rate::ZERO };
        let gate = Gate::new(&settings.identity, &settings.trust, [7; 32]);
        let mut steering = Steering::new(settings.limits, course, None);
        let target = |rate| {
            let map = Map { at: NOW, reads: Time::from_nanos(0), rate };
            let (bound, until) = (Span::from_micros(50), NOW + Span::from_secs(10));
            Target { map, sigma: Span::ZERO, bound, doubt: bound, until }
        };
        steering.aim(NOW, target(Rate::from_ppm(20.0)));
        if let Some(rate) = last_word {
            steering.contest(NOW, &target(rate));
        }
        let line = Entry {
            addr: Some(std::net::SocketAddr::from(([10, 0, 0, 2], 7045))),
            standing: Standing::Counted,
            rate: Rate::from_ppm(70.0),
            learned: Rate::from_ppm(70.0),
            age: Span::from_secs(100),
            rate_sigma: Rate::from_ppb(400.0),
            ..Entry::departed(9, NodeId(2), BootId(1), Name::nearest("slave"))
        };
        let will = Will { entries: vec![line], author: None, age: Span::from_secs(100) };
        let parts = Parts::new(gate, steering, [7; 32]);
        let master = Master::succeed(NOW, settings, parts, &will);
        let place = master.roster.by_id(NodeId(2)).unwrap();
        master.roster.get(place).unwrap().track.remembered()
    }

    #[test]
    fn who_did_not_follow_the_last_word_makes_nothing_of_the_rates_in_the_table() {
        let followed = begins_with(None).unwrap();
        assert!((followed.as_ppm() - 90.0).abs() < 0.1, "{followed:?}");
        assert_eq!(begins_with(Some(Rate::from_ppm(-9.0))), None, "against which cluster time?");
    }
}
