//! What is fuzzed. `fuzz_targets` hands these functions to libFuzzer; `tests/fuzz.rs` calls them with
//! the seeds and some mutations of them, and needs neither libFuzzer nor a nightly toolchain.

mod cores;
mod driver;
mod texts;
mod wires;

pub use cores::{candidate, master, slave};
pub use texts::{config, hlog, keyfile};
pub use wires::{decode, unseal};

/// A target: it panics where a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by the names of their seeds.
pub const TARGETS: [(&str, Target); 8] = [
    ("decode", decode),
    ("unseal", unseal),
    ("keyfile", keyfile),
    ("config", config),
    ("hlog", hlog),
    ("master", master),
    ("slave", slave),
    ("candidate", candidate),
];
