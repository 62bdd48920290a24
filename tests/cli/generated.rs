//! Man pages and completions, as the programs that read them take them.

#![allow(clippy::disallowed_methods, reason = "a test is told by the environment what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{assert_refused, campanile, commands, run, stdout};

fn generate(what: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["generate", what, dir.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<_> = stdout(&output).lines().map(PathBuf::from).collect();
    assert!(files.iter().all(|file| file.is_file()), "{files:?}");
    (dir, files)
}

/// What `program` says; `None`, and a word why, where it is not here.
fn tool(program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).env("MANWIDTH", "80").output() {
        Ok(output) => Some(output),
        Err(why) => {
            let required = std::env::var_os("CAMPANILE_REQUIRE_ALL").is_some();
            assert!(!required, "CAMPANILE_REQUIRE_ALL is set, but {program}: {why}");
            println!("skipped: {program}: {why}");
            None
        }
    }
}

#[test]
fn every_command_has_a_page_that_man_takes() {
    let (dir, files) = generate("man");
    let commands = commands();
    for command in &commands {
        let section = if ["master", "slave"].contains(&command.as_str()) { 8 } else { 1 };
        let page = format!("man{section}/campanile-{command}.{section}");
        assert!(dir.path().join(&page).is_file(), "{page} is missing: {files:?}");
    }
    for file in &files {
        let path = file.to_str().unwrap();
        let Some(shown) = tool("man", &["--warnings", "-E", "UTF-8", "-l", path]) else { return };
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && said.is_empty(), "{path}: {said}");
        assert!(stdout(&shown).contains("NAME"), "{path}: {}", stdout(&shown));
    }
    let master = fs::read_to_string(dir.path().join("man8/campanile-master.8")).unwrap();
    for part in ["\\-\\-tolerance", "EXAMPLES", "SIGHUP", "SEE ALSO", "CAMPANILE_INTERVAL"] {
        assert!(master.contains(part), "{part} is not in campanile-master.8");
    }
}

#[test]
fn formats_have_sections_of_their_own() {
    let (dir, _) = generate("man");
    for (page, section, part) in [
        ("sim", "\"SCENARIO FILE\"", "stamp_early"),
        ("peerstats", "COLUMNS", "exchanges, offset_mean_s"),
        ("peer", "COLUMNS", "steps, samples"),
    ] {
        let path = dir.path().join(format!("man1/campanile-{page}.1"));
        let text = fs::read_to_string(path).unwrap();
        let at = text.find(&format!(".SH {section}\n")).unwrap_or_else(|| panic!("{text}"));
        assert!(text[at..].contains(part), "{page}: {}", &text[at..]);
    }
}

#[test]
fn the_file_has_a_page_with_every_key() {
    let (dir, _) = generate("man");
    let page = fs::read_to_string(dir.path().join("man5/campanile.toml.5")).unwrap();
    for role in ["master", "slave"] {
        let printed = run(&[role, "--print-config"]);
        let keys = stdout(&printed).lines().filter_map(|line| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.split(' ').next().filter(|key| !key.starts_with('['))
        });
        let keys: Vec<_> = keys.collect();
        assert!(keys.len() > 15, "{keys:?}");
        for key in keys {
            let key = key.replace('-', "\\-");
            assert!(page.contains(&format!("\n\\fB{key}\\fR = ")), "{key} is not in\n{page}");
        }
    }
}

#[test]
fn the_shells_take_their_completions() {
    let (_dir, files) = generate("completions");
    assert_eq!(files.len(), 3);
    for file in &files {
        let path = file.to_str().unwrap();
        let shell = ["bash", "zsh", "fish"].into_iter().find(|s| path.contains(&format!("/{s}/")));
        let Some(parsed) = tool(shell.unwrap(), &["-n", path]) else { continue };
        let said = String::from_utf8_lossy(&parsed.stderr);
        assert!(parsed.status.success() && said.is_empty(), "{path}: {said}");
    }
    let bash = files.iter().find(|file| file.ends_with("bash/campanile")).unwrap();
    let completed = complete_in_bash(bash);
    assert!(completed.lines().any(|word| word == "--tolerance"), "{completed}");
}

/// What bash offers for `campanile master --t`.
fn complete_in_bash(completions: &Path) -> String {
    let script = "source \"$0\"; COMP_WORDS=(campanile master --t); COMP_CWORD=2; \
                  _campanile campanile --t master; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", script]).arg(completions).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_cannot_be_generated_is_said() {
    assert_refused(&run(&["generate", "poems", "x"]), 2, &["poems", "man, completions"]);
    assert_refused(&run(&["generate", "man"]), 2, &["DIR"]);
    assert_refused(&run(&["generate", "man", "/dev/null/x"]), 1, &["/dev/null/x"]);
    // What the environment says of a daemon is nothing to a page.
    let dir = tempfile::tempdir().unwrap();
    let mut command = campanile();
    command.env("CAMPANILE_INTERVAL", "secret").args(["generate", "man"]).arg(dir.path());
    assert!(command.output().unwrap().status.success());
    let page = fs::read_to_string(dir.path().join("man8/campanile-master.8")).unwrap();
    assert!(!page.contains("secret"));
}
