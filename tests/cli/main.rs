//! The command line, as the real program: what it prints, and how it ends.

#![expect(clippy::disallowed_methods, reason = "whoever watches processes waits by the clock")]

mod daemons;
mod documents;
mod generated;
mod keys;
mod records;
mod refusals;
mod runs;

use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_campanile");

/// The program without what the tester's own environment sets.
fn campanile() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAMPANILE_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    campanile().args(args).output().unwrap()
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let output = run(&["--help"]);
    let help = stdout(&output);
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let first = |line: &str| {
        let entry = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
        entry.split_whitespace().next().map(str::to_owned)
    };
    let found: Vec<_> = listed.lines().filter_map(first).filter(|name| name != "help").collect();
    assert!(found.len() >= 20, "{found:?}");
    found
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Asserts that the program refused with `code` and one line on standard error that holds all of
/// `parts`, and printed nothing.
fn assert_refused(output: &Output, code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("campanile"), "{said}");
    assert_eq!(stdout(output), "", "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}
