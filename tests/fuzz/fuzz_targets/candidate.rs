//! Sequences of inputs into a candidate: the election, and both roles that it may have.
#![no_main]

use campanile::proto::{Candidate, CandidateSettings, ElectionSettings, MasterSettings};
use campanile::time::Time;
use campanile::wire::NodeId;
use campanile_fuzz::{Draw, Driver, START, course, identity, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
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
});
