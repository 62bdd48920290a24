//! Any text as a key file: no panic, and what is read serves.
#![no_main]

use campanile::wire::{Holder, Keyring, NodeId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Keyring::parse(text) {
        Ok(keys) => {
            let count = keys.holders().count();
            assert!((1..=Keyring::MOST).contains(&count));
            for (id, holder) in keys.holders() {
                let line = keys.node_line(id, NodeId(5));
                assert_eq!(line.is_some(), holder == Holder::Cluster);
                if let Some(line) = line {
                    assert!(Keyring::parse(&line).is_ok(), "what we write we read");
                }
            }
        }
        Err(why) => assert_eq!(why.to_string().lines().count(), 1, "one line"),
    }
});
