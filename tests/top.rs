//! `campanile top` in a terminal: what is drawn, and that the terminal is as it was afterwards.

#![allow(clippy::disallowed_methods, reason = "a test is told by the environment what it needs")]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::daemon::Daemon;
use common::within;
use serde_json::Value;

/// Runs a program in a terminal of its own. Each line of its input is something that happens there:
/// keys, a new size, a signal. Blanks are not drawn where the screen is blank. It ends with a line of JSON: how the program ended, and whether the
/// terminal's settings are what they were.
const TERMINAL: &str = r#"
import fcntl, json, os, pty, select, signal, struct, subprocess, sys, termios
ours, theirs = pty.openpty()
def resize(rows, columns):
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack('HHHH', int(rows), int(columns), 0, 0))
def begin():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
def settings():
    found = termios.tcgetattr(theirs)
    found[2] &= ~0o2003600000  # CIBAUD: the input's speed, by name or as that of the output
    return found
resize(24, 60)
before = settings()
program = subprocess.Popen(sys.argv[2:], stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=begin)
drawn = open(sys.argv[1], 'wb', buffering=0)
while program.poll() is None:
    ready, _, _ = select.select([ours, 0], [], [], 0.05)
    if ours in ready:
        drawn.write(os.read(ours, 65536))
    if 0 in ready:
        word, *rest = sys.stdin.buffer.raw.readline().decode().split() or ['gone']
        if word == 'keys': os.write(ours, rest[0].encode().decode('unicode_escape').encode())
        if word == 'size': resize(*rest)
        if word == 'signal': program.send_signal(int(rest[0]))
        if word == 'gone': program.kill()
while select.select([ours], [], [], 0.2)[0]:
    drawn.write(os.read(ours, 65536))
print(json.dumps({'code': program.returncode, 'restored': settings() == before}))
"#;

fn campanile() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAMPANILE_")) {
        command.env_remove(name);
    }
    command
}

/// `campanile top` in a terminal of 24 lines and 60 columns.
struct Top {
    terminal: Child,
    drawn: PathBuf,
}

impl Top {
    /// None where there is nothing to make a terminal with.
    fn start(dir: &Path, socket: &Path) -> Option<Top> {
        let able = Command::new("python3").arg("--version").output().is_ok();
        if !able {
            assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "needs python3");
            println!("skipped: no python3 here to make a terminal");
            return None;
        }
        let drawn = dir.join("drawn");
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL]).arg(&drawn);
        command.args([env!("CARGO_BIN_EXE_campanile"), "top", "--every", "100ms", "--control"]);
        command.arg(socket).env("TERM", "xterm").env_remove("NO_COLOR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Some(Top { terminal: command.spawn().unwrap(), drawn })
    }

    fn does(&mut self, what: &str) {
        writeln!(self.terminal.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    /// Waits until this has been drawn, from byte `since` of all that was.
    fn shows(&self, since: usize, text: &str) -> bool {
        within(20, || self.drawn_since(since).contains(text))
    }

    fn drawn_since(&self, since: usize) -> String {
        let all = fs::read(&self.drawn).unwrap_or_default();
        String::from_utf8_lossy(&all[since.min(all.len())..]).into_owned()
    }

    fn length(&self) -> usize {
        fs::read(&self.drawn).map_or(0, |all| all.len())
    }

    /// Asserts that it ends well, and leaves the terminal as it was.
    fn assert_ends(mut self) {
        assert!(within(20, || self.terminal.try_wait().unwrap().is_some()), "it does not end");
        let output = self.terminal.wait_with_output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["code"], &told["restored"]), (&0.into(), &true.into()), "{told}");
        let drawn = fs::read_to_string(&self.drawn).unwrap();
        let after = drawn.rfind("\u{1b}[?1049l").expect("the screen before is not back");
        assert!(drawn.find("\u{1b}[?1049h").is_some_and(|begun| begun < after));
        assert!(drawn.rfind("\u{1b}[?25h") > drawn.rfind("\u{1b}[?25l"), "no cursor");
    }
}

#[test]
fn it_survives_a_new_size_and_its_daemon_and_puts_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("m.sock");
    let master = |name: &str| {
        let mut command = campanile();
        command.args(["master", "--listen", "127.0.0.1:0", "--json", "--name", name, "--control"]);
        command.args([socket.as_os_str()]);
        Daemon::start(command, dir.path(), name)
    };
    let Some(mut top) = Top::start(dir.path(), &socket) else { return };
    assert!(top.shows(0, "no daemon serves"), "a daemon that is not there: {}", top.drawn_since(0));
    let mut first = master("campanula");
    assert!(top.shows(0, "campanula"), "a daemon that came: {}", top.drawn_since(0));
    assert!(top.shows(0, "trips,") && top.shows(0, "quit"));
    assert!(!top.drawn_since(0).contains("offsets"), "a column that has no room");
    let before = top.length();
    top.does("size 30 100");
    assert!(top.shows(before, "offsets"), "a wider terminal: {}", top.drawn_since(before));
    for size in ["1 1", "2 200", "60 9", "24 80"] {
        top.does(&format!("size {size}"));
    }
    let before = top.length();
    first.kill();
    assert!(top.shows(before, "old:"), "a daemon that went: {}", top.drawn_since(before));
    let before = top.length();
    let _second = master("belfry");
    assert!(top.shows(before, "belfry"), "another one: {}", top.drawn_since(before));
    let before = top.length();
    top.does("keys s");
    assert!(top.shows(before, "offset"), "the order: {}", top.drawn_since(before));
    top.does("keys q");
    top.assert_ends();
}

#[test]
fn it_ends_at_control_c_and_at_a_signal_as_at_q() {
    let dir = tempfile::tempdir().unwrap();
    for end in ["keys \\x03", "signal 15", "signal 1"] {
        let _ = fs::remove_file(dir.path().join("drawn"));
        let Some(mut top) = Top::start(dir.path(), &dir.path().join("none.sock")) else { return };
        assert!(top.shows(0, "no daemon serves"), "{}", top.drawn_since(0));
        top.does(end);
        top.assert_ends();
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = campanile().arg("top").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a terminal"));
}
