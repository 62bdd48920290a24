//! What a master and a slave have in common: everything is checked and opened before anything is
//! begun.

use std::net::SocketAddr;

use super::ballot::ballot;
use super::failure::Failure;
use super::flags::{ClockChoice, NodeFlags, OutputFlags, Target};
use super::identity::{self, random};
use super::journal::{Heading, Journal, Role};
use super::place::{self, Opened};
use super::record::Body;
use super::state::saved_rate;
use super::trust::{KeySource, KeyUser, TrustFlags};
use super::words::{self, Scene, Weight};
use crate::clock::{Clock, ClockError, Oscillator, SystemClock, VirtualClock};
use crate::net::{Endpoint, Keep, NetError, Node, Signals, resolve};
use crate::os;
use crate::outlet::{Ledger, Metrics, Outlet};
use crate::proto::{Core, Event, Identity};
use crate::report::{LogWriter, MAX_SUBJECTS};
use crate::time::{Local, Map, Rate, Shown, Time};
use crate::wire::{DEFAULT_PORT, KeyId, Keyring, Name, NodeId};

/// What a daemon runs with, beyond its core.
pub(super) struct Plan<'a> {
    pub(super) role: Role,
    pub(super) identity: &'a Identity,
    pub(super) node: &'a NodeFlags,
    pub(super) output: &'a OutputFlags,
    /// What is sealed with; none: nothing is.
    pub(super) keys: Keyring,
    /// Where to read them anew.
    pub(super) key_source: Option<KeySource>,
    pub(super) endpoint: Endpoint,
    /// Names that are looked up again while nobody answers.
    pub(super) names: Vec<String>,
    /// What is known of it to be missing, a line each.
    pub(super) lacks: Vec<String>,
    /// The most slaves there can be.
    pub(super) slaves: usize,
    /// Members that are taken for references.
    pub(super) references: &'a [Name],
    /// Where votes and terms are kept.
    pub(super) keep: Option<Keep>,
}

/// Opens what is still to be opened, builds the core with `core` and runs it to its end.
///
/// # Errors
/// Where the clock, the report file or the event loop cannot be had, or fails later.
pub(super) fn run<C: Core>(
    plan: Plan<'_>,
    core: impl FnOnce(Time<Local>, Map<Local, Shown>, [u8; 32]) -> C,
) -> Result<(), Failure> {
    match plan.node.clock {
        ClockChoice::Virtual { offset, drift } => {
            let oscillator = Oscillator::drifting_from_now(drift);
            let reads = os::realtime() + offset;
            let clock = VirtualClock::new(oscillator.read(), reads, Rate::ZERO);
            run_with(plan, core, clock, oscillator, None)
        }
        ClockChoice::System => {
            let opened = SystemClock::open();
            let refused = |why: ClockError| Failure::failed(format!("--clock system: {why}"));
            let clock = opened.map_err(refused)?;
            let warning = clock.found_synchronised().then_some(
                "the kernel calls its clock synchronised already: if chronyd, ntpd, \
                 systemd-timesyncd or the like runs on this machine, stop it",
            );
            run_with(plan, core, clock, Oscillator::plain(), warning)
        }
    }
}

fn run_with<C: Core, K: Clock>(
    plan: Plan<'_>,
    core: impl FnOnce(Time<Local>, Map<Local, Shown>, [u8; 32]) -> C,
    mut clock: K,
    oscillator: Oscillator,
    warning: Option<&str>,
) -> Result<(), Failure> {
    let seed = random()?;
    let signals = Signals::catch().map_err(Failure::failed)?;
    let control = place::open(plan.node.control.as_ref(), plan.node.state_dir.as_deref())?;
    let metrics = plan.node.metrics.map(open_metrics).transpose()?;
    let log = plan.output.report.as_deref().map(|path| {
        let mut log = LogWriter::create(path, os::realtime()).map_err(Failure::failed)?;
        log.introduce(&format!("{} {}", plan.role.word(), plan.identity.name));
        Ok::<_, Failure>(log)
    });
    let log = log.transpose()?;
    let started = oscillator.read();
    let heading = Heading {
        role: plan.role,
        own: plan.identity.id,
        masters: plan.names.join(", "),
        started,
        state_dir: plan.node.state_dir.clone(),
        subjects: plan.slaves.min(MAX_SUBJECTS),
        references: plan.references.iter().filter(|n| **n != plan.identity.name).cloned().collect(),
    };
    let mut journal = Journal::new(heading, plan.output, log);
    introduce(&mut journal, &plan, clock.name());
    journal.read_keys_from(plan.key_source);
    if let Some(text) = warning {
        journal.say("warning", Body::Warning { text }, text);
    }
    for text in &plan.lacks {
        journal.say("warning", Body::Warning { text }, text);
    }
    let teller = teller(plan.identity.id, plan.names.join(", "));
    let mut outlet = Outlet::new(Ledger::new(started, Box::new(teller)));
    match control {
        Opened::At(control, path) => {
            let path = path.display().to_string();
            let text = format!("control socket at {path}");
            journal.say("control", Body::Control { path: Some(&path), reason: None }, &text);
            outlet.open(Box::new(control));
        }
        Opened::AsAsked => journal.without_control("no control socket, as asked", Weight::News),
        Opened::Nowhere(why) => journal.without_control(&why, Weight::Warning),
    }
    if let Some((metrics, addr)) = metrics {
        let text = format!("metrics at http://{addr}/metrics");
        journal.say("metrics", Body::Metrics { addr }, &text);
        outlet.open(Box::new(metrics));
    }
    plan.endpoint.expect(plan.slaves);
    let core = core(started, clock.map(started), seed);
    let node = Node::new(plan.endpoint, core, clock, oscillator, plan.names).map_err(failure)?;
    let node = match plan.keep {
        Some(keep) => node.keeping(keep),
        None => node,
    };
    let mut node = if plan.node.share_clock { node.sharing_the_clock() } else { node };
    node.host(Box::new(outlet));
    let ended = node.run(&mut journal, signals, plan.output.duration);
    ended.map_err(failure).map(drop).and(journal.end())
}

/// Opens the metrics page; where it is.
fn open_metrics(addr: SocketAddr) -> Result<(Metrics, SocketAddr), Failure> {
    let opened = Metrics::bind(addr).and_then(|metrics| {
        let addr = metrics.local_addr()?;
        Ok((metrics, addr))
    });
    opened.map_err(|why| Failure::failed(format!("--metrics {addr}: {why}")))
}

/// Puts what is more than routine into words, for whoever reads of it later.
fn teller(own: NodeId, masters: String) -> impl Fn(&Event) -> Option<(bool, String)> + Send {
    move |event| {
        let weight = words::weight(event);
        let scene = Scene { own, name_of: &|id| id.to_string(), masters: &masters };
        let sentence = (weight > Weight::Routine).then(|| words::sentence(event, &scene));
        Some((weight == Weight::Warning, sentence??))
    }
}

fn introduce(journal: &mut Journal, plan: &Plan<'_>, clock: &'static str) {
    let role = plan.role.word();
    let (name, addr) = (plan.identity.name.as_str(), plan.endpoint.local_addr());
    let unled = plan.role == Role::Slave && plan.names.is_empty();
    let waits = if unled { "; no --master: it obeys whoever polls" } else { "" };
    let text = format!("{role} {name} on {addr}, steering its {clock} clock{waits}");
    let body = Body::Start {
        version: env!("CARGO_PKG_VERSION"),
        role,
        node: name,
        id: plan.identity.id.to_string(),
        addr,
        clock,
        stamps: plan.node.stamps.name(),
    };
    journal.say("start", body, &text);
    match plan.keys.holders().next() {
        Some((id, _)) => {
            let count = plan.keys.holders().count();
            journal.say("keys", Body::Keys { count, sealing: id.0 }, &keys(count, id));
        }
        None => {
            let text = "no --key-file: anyone on the network can move these clocks";
            journal.say("warning", Body::Warning { text }, text);
        }
    }
}

/// How much is sealed with what, in words.
pub(super) fn keys(count: usize, sealing: KeyId) -> String {
    let all = if count == 1 { String::new() } else { format!(", and {count} keys are accepted") };
    format!("datagrams are sealed with key {sealing}{all}")
}

/// Whether the files that a start reads serve it. Changes nothing.
///
/// # Errors
/// Where one of them cannot be read, or does not hold what it should.
pub(super) fn check_files(
    node: &NodeFlags,
    trust: &TrustFlags,
    keys_role: Role,
) -> Result<(), Failure> {
    let dir = node.state_dir.as_deref();
    let id = dir.map(identity::known).transpose()?.flatten().unwrap_or(NodeId::UNKNOWN);
    trust.check(&KeyUser { role: keys_role, id, stays: dir.is_some() })?;
    saved_rate(dir)?;
    // A slave that may not be master leaves what it once promised alone.
    if keys_role == Role::Master { ballot(dir).map(drop) } else { Ok(()) }
}

/// Binds the socket: where `listen` says, else to `port` on every address of this machine.
///
/// # Errors
/// Where the address is in use, or not to be had, or the kernel refuses the stamps insisted on.
pub(super) fn bind(
    listen: Option<SocketAddr>,
    port: u16,
    node: &NodeFlags,
) -> Result<Endpoint, Failure> {
    let bound = listen.map_or_else(|| Endpoint::bind_any(port), Endpoint::bind);
    let endpoint = bound.map_err(|why| Failure::failed(format!("--listen: {why}")))?;
    endpoint.stamped_by(node.stamps.wanted()).map_err(failure)
}

/// The addresses behind `target`, given with `flag`, that `endpoint` can send to, the best first
/// and never none.
///
/// # Errors
/// Where the host is not known, or has no address of the right family.
pub(super) fn addresses(
    flag: &str,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<Vec<SocketAddr>, Failure> {
    // Its form was checked before; what is left is a name that is not known here and now.
    let refused = |why| Failure::failed(format!("{flag}: {why}"));
    let mut found = resolve(target.as_str(), DEFAULT_PORT).map_err(|e| refused(e.to_string()))?;
    let local = endpoint.local_addr();
    found.retain(|addr| match local.is_ipv4() {
        true => addr.is_ipv4(),
        false => addr.is_ipv6() || local.ip().is_unspecified(),
    });
    if found.is_empty() {
        let family = if local.is_ipv4() { "IPv4" } else { "IPv6" };
        let why = format!("{target} has no {family} address, and we listen on {local} only");
        return Err(refused(why));
    }
    Ok(found)
}

/// As [`addresses`], of several targets that are given for the same: those that are not known now are told
/// of, if another is.
///
/// # Errors
/// Where none is known, unless there are `others` to turn to.
pub(super) fn some_addresses(
    flag: &str,
    targets: &[Target],
    endpoint: &Endpoint,
    others: bool,
) -> Result<(Vec<SocketAddr>, Vec<String>), Failure> {
    let (mut found, mut lacks, mut failed) = (Vec::new(), Vec::new(), None);
    for target in targets {
        match addresses(flag, target, endpoint) {
            Ok(addrs) => found.extend(addrs),
            Err(failure) => {
                lacks.push(failure.text().to_owned());
                failed.get_or_insert(failure);
            }
        }
    }
    match failed {
        Some(failure) if found.is_empty() && !others => Err(failure),
        _ => Ok((found, lacks)),
    }
}

/// What a failure of the network means for the exit code.
pub(super) fn failure(error: NetError) -> Failure {
    match error {
        NetError::Shared(found) => Failure::failed(format!(
            "--clock system: {found}, and not by this program; stop what else steers the clock \
             (chronyd, ntpd, systemd-timesyncd, somebody's date -s), or allow it with --share-clock"
        )),
        NetError::Stamps(why) => Failure::failed(format!(
            "--stamps kernel: {why}; allowed where it does not: auto, daemon"
        )),
        error if error.is_input() => Failure::input(error),
        error => Failure::failed(error),
    }
}
