//! Keys and the files they are in, as people handle them.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{assert_refused, campanile, run, stdout};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o600);
    path.to_str().unwrap().to_owned()
}

#[test]
fn keygen_makes_lines_that_differ_and_files_that_nobody_else_reads() {
    let (one, two) = (run(&["keygen"]), run(&["keygen"]));
    assert!(one.status.success() && stdout(&one).starts_with("1 HMAC-SHA256 HEX:"));
    assert_eq!(stdout(&one).trim().len(), "1 HMAC-SHA256 HEX:".len() + 64);
    assert_ne!(stdout(&one), stdout(&two));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let file = path.to_str().unwrap();
    for _ in 0..2 {
        let made = run(&["keygen", "--write", file]);
        assert!(made.status.success() && made.stdout.is_empty(), "the secret is not printed");
    }
    assert_eq!(mode(&path), 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let ids: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, ["1", "2"]);
    assert_refused(&run(&["keygen", "--write", file, "--id", "2"]), 2, &[file, "key 2 already"]);
    set_mode(&path, 0o640);
    assert_refused(&run(&["keygen", "--write", file]), 2, &[file]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "and is left alone");
}

#[test]
fn a_key_file_that_keygen_would_not_look_at_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let file = path.to_str().unwrap();
    for args in [
        &["keygen", "--key-file", file][..],
        &["keygen", "--key-file", file, "--write", file],
        &["keygen", "--key-file", file, "--id", "3"],
    ] {
        assert_refused(&run(args), 2, &["--key-file", "--node", "--write"]);
    }
    assert!(!path.exists());
    // It is there for the daemons, and keygen is often run in their environment.
    let made = campanile().env("CAMPANILE_KEY_FILE", file).arg("keygen").output().unwrap();
    assert!(made.status.success() && stdout(&made).starts_with("1 HMAC-SHA256 HEX:"));
}

#[test]
fn a_nodes_key_follows_from_the_clusters_and_from_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "HEX:000102030405060708090a0b0c0d0e0f";
    let keys = file(dir.path(), "keys", &format!("# ours\n\n7 HMAC-SHA256 {secret}  # lab\n"));
    let node = |id: &str| {
        let made = run(&["keygen", "--node", id, "--key-file", &keys]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        stdout(&made).trim().to_owned()
    };
    let one = node("0123456789abcdef");
    // RFC 5869 with the salt, the node's label and its id, worked out apart from this program:
    // prk = hmac(salt, secret); hmac(prk, b"node" + id + b"\x01").
    let expected = "7 HMAC-SHA256 HEX:e976bf3e1e1756d9eaffc84efc9e9dd84cfa7b150dd4ae8e825e1efb11445044 NODE:0123456789abcdef";
    assert_eq!(one, expected);
    assert_eq!(node("0123456789abcdef"), one);
    assert_ne!(node("0123456789abcdee"), one);
    let no_node = run(&["keygen", "--node", "0123456789abcdef"]);
    assert_refused(&no_node, 2, &["--key-file"]);
    let theirs = file(dir.path(), "node", &one);
    let again = run(&["keygen", "--node", "0123456789abcdef", "--key-file", &theirs]);
    assert_refused(&again, 2, &[&theirs, "no key of the cluster"]);
}

#[test]
fn a_key_file_that_cannot_be_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let good = format!("1 HMAC-SHA256 HEX:{secret}");
    for (text, parts) in [
        ("", &["holds no key"][..]),
        ("# nothing\n", &["holds no key"]),
        ("1 HMAC-SHA256", &["line 1", "ID HMAC-SHA256 HEX:"]),
        ("\n0 HMAC-SHA256 HEX:00", &["line 2", "1 to 4294967295"]),
        ("1 MD5 HEX:00", &["line 1", "only kind"]),
        ("1 HMAC-SHA256 HEX:0123", &["32 to 128 hex digits"]),
        ("1 HMAC-SHA256 HEX:0123456789abcdef0123456789abcdeg", &["32 to 128 hex digits"]),
        (&format!("{good}\n{good}"), &["line 2", "key 1 already"]),
        (&format!("{good} NODE:12"), &["16 hex digits"]),
        (&format!("{good} NODE:0123456789abcdef"), &["64 hex digits"]),
    ] {
        let keys = file(dir.path(), "keys", text);
        for command in ["master", "slave"] {
            let refused = run(&[command, "--listen", "127.0.0.1:0", "--key-file", &keys]);
            assert_refused(&refused, 2, &[&["--key-file", &keys][..], parts].concat());
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!said.contains("0123456789abcdef0123"), "a secret is quoted: {said}");
        }
    }
    let keys = file(dir.path(), "keys", &good);
    for bad in [0o644, 0o640, 0o660, 0o602] {
        set_mode(Path::new(&keys), bad);
        let mode = format!("mode {bad:04o}");
        let refused = run(&["slave", "--key-file", &keys]);
        assert_refused(&refused, 2, &["--key-file", &keys, &mode, "chmod 600"]);
    }
    set_mode(Path::new(&keys), 0o600);
    match chown(&keys, Some(54_321), None) {
        Ok(()) => {
            let refused = run(&["slave", "--key-file", &keys]);
            assert_refused(&refused, 2, &["--key-file", &keys, "user 54321", "root", "chown"]);
            let added = run(&["keygen", "--write", &keys, "--id", "9"]);
            assert!(added.status.success(), "root makes keys for other users");
        }
        Err(why) => {
            assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "cannot run: {why}");
            println!("skipped: only root may give a file away: {why}");
        }
    }
    assert_refused(&run(&["master", "--key-file", "/nonexistent"]), 2, &["/nonexistent"]);
    assert_refused(&run(&["master", "--key-file", "/"]), 2, &["--key-file /"]);
}

#[test]
fn a_nodes_key_serves_that_node_alone() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef".repeat(4);
    let key = format!("3 HMAC-SHA256 HEX:{secret} NODE:00000000000000aa\n");
    let keys = file(dir.path(), "keys", &key);
    assert_refused(
        &run(&["slave", "--key-file", &keys]),
        2,
        &["--key-file", "key 3", "needs --state-dir"],
    );
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("node-id"), "00000000000000bb\n").unwrap();
    let state = state.to_str().unwrap();
    assert_refused(
        &run(&["slave", "--key-file", &keys, "--state-dir", state]),
        2,
        &["key 3 is that of node 00000000000000aa", "this is node 00000000000000bb"],
    );
    assert_refused(&run(&["master", "--key-file", &keys]), 2, &["a master needs the cluster's"]);
}

#[test]
fn without_keys_it_is_said_once_that_anyone_can_move_the_clocks() {
    let warning = "anyone on the network can move these clocks";
    let dir = tempfile::tempdir().unwrap();
    let keys = file(dir.path(), "keys", "1 HMAC-SHA256 HEX:0123456789abcdef0123456789abcdef");
    for command in ["master", "slave"] {
        let args = [command, "--listen", "127.0.0.1:0", "--duration", "200ms", "--quiet"];
        let said = |more: &[&str]| {
            let output = campanile().args(args).args(more).output().unwrap();
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stderr).matches(warning).count()
        };
        assert_eq!(said(&[]), 1, "{command}");
        assert_eq!(said(&["--key-file", &keys]), 0, "{command}");
    }
}

/// A daemon that still has not told what is waited for does not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that tells JSON.
struct Daemon {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    fn start(args: &[&str]) -> Daemon {
        let common = ["--json", "--verbose", "--report-interval", "200ms"];
        let mut child = campanile().args(args).args(common).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Daemon { child, lines }
    }

    /// The next event of this name.
    fn next(&mut self, event: &str) -> Value {
        let begun = Instant::now();
        loop {
            let line = self.lines.next().filter(|_| begun.elapsed() < PATIENCE);
            let line = line.unwrap_or_else(|| panic!("no {event} came")).unwrap();
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["event"] == event {
                return value;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn keys_are_replaced_at_sighup_while_the_cluster_runs() {
    let dir = tempfile::tempdir().unwrap();
    let line = |id: u32| format!("{id} HMAC-SHA256 HEX:{}\n", format!("{id:02x}").repeat(32));
    let of_master = file(dir.path(), "master", &line(1));
    let of_slave = file(dir.path(), "slave", &line(1));
    let free = ["--listen", "127.0.0.1:0"];
    let master_args = ["master", "--interval", "100ms", "--key-file", &of_master];
    let mut master = Daemon::start(&[&master_args[..], &free].concat());
    let addr = master.next("start")["addr"].as_str().unwrap().to_owned();
    assert_eq!(master.next("keys")["sealing"], 1);
    // Who asks it before it reigns is turned away, which counts as a drop.
    master.next("elected");
    let slave_args = ["slave", "--master", &addr, "--key-file", &of_slave];
    let mut slave = Daemon::start(&[&slave_args[..], &free].concat());
    slave.next("adjusted");
    // A broken file changes nothing.
    fs::write(&of_slave, "broken").unwrap();
    slave.signal("-HUP");
    assert!(slave.next("warning")["text"].as_str().unwrap().contains("old keys"));
    for keys in [line(1) + &line(2), line(2) + &line(1), line(2)] {
        for (node, path) in [(&mut slave, &of_slave), (&mut master, &of_master)] {
            fs::write(path, &keys).unwrap();
            node.signal("-HUP");
            let told = node.next("keys");
            assert_eq!(told["sealing"].to_string(), keys[..1]);
            assert_eq!(told["count"], keys.lines().count());
        }
        slave.next("adjusted");
    }
    let first = slave.next("adjusted")["round"].as_u64().unwrap();
    for round in 1..=5 {
        assert_eq!(slave.next("adjusted")["round"].as_u64().unwrap(), first + round);
    }
    for node in [&mut slave, &mut master] {
        let report = node.next("report");
        assert_eq!(report["dropped"].as_object().map(serde_json::Map::len), Some(0), "{report}");
    }
}
