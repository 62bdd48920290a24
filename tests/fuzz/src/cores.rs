//! Sequences of inputs into the state machines.

use campanile::proto::{
    Candidate, CandidateSettings, ElectionSettings, Master, MasterSettings, Slave, SlaveSettings,
};
use campanile::time::Time;
use campanile::wire::NodeId;

use super::driver::{Draw, Driver, START, course, identity, trust};

/// Any inputs into a master.
pub fn master(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut settings = MasterSettings::new(identity(1));
    settings.trust = trust(&mut draw);
    settings.max_slaves = 4;
    if draw.u8() & 1 == 0 {
        settings.slaves = vec!["10.0.0.2:7045".parse().expect("an address")];
    }
    Driver::new(Master::new(START, settings, course(), [1; 32])).run(&mut draw);
}

/// Any inputs into a slave.
pub fn slave(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut settings = SlaveSettings::new(identity(1));
    settings.trust = trust(&mut draw);
    if draw.u8() & 1 == 0 {
        settings.masters = vec!["10.0.0.1:7045".parse().expect("an address")];
    }
    Driver::new(Slave::new(START, settings, course(), [1; 32])).run(&mut draw);
}

/// Any inputs into a candidate: the election, and both roles that it may have.
pub fn candidate(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let peers = vec!["10.0.0.1:7045".parse().expect("an address")];
    let master = MasterSettings {
        trust: trust(&mut draw),
        max_slaves: 4,
        ..MasterSettings::new(identity(1))
    };
    let election = ElectionSettings {
        peers: peers.clone(),
        quorum: draw.u8() & 1 == 0,
        ..ElectionSettings::new(NodeId(1))
    };
    let not_before = Time::from_nanos(0);
    let settings = CandidateSettings { master, election, masters: peers, not_before };
    Driver::new(Candidate::new(START, settings, course(), [1; 32])).run(&mut draw);
}
