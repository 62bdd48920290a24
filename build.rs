//! Tells the program when it was built: no right clock shows less.

#![expect(clippy::disallowed_methods, reason = "a build has a date and an environment")]

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=Cargo.toml");
    // Who builds reproducibly sets the date.
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|date| date.parse::<u64>().is_ok());
    let built = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs()).to_string()
    });
    println!("cargo:rustc-env=CAMPANILE_BUILT_UNIX_S={built}");
}
