//! Sequences of inputs into a master.
#![no_main]

use campanile::proto::{Master, MasterSettings};
use campanile_fuzz::{Draw, Driver, START, course, identity, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut draw = Draw::new(bytes);
    let mut settings = MasterSettings::new(identity(1));
    settings.trust = trust(&mut draw);
    settings.max_slaves = 4;
    if draw.u8() & 1 == 0 {
        settings.slaves = vec!["10.0.0.2:7045".parse().expect("an address")];
    }
    Driver::new(Master::new(START, settings, course(), [1; 32])).run(&mut draw);
});
