//! From what the core and the ledger know to what an answer says.

use super::door::House;
use super::reply::{
    Candidate, Cluster, Events, Histogram, Member, MemberStats, Named, Reign, Stamps, Stats, Told,
    Tracking,
};
use super::tally::Tally;
use crate::proto::Tracking as Own;
use crate::proto::{
    BySource, Contender, DEVIATIONS, Peer, Relation, Role, Source, State, Summary, Who,
};
use crate::time::{Offset, Rate, Span};
use crate::wire::{NodeId, Standing};

fn secs(span: Span) -> f64 {
    span.as_secs_f64()
}

pub(super) fn named(who: &Who) -> Named {
    let addr = Some(who.addr).filter(|addr| addr.port() != 0).map(|addr| addr.to_string());
    Named { node: who.name.to_string(), id: who.id.to_string(), addr }
}

fn stamps(by: BySource) -> Stamps {
    Stamps { daemon: by.daemon, kernel: by.kernel, hardware: by.hardware }
}

pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Counted => "counted",
        Standing::Spare => "spare",
        Standing::Falseticker => "falseticker",
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Daemon => "daemon",
        Source::Kernel => "kernel",
        Source::Hardware => "hardware",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Slave => "slave",
        Role::Standby => "standby",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Searching => "searching",
        State::Alone => "alone",
        State::Forming => "forming",
        State::Synchronised => "synchronised",
        State::Hold => "hold",
        State::Holdover => "holdover",
    }
}

impl House<'_> {
    fn uptime_s(&self) -> f64 {
        secs(self.scene.moment.local.since(self.ledger.began))
    }

    /// What `tracking` says; none of a core that has none to tell of.
    pub(super) fn tracking(&self) -> Option<Tracking> {
        let now = self.scene.moment.local;
        let own = self.scene.core.tracking(now)?;
        let summary = own.summary;
        let basis = match (own.cluster, own.references) {
            (None, _) => "none",
            (Some(_), 0) => "ensemble",
            (Some(_), _) => "references",
        };
        Some(Tracking {
            node: Named { node: own.name.to_string(), id: own.id.to_string(), addr: None },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: self.scene.addr.to_string(),
            uptime_s: self.uptime_s(),
            role: role(own.role).to_owned(),
            state: state(own.state).to_owned(),
            master: own.master.as_ref().map(named),
            term: own.term.map(|term| term.0),
            time_basis: basis.to_owned(),
            cluster_time_ns: own.cluster.map(|time| time.as_nanos()),
            members: summary.map(|summary| summary.members),
            counted: summary.map(|summary| summary.counted),
            spread_s: summary.map(|summary| secs(summary.spread)),
            standing: own.standing.map(|of| standing(of).to_owned()),
            round: own.round,
            interval_s: secs(own.interval),
            since_update_s: own.updated.map(|at| secs(now.since(at))),
            expires_in_s: own.until.map(|until| (until - now).as_secs_f64()),
            updates: self.ledger.updates,
            offset_s: own.remaining.map(|remaining| (-remaining).as_secs_f64()),
            last_offset_s: self.ledger.offsets.last(),
            rms_offset_s: self.ledger.offsets.rms(),
            rate: own.rate.map(|rate| rate.reversed().as_ratio()),
            skew: self.ledger.rates.deviation(),
            round_trip_s: own.round_trip.map(secs),
            sigma_s: own.sigma.map(secs),
            bound_statistical_s: own.likely_bound.map(secs),
            bound_hard_s: own.bound.map(secs),
            stamps_received: stamps(self.scene.net.received),
            stamps_sent: stamps(self.scene.net.sent),
            clock: self.scene.clock.to_owned(),
            steps: own.steps,
        })
    }

    pub(super) fn member(&self, peer: &Peer) -> Member {
        let now = self.scene.moment.local;
        Member {
            node: named(&peer.who),
            relation: match peer.relation {
                Relation::Own => "own",
                Relation::Master => "master",
                Relation::Member => "member",
            }
            .to_owned(),
            state: self.state_of(peer).to_owned(),
            reach: peer.reach,
            last_reply_s: peer.heard.map(|at| secs(now.since(at))),
            offset_s: peer.offset.map(Offset::as_secs_f64),
            sigma_s: peer.sigma.map(secs),
            bound_statistical_s: peer.sigma.map(|sigma| secs(sigma.times(DEVIATIONS))),
            bound_hard_s: peer.bound.map(secs),
            rate: peer.rate.map(Rate::as_ratio),
            skew: peer.skew.map(Rate::as_ratio),
            round_trip_s: peer.round_trip.map(secs),
            weight: peer.weight,
            stamps: peer.stamps.map(|of| source(of).to_owned()),
            authenticated: peer.authenticated,
            steps: peer.steps,
        }
    }

    /// The one word that the sign in the table stands for.
    fn state_of(&self, peer: &Peer) -> &'static str {
        let master = match peer.relation {
            Relation::Master => true,
            Relation::Own => self.is_master(),
            Relation::Member => false,
        };
        match peer.standing {
            _ if peer.reach == 0 => "unreachable",
            Standing::Falseticker => "falseticker",
            _ if master => "master",
            _ if peer.variable => "variable",
            Standing::Spare => "spare",
            Standing::Counted => "counted",
        }
    }

    /// Whether this node is the master.
    pub(super) fn is_master(&self) -> bool {
        let now = self.scene.moment.local;
        self.scene.core.tracking(now).is_some_and(|own| own.role == Role::Master)
    }

    pub(super) fn member_stats(&self, peer: &Peer) -> MemberStats {
        let none = Tally::default();
        let tally = self.ledger.tally(peer.who.id).unwrap_or(&none);
        let own = peer.relation == Relation::Own;
        let offsets = if own { &self.ledger.offsets } else { &tally.offsets };
        MemberStats {
            node: named(&peer.who),
            samples: offsets.len(),
            span_s: secs(offsets.span()),
            polled: tally.polled,
            answered: tally.answered,
            exchanges: tally.exchanges,
            offset_mean_s: offsets.mean(),
            offset_deviation_s: offsets.deviation(),
            rate: peer.rate.map(Rate::as_ratio),
            skew: if own { self.ledger.rates.deviation() } else { peer.skew.map(Rate::as_ratio) },
            round_trip_mean_s: tally.round_trips.mean(),
            round_trip_deviation_s: tally.round_trips.deviation(),
            restarts: tally.restarts,
            silences: tally.silences,
            falseticks: tally.falseticks,
        }
    }

    pub(super) fn cluster(&self) -> Cluster {
        let now = self.scene.moment.local;
        let tracking = self.scene.core.tracking(now);
        let master = tracking.as_ref().and_then(master);
        let summary = tracking.as_ref().and_then(|tracking| tracking.summary);
        let own = self.own();
        let change = |change: &super::ledger::Change| Reign {
            node: change.who.as_ref().or(own.as_ref()).map_or_else(Named::nobody, named),
            ago_s: secs(now.since(change.at)),
            why: change.why.to_owned(),
        };
        Cluster {
            term: tracking.and_then(|tracking| tracking.term).map(|term| term.0),
            candidates: self.scene.core.contenders().iter().map(candidate).collect(),
            master,
            members: summary.map(|summary: Summary| summary.members),
            counted: summary.map(|summary| summary.counted),
            spread_s: summary.map(|summary| secs(summary.spread)),
            reigns: self.ledger.changes.iter().map(change).collect(),
        }
    }

    /// The node itself.
    fn own(&self) -> Option<Who> {
        let own = self.scene.core.tracking(self.scene.moment.local)?;
        let addr = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        Some(Who { id: own.id, name: own.name, addr })
    }

    pub(super) fn stats(&self) -> Stats {
        let (counters, net) = (self.scene.core.counters(), self.scene.net);
        let roster = self.scene.core.roster();
        Stats {
            uptime_s: self.uptime_s(),
            received: counters.received,
            sent: counters.sent,
            slow: counters.slow,
            dropped: counters.dropped_in_all(),
            drops: counters.drops().map(|(drop, n)| (drop.name().to_owned(), n)).collect(),
            stamps_received: stamps(net.received),
            stamps_sent: stamps(net.sent),
            send_errors: net.send_errors,
            receive_errors: net.receive_errors,
            truncated: net.truncated,
            overflowed: net.overflowed,
            clock_steps: net.clock_steps,
            events: self.ledger.told,
            warnings: self.ledger.warnings,
            slaves: roster.map(|roster| roster.slaves as u64),
            max_slaves: roster.map(|roster| roster.most as u64),
            bytes_per_slave: roster.map(|roster| roster.each as u64),
        }
    }

    pub(super) fn events(&self) -> Events {
        let now = self.scene.moment.local;
        let told = |news: &super::News| Told {
            number: news.number,
            ago_s: secs(now.since(news.at)),
            warning: news.warning,
            text: news.text.clone(),
        };
        Events { events: self.ledger.news.iter().map(told).collect() }
    }

    pub(super) fn histogram(&self) -> Histogram {
        let each = self.ledger.round_trip.each();
        Histogram { round_trip: each.map(|(edge, n)| (edge.map(secs), n)).collect() }
    }
}

fn candidate(contender: &Contender) -> Candidate {
    let role = if contender.reigns { "master" } else { "standby" };
    Candidate { node: named(&contender.who), role: role.to_owned(), rank: contender.rank.0 }
}

/// The master, whoever that is.
fn master(own: &Own) -> Option<Named> {
    match own.role {
        Role::Master => {
            Some(Named { node: own.name.to_string(), id: own.id.to_string(), addr: None })
        }
        Role::Slave | Role::Standby => own.master.as_ref().map(named),
    }
}

/// Whether a member is meant by what somebody typed: its name, its identity or its address.
pub(super) fn is_meant(peer: &Peer, typed: &str) -> bool {
    let Who { id: NodeId(id), name, addr } = &peer.who;
    // An identity is nobody else's, whatever others call themselves.
    if typed.len() == 16 && typed.bytes().all(|b| b.is_ascii_hexdigit()) {
        return format!("{id:016x}") == typed;
    }
    name.as_str() == typed
        || addr.to_string() == typed
        || addr.ip().to_string() == typed && peer.relation != Relation::Own
}
