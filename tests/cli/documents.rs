//! What the documents tell people to type is there to be typed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{commands, run, stdout};

/// The files that people copy from.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    for dir in ["docs", "docs/examples", "docs/prometheus", "packaging"] {
        let entries = fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.is_file()));
    }
    assert!(found.len() > 19, "{found:?}");
    found
}

/// The words of `text` that begin with `start` and go on with what `belongs`.
fn words<'a>(text: &'a str, start: &'a str, belongs: fn(char) -> bool) -> BTreeSet<&'a str> {
    let word = |(at, _)| {
        let rest = &text[at + start.len()..];
        &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())]
    };
    text.match_indices(start).map(word).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_command_flag_and_variable_of_the_documents_exists() {
    let commands = commands();
    // The second is a label under the keys, in the protocol.
    let others = ["help", "keys"];
    let there = |name: &str| commands.iter().any(|one| one == name) || others.contains(&name);
    let help: String =
        commands.iter().map(|name| stdout(&run(&[name, "--help"])).to_owned()).collect();
    let capital = |c: char| c.is_ascii_uppercase() || c == '_';
    let small = |c: char| c.is_ascii_lowercase() || c == '-';
    let variables = words(&help, "CAMPANILE_", capital);
    let flags = words(&help, "--", small);
    let (mut typed, mut wrong) = (0, Vec::new());
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut note = |what: String, there: bool| {
            typed += 1;
            if !there {
                wrong.push(format!("{}: {what}", path.display()));
            }
        };
        for name in words(&text, "CAMPANILE_", capital) {
            // Those two are for who works on the program.
            let ours = ["REQUIRE_ALL", "WRITE_DOCS"].contains(&name);
            note(format!("CAMPANILE_{name}"), ours || variables.contains(name));
        }
        for flag in words(&text, "`--", small) {
            note(format!("--{flag}"), flags.contains(flag));
        }
        for command in words(&text, "`campanile ", small) {
            note(format!("campanile {command}"), there(command));
        }
        // In blocks to be copied every line that begins so is a command.
        for block in text.split("```sh\n").skip(1) {
            let lines = block.split("```").next().unwrap().lines();
            for line in lines.filter_map(|line| line.strip_prefix("campanile ")) {
                let command = line.split_whitespace().next().unwrap_or_default();
                note(format!("campanile {command}"), there(command));
                for flag in words(line, " --", small) {
                    note(format!("campanile {command} --{flag}"), flags.contains(flag));
                }
            }
        }
    }
    assert!(typed > 150, "{typed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_key_of_a_scenario_is_in_the_example_and_in_the_help() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("docs/examples/sim/lan.toml")).unwrap();
    let help = run(&["sim", "--help"]);
    assert!(example.lines().all(|line| stdout(&help).contains(line)), "{}", stdout(&help));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lan.toml");
    let path = path.to_str().unwrap();
    fs::write(path, &example).unwrap();
    let played = run(&["sim", path, "--duration", "60s"]);
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let mut keys = 0;
    for table in [
        "no = 1",
        "clock = { no = 1 }",
        "clock = { sway = { no = 1 } }",
        "link = { no = 1 }",
        "link = { tail = { no = 1 } }",
        "link = { queue = { no = 1 } }",
        "driver = { no = 1 }",
        "[[node]]\nno = 1",
        "[[incident]]\nno = 1",
        "[[incident]]\ndelay = { no = 1 }",
        "[[incident]]\ncut = { no = 1 }",
        "[[incident]]\napart = { no = 1 }",
    ] {
        fs::write(path, format!("name = \"x\"\n{table}\n")).unwrap();
        let refused = run(&["sim", path]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        let expected = said.split("expected ").nth(1).unwrap_or_else(|| panic!("{table}: {said}"));
        for key in expected.split('`').skip(1).step_by(2) {
            let named = [format!("{key} = "), format!("[{key}]")];
            let named = named.iter().any(|named| example.contains(named.as_str()));
            assert!(named, "{key} of {table}");
            keys += 1;
        }
    }
    assert!(keys > 50, "{keys}");
}
