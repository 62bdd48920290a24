//! The Debian package: built, looked at by lintian, and installed, run, upgraded and purged in a
//! Debian of its own.

#![allow(clippy::disallowed_methods, reason = "a test is told by the environment what it needs")]

use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What is missing to do all this.
fn missing() -> Option<String> {
    let tools: [(&str, &[&str]); 5] = [
        ("cargo", &["deb", "--version"]),
        ("lintian", &["--version"]),
        ("debootstrap", &["--version"]),
        ("strip", &["--version"]),
        ("dpkg", &["--version"]),
    ];
    let works = |(tool, args): &(&str, &[&str])| {
        Command::new(tool).args(*args).output().is_ok_and(|output| output.status.success())
    };
    let lacking = tools.into_iter().find(|tool| !works(tool));
    let tool = lacking.map(|(tool, args)| format!("{tool} {} does not work", args[0]));
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    tool.or_else(|| (!root).then(|| "it needs root".to_owned()))
}

/// Builds the package with this revision; its path.
fn build(revision: &str) -> String {
    let mut command = Command::new(format!("{ROOT}/packaging/build-deb"));
    command.args([env!("CARGO_BIN_EXE_campanile"), revision]).current_dir(ROOT);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "build-deb: {said}");
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
}

#[test]
#[ignore = "takes minutes, cargo-deb, lintian, debootstrap and root: cargo test --test deb -- --ignored"]
fn the_package_comes_runs_grows_and_goes() {
    if let Some(why) = missing() {
        let required = std::env::var_os("CAMPANILE_REQUIRE_ALL").is_some();
        assert!(!required, "CAMPANILE_REQUIRE_ALL is set, but {why}");
        println!("skipped: {why}");
        return;
    }
    let (old, new) = (build("1"), build("2"));
    let mut lintian = Command::new("lintian");
    let lintian = lintian.args(["--fail-on", "error", "--allow-root"]).arg(&new).output().unwrap();
    let said = String::from_utf8_lossy(&lintian.stdout);
    assert!(lintian.status.success(), "{said}");
    let tested = Command::new(format!("{ROOT}/packaging/test-deb")).args([&old, &new]).output();
    let tested = tested.unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{said}{}", String::from_utf8_lossy(&tested.stderr));
    for step in ["installed", "started as the user campanile", "upgraded to", "removed and purged"]
    {
        assert!(said.contains(&format!("test-deb: {step}")), "{step}: {said}");
    }
}
