//! Sequences of inputs into a slave.
#![no_main]

use campanile::proto::{Slave, SlaveSettings};
use campanile_fuzz::{Draw, Driver, START, course, identity, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut draw = Draw::new(bytes);
    let mut settings = SlaveSettings::new(identity(1));
    settings.trust = trust(&mut draw);
    if draw.u8() & 1 == 0 {
        settings.masters = vec!["10.0.0.1:7045".parse().expect("an address")];
    }
    Driver::new(Slave::new(START, settings, course(), [1; 32])).run(&mut draw);
});
