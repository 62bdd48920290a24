//! Files that people write, or that were written by a program that died.

use std::path::Path;

use campanile::cli::validate_config;
use campanile::report::read_from;
use campanile::wire::{Holder, Keyring, NodeId};

/// Any text as a key file: no panic, and what is read serves.
pub fn keyfile(bytes: &[u8]) {
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
}

/// Any text as a configuration file: no panic, and what is wrong is said in one line with its place.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(why) = validate_config(text, Path::new("campanile.toml")) {
        assert_eq!(why.lines().count(), 1, "one line: {why:?}");
        assert!(!why.contains(|c: char| c.is_control()), "nothing for the terminal: {why:?}");
    }
}

/// Any bytes as an interval log: no panic, and bounded memory.
pub fn hlog(bytes: &[u8]) {
    match read_from(bytes, Path::new("fuzzed.hlog")) {
        Ok(log) => drop(log.report().to_string()),
        Err(why) => assert_eq!(why.to_string().lines().count(), 1, "one line"),
    }
}
