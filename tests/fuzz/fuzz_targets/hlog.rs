//! Any bytes as an interval log: no panic, and bounded memory.
#![no_main]

use campanile::report::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("campanile-fuzz-{}.hlog", std::process::id()));
    std::fs::write(&path, bytes).expect("the directory for temporary files can be written");
    if let Ok(log) = read(&path) {
        let _ = log.report().to_string();
    }
});
