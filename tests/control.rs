//! The control socket of the real daemon: what it answers, and what it survives.

#![expect(clippy::disallowed_methods, reason = "whoever watches processes waits by the clock")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::daemon::Daemon;
use common::{sleep, within};
use serde_json::{Value, json};
use tempfile::TempDir;

fn campanile() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAMPANILE_")) {
        command.env_remove(name);
    }
    command
}

/// A master with slaves, each with a control socket in a directory of their own.
struct Lab {
    dir: TempDir,
    daemons: Vec<Daemon>,
}

impl Lab {
    fn new(slaves: usize) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let daemon = |name: &str, args: &[&str]| {
            let mut command = campanile();
            command.args(args).args(["--json", "--name", name]);
            command.args(["--control", dir.path().join(format!("{name}.sock")).to_str().unwrap()]);
            Daemon::start(command, dir.path(), name)
        };
        let mut daemons =
            vec![daemon("m", &["master", "--listen", "127.0.0.1:0", "--interval", "100ms"])];
        assert!(within(5, || daemons[0].told("start", None)));
        let start = daemons[0].events()[0].clone();
        for n in 1..=slaves {
            let to = start["addr"].as_str().unwrap();
            let name = format!("s{n}");
            daemons.push(daemon(&name, &["slave", "--listen", "127.0.0.1:0", "--master", to]));
        }
        let lab = Lab { dir, daemons };
        assert!(within(10, || lab.serves("m")), "no socket");
        let ready = || {
            (1..=slaves).all(|n| {
                let name = format!("s{n}");
                lab.serves(&name) && lab.get(&name, "tracking")["state"] == "synchronised"
            })
        };
        assert!(within(20, ready), "the slaves do not get ready");
        lab
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.sock"))
    }

    /// Whether somebody listens: the file is there a moment before.
    fn serves(&self, name: &str) -> bool {
        UnixStream::connect(self.socket(name)).is_ok()
    }

    fn call(&self, name: &str) -> UnixStream {
        let stream = UnixStream::connect(self.socket(name)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn ask(&self, name: &str, request: &Value) -> Value {
        answer(&mut self.call(name), &format!("{request}\n"))
    }

    fn get(&self, name: &str, view: &str) -> Value {
        let mut answer = self.ask(name, &json!({ "v": 1, "get": view }));
        assert_eq!(answer["ok"], true, "{answer}");
        answer[view].take()
    }

    fn run(&self, name: &str, args: &[&str]) -> Output {
        campanile().args(args).arg("--control").arg(self.socket(name)).output().unwrap()
    }

    fn print(&self, name: &str, args: &[&str]) -> String {
        let output = self.run(name, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Now, and the master's round.
    fn round(&self) -> (Instant, u64) {
        // Whoever comes while all places are taken is turned away, and comes again.
        assert!(within(20, || self.run("m", &["tracking"]).status.success()), "nobody is answered");
        (Instant::now(), self.get("m", "tracking")["round"].as_u64().unwrap())
    }

    /// The master answers others, and its rounds have gone on since: most of them, since this machine
    /// may be busy too.
    fn assert_unharmed(&self, (since, first): (Instant, u64)) {
        sleep(1_000);
        let rounds = self.round().1 - first;
        let due = since.elapsed().as_millis() as u64 / 100;
        assert!(2 * rounds >= due, "{rounds} rounds of {due}");
    }
}

fn answer(stream: &mut UnixStream, request: &str) -> Value {
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn master_and_slave_tell_the_same_story() {
    let lab = Lab::new(2);
    assert!(within(20, || lab.get("m", "tracking")["state"] == "synchronised"));
    let of_master = lab.get("m", "tracking");
    assert_eq!((&of_master["role"], &of_master["node"]), (&"master".into(), &"m".into()));
    assert_eq!(of_master["members"], 3);
    let of_slave = || lab.get("s1", "tracking");
    // Its round trip it knows by the master's word alone: with the first adjust after the first
    // round that had one.
    let told = || {
        let tracking = of_slave();
        tracking["offset_s"].as_f64().is_some_and(|offset| offset.abs() < 1e-3)
            && tracking["round_trip_s"].as_f64().is_some_and(|s| 0.0 < s && s < 0.01)
    };
    assert!(within(20, told), "{}", of_slave());
    let of_slave = of_slave();
    assert_eq!((&of_slave["role"], &of_slave["master"]["node"]), (&"slave".into(), &"m".into()));
    assert!(of_slave["bound_hard_s"].as_f64().unwrap() > 0.0, "{of_slave}");
    assert!(of_slave["updates"].as_u64().unwrap() > 0, "{of_slave}");
    let of_its_master = lab.get("s1", "peers")[1].clone();
    assert_eq!(of_its_master["node"], "m", "{of_its_master}");
    assert!(of_its_master["round_trip_s"].as_f64().is_some_and(|s| s > 0.0), "{of_its_master}");

    let peers = || lab.get("m", "peers").as_array().unwrap().clone();
    let all_count = || {
        let peers = peers();
        let weights = peers.iter().filter_map(|peer| peer["weight"].as_f64());
        (weights.sum::<f64>() - 1.0).abs() < 0.3
            && peers.iter().all(|peer| peer["state"] == "counted" || peer["state"] == "master")
    };
    assert!(within(20, all_count), "{:?}", peers());
    let peers = peers();
    let by_name = |name: &str| peers.iter().find(|peer| peer["node"] == name).unwrap();
    let member = by_name("s2");
    assert_eq!((&member["relation"], &member["state"]), (&"member".into(), &"counted".into()));
    let round_trip = member["round_trip_s"].as_f64().unwrap();
    assert!(0.0 < round_trip && round_trip < 0.01, "{member}");
    assert_eq!(by_name("m")["state"], "master");

    let peer = lab.ask("m", &json!({ "get": "peer", "name": "s1" }));
    assert_eq!(peer["peer"]["id"], of_slave["id"]);
    assert!(peer["peerstats"]["exchanges"].as_u64().unwrap() > 0, "{peer}");
    assert_eq!(lab.ask("m", &json!({ "get": "peer", "name": "s9" }))["code"], "unknown_peer");
    let stats = lab.get("m", "stats");
    // A busy machine's late replies are nobody's any more.
    let (received, dropped) =
        (stats["received"].as_u64().unwrap(), stats["dropped"].as_u64().unwrap());
    assert!(received > 0 && 10 * dropped < received, "{stats}");
    let told = lab.get("m", "events").to_string();
    assert!(told.contains("slave s1 joined"), "{told}");
    let reigns = lab.get("s1", "cluster")["reigns"].clone();
    assert_eq!(reigns[0]["node"], "m", "{reigns}");
    let counts = lab.get("m", "histogram")["round_trip"].clone();
    let counts = counts.as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap());
    assert!(counts.sum::<u64>() > 0);
}

#[test]
fn every_view_fits_a_terminal_and_a_program() {
    let lab = Lab::new(1);
    for daemon in ["m", "s1"] {
        for view in ["tracking", "peers", "peerstats", "cluster", "stats", "peer"] {
            let args = if view == "peer" { vec![view, "m"] } else { vec![view] };
            let plain = lab.print(daemon, &args);
            let legend = lab.print(daemon, &[&args[..], &["-v"]].concat());
            assert!(legend.len() > plain.len() + 100, "{legend}");
            for line in legend.lines() {
                assert!(line.chars().count() <= 80, "{view}: {line:?}");
            }
            assert!(!legend.contains('\u{1b}'), "colours without a terminal");
            let json = lab.print(daemon, &[&args[..], &["--json"]].concat());
            let json: Value = serde_json::from_str(&json).unwrap();
            let rows = json.as_array().map_or(1, Vec::len);
            let csv = lab.print(daemon, &[&args[..], &["-c"]].concat());
            assert_eq!(csv.lines().count(), rows, "{csv}");
            let columns = csv.lines().map(|line| line.matches(',').count());
            assert!(columns.clone().all(|n| n >= 5 && Some(n) == columns.clone().next()), "{csv}");
        }
    }
    let unknown = lab.run("m", &["peer", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nobody"));
    let nowhere = campanile().args(["tracking", "--control", "/nonexistent/x"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("/nonexistent/x: no daemon"));
}

#[test]
fn of_several_with_one_name_all_are_named() {
    let mut lab = Lab::new(1);
    let start = lab.daemons[0].events()[0].clone();
    for file in ["twin-1", "twin-2"] {
        let mut command = campanile();
        command.args(["slave", "--json", "--name", "s1", "--control", "none"]);
        command.args(["--listen", "127.0.0.1:0", "--master", start["addr"].as_str().unwrap()]);
        lab.daemons.push(Daemon::start(command, lab.dir.path(), file));
    }
    let ask = || lab.ask("m", &json!({ "get": "peer", "name": "s1" }));
    assert!(within(10, || ask()["meant"] == 3), "{}", ask());
    let answer = ask();
    let others = answer["others"].as_array().unwrap();
    assert_eq!(others.len(), 2, "{answer}");
    assert!(
        others.iter().all(|other| other["node"] == "s1" && other["id"] != answer["peer"]["id"])
    );
    assert_eq!(lab.print("m", &["peer", "s1", "-c"]).lines().count(), 3);
    let shown = lab.print("m", &["peer", "s1"]);
    assert!(shown.contains("3 members are meant by s1"), "{shown}");
    for other in others {
        let id = other["id"].as_str().unwrap();
        assert!(
            shown.contains(&format!("  {id} ({})", other["addr"].as_str().unwrap())),
            "{shown}"
        );
        let one = lab.ask("m", &json!({ "get": "peer", "name": id }));
        assert_eq!((&one["peer"]["id"], &one["meant"]), (&other["id"], &json!(1)));
    }
}

#[test]
fn a_bad_request_gets_a_reason_and_the_line_goes_on() {
    let lab = Lab::new(0);
    let mut stream = lab.call("m");
    for (request, code) in [
        ("", "bad_request"),
        ("tracking", "bad_request"),
        ("{}", "bad_request"),
        ("[]", "bad_request"),
        (r#"{"get":"everything"}"#, "bad_request"),
        (r#"{"get":"tracking","verbose":true}"#, "bad_request"),
        (r#"{"get":"tracking","do":"reload"}"#, "bad_request"),
        (r#"{"get":"peer"}"#, "bad_request"),
        (r#"{"get":"peers","name":"m"}"#, "bad_request"),
        (r#"{"v":2,"get":"tracking"}"#, "version"),
        ("\u{0}\u{1b}[2J", "bad_request"),
    ] {
        let answer = answer(&mut stream, &format!("{request}\n"));
        assert_eq!((&answer["ok"], &answer["code"]), (&false.into(), &code.into()), "{request}");
        assert!(answer["error"].is_string() && answer["v"] == 1);
    }
    assert_eq!(answer(&mut stream, "{\"get\":\"tracking\"}\n")["ok"], true);
    // Whoever has said all before it listens is answered all the same.
    let mut both = lab.call("m");
    both.write_all(b"{\"get\":\"stats\"}\n{\"get\":\"tracking\"}\n").unwrap();
    both.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = String::new();
    both.read_to_string(&mut all).unwrap();
    assert_eq!(all.lines().count(), 2, "{all}");
}

#[test]
fn readers_that_misbehave_harm_nobody() {
    let lab = Lab::new(1);
    let before = lab.round();
    // One that never reads: it asks as long as that is taken.
    let mut deaf = lab.call("m");
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut asked = 0;
    while deaf.write_all(b"{\"get\":\"events\"}\n{\"get\":\"peers\"}\n").is_ok() {
        asked += 1;
        assert!(asked < 1_000_000, "what nobody reads is answered for ever");
    }
    // Half a line, and one that goes in the middle of an answer.
    let mut half = lab.call("m");
    half.write_all(b"{\"get\":").unwrap();
    for _ in 0..50 {
        let mut hasty = lab.call("m");
        // Some of so many are turned away.
        let _ = hasty.write_all(b"{\"get\":\"peers\"}\n{\"get\":\"ev");
    }
    // Ten megabytes without an end.
    let mut endless = lab.call("m");
    let chunk = [b'x'; 65_536];
    let sent = (0..160).take_while(|_| endless.write_all(&chunk).is_ok()).count();
    assert!(sent < 160, "ten megabytes were taken");
    let mut said = Vec::new();
    let _ = endless.read_to_end(&mut said);
    assert!(said.is_empty() || String::from_utf8_lossy(&said).contains("too_long"));
    // Noise.
    let mut noisy = lab.call("m");
    let _ = noisy.write_all(&(0..=255).cycle().take(3_000).collect::<Vec<u8>>());
    lab.assert_unharmed(before);
    let dropped = within(30, || match deaf.write(b"\n") {
        Err(error) => error.kind() == ErrorKind::BrokenPipe,
        Ok(_) => false,
    });
    assert!(dropped, "who never reads is kept");
    let mut byte = [0];
    half.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    assert_eq!(half.read(&mut byte).unwrap(), 0, "half a request is waited for for ever");
}

#[test]
fn a_crowd_is_turned_away_and_the_idle_make_room() {
    let lab = Lab::new(1);
    let before = lab.round();
    let crowd: Vec<_> = (0..100).map(|_| lab.call("m")).collect();
    // All that came at once are kept or turned away; none of them wants anything.
    let kept = || {
        let kept = crowd.iter().filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            let mut byte = [0];
            matches!((&mut &**stream).read(&mut byte), Err(e) if e.kind() == ErrorKind::WouldBlock)
        });
        kept.count()
    };
    assert!(within(20, || kept() <= 32), "{}", kept());
    // Those that are left have wanted nothing for a while when the next one comes.
    sleep(2_100);
    lab.assert_unharmed(before);
}

#[test]
fn a_dead_daemons_socket_is_cleared_away_and_a_living_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    let slave = |path: &Path| {
        let mut command = campanile();
        command.args(["slave", "--listen", "127.0.0.1:0", "--json", "--control"]).arg(path);
        command
    };
    drop(UnixListener::bind(&path).unwrap());
    let mut first = Daemon::start(slave(&path), dir.path(), "first");
    assert!(within(5, || first.told("control", None)), "{}", first.log());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let refused = slave(&path).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("--control") && said.contains("another daemon"), "{said}");
    assert!(UnixStream::connect(&path).is_ok(), "the living one lost its socket");
    first.kill();
    assert!(path.exists());
    let mut second = Daemon::start(slave(&path), dir.path(), "second");
    assert!(within(5, || second.told("control", None)), "{}", second.log());
    assert_eq!(second.terminate(), Some(0));
    assert!(!path.exists(), "it stays behind");

    let file = dir.path().join("precious");
    fs::write(&file, "data").unwrap();
    let refused = slave(&file).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no socket"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    let none = slave(Path::new("none")).args(["--duration", "100ms"]).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stdout).contains("no control socket, as asked"));
    let none = slave(Path::new("none")).args(["--duration", "100ms"]).output().unwrap();
    assert!(none.status.success());
}

#[test]
fn who_has_no_control_socket_says_why_under_quiet_too() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let slave = |flag: &str| {
        let mut command = campanile();
        command.args(["slave", "--listen", "127.0.0.1:0", flag]);
        command.env("XDG_RUNTIME_DIR", "/dev/null");
        command
    };
    // The system's place is the first daemon's or somebody else's, where it is to be had at all;
    // then all the others' are taken.
    let first = Daemon::start(slave("--json"), dir.path(), "first");
    assert!(within(5, || first.told("control", None)), "{}", first.log());
    let holder = UnixListener::bind(state.join("campanile.sock")).unwrap();
    let second = |flag: &str| {
        let mut command = slave(flag);
        command.args(["--duration", "100ms", "--state-dir"]).arg(&state);
        command.output().unwrap()
    };
    let (quiet, json) = (second("--quiet"), second("--json"));
    drop(holder);
    let said = String::from_utf8_lossy(&quiet.stderr);
    let told = String::from_utf8_lossy(&json.stdout);
    let control = told.lines().find(|line| line.contains("\"control\"")).unwrap();
    let control: Value = serde_json::from_str(control).unwrap();
    assert_eq!(control["path"], Value::Null);
    for text in [control["reason"].as_str().unwrap(), &said] {
        let why = "campanile.sock is another daemon's";
        assert!(text.contains("no control socket: ") && text.contains(why), "{text}");
    }
}

#[test]
fn waitsync_ends_within_a_round_of_the_clock_being_right() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    let spare = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = spare.local_addr().unwrap().to_string();
    drop(spare);
    let wait = |args: &[&str]| {
        let mut command = campanile();
        command.arg("waitsync").args(args).arg("--control").arg(&socket);
        command
    };
    let mut slave = None;
    // Nobody is there, then a slave without a master: it ends in time, and says why.
    for state in ["no daemon", "searching"] {
        let began = Instant::now();
        let output = wait(&["--timeout", "500ms"]).output().unwrap();
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("not within 500 ms") && said.contains(state), "{said}");
        assert!((400..5_000).contains(&took.as_millis()), "{took:?}");
        if state == "no daemon" {
            let mut command = campanile();
            command.args(["slave", "--listen", "127.0.0.1:0", "--json", "--master", &addr]);
            command.arg("--control").arg(&socket);
            slave = Some(Daemon::start(command, dir.path(), "s"));
            assert!(within(5, || socket.exists()), "no socket");
        }
    }
    let check = |args: &[&str]| {
        campanile().arg("check").args(args).arg("--control").arg(&socket).output().unwrap()
    };
    let critical = check(&[]);
    assert_eq!(critical.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&critical.stdout).starts_with("CAMPANILE CRITICAL - slave"));

    let mut waiting = wait(&["--within", "5ms", "--timeout", "30s"]).spawn().unwrap();
    let mut master = campanile();
    master.args(["master", "--listen", &addr, "--json", "--control", "none", "--name", "m"]);
    let _master = Daemon::start(master, dir.path(), "m");
    let right = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let tracking = answer(&mut stream, "{\"get\":\"tracking\"}\n")["tracking"].clone();
        let bound = tracking["bound_statistical_s"].as_f64();
        tracking["state"] == "synchronised" && bound.is_some_and(|bound| bound <= 5e-3)
    };
    assert!(within(25, right), "it does not get right");
    let since = Instant::now();
    assert!(within(10, || waiting.try_wait().unwrap().is_some()), "it waits on");
    assert!(waiting.wait().unwrap().success());
    // A round, and what a busy machine takes to end a process.
    assert!(since.elapsed() < Duration::from_millis(1_500), "{:?}", since.elapsed());

    let ok = check(&["--warn", "1s", "--crit", "2s"]);
    let said = String::from_utf8_lossy(&ok.stdout);
    assert_eq!(ok.status.code(), Some(0), "{said}");
    assert!(said.starts_with("CAMPANILE OK - slave, synchronised: offset "), "{said}");
    assert!(said.contains(" | error=0.0") && said.lines().count() == 1, "{said}");
    assert_eq!(check(&["--warn", "1us", "--crit", "2s"]).status.code(), Some(1));
    assert_eq!(check(&["--warn", "1us", "--crit", "1us"]).status.code(), Some(2));
    let unknown = campanile().args(["check", "--control", "/nonexistent/x"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&unknown.stdout).starts_with("CAMPANILE UNKNOWN - "));
    drop(slave);
}

/// A daemon that says what the test wants it to; while that is nothing, it does not answer.
struct Mouthpiece {
    says: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Mouthpiece {
    fn at(path: &Path, says: Value) -> Mouthpiece {
        let listener = UnixListener::bind(path).unwrap();
        let says = Arc::new(Mutex::new(Some(says)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (words, count) = (Arc::clone(&says), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, words, count) = (stream.unwrap(), words.clone(), count.clone());
                thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap());
                    while lines.read_line(&mut String::new()).is_ok_and(|read| read > 0) {
                        count.fetch_add(1, Ordering::SeqCst);
                        let Some(tracking) = words.lock().unwrap().clone() else { continue };
                        let answer = json!({ "v": 1, "ok": true, "tracking": tracking });
                        let _ = writeln!(stream, "{answer}");
                    }
                });
            }
        });
        Mouthpiece { says, asked }
    }

    fn say(&self, what: Option<Value>) {
        *self.says.lock().unwrap() = what;
    }
}

#[test]
fn waitsync_is_back_within_an_interval_and_gives_up_in_time() {
    const INTERVAL: Duration = Duration::from_secs(2);
    let lab = Lab::new(1);
    assert!(within(20, || lab.get("m", "tracking")["state"] == "synchronised"));
    let with = |state: &str, bound: Value| {
        let mut tracking = lab.get("m", "tracking");
        tracking["interval_s"] = INTERVAL.as_secs_f64().into();
        (tracking["state"], tracking["bound_statistical_s"]) = (state.into(), bound);
        tracking
    };
    let path = lab.socket("mouthpiece");
    let daemon = Mouthpiece::at(&path, Value::Null);
    let wait = |timeout: &str| {
        let mut command = campanile();
        command.args(["waitsync", "--within", "50us", "--timeout", timeout, "--control"]);
        command.arg(&path).stderr(Stdio::piped()).spawn().unwrap()
    };
    let faults = [
        with("searching", Value::Null),
        with("holdover", 1e-6.into()),
        with("synchronised", 51e-6.into()),
    ];
    for fault in &faults {
        daemon.say(Some(fault.clone()));
        let before = daemon.asked.load(Ordering::SeqCst);
        let mut waiting = wait("60s");
        assert!(within(20, || daemon.asked.load(Ordering::SeqCst) >= before + 3), "it asks once");
        assert!(waiting.try_wait().unwrap().is_none(), "it is content with {fault}");
        daemon.say(Some(with("synchronised", 49e-6.into())));
        let since = Instant::now();
        assert!(waiting.wait().unwrap().success());
        assert!(since.elapsed() < INTERVAL, "{:?}", since.elapsed());
    }
    // Where it does not come true, or the daemon hangs, the time is up when it is up.
    for (says, why) in [(Some(faults[2].clone()), "within 51.0 µs"), (None, "does not answer")] {
        daemon.say(says);
        let began = Instant::now();
        let output = wait("700ms").wait_with_output().unwrap();
        let (took, said) = (began.elapsed(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("not within 700 ms") && said.contains(why), "{said}");
        assert!(took >= Duration::from_millis(700), "{took:?}");
        assert!(took < Duration::from_millis(700) + INTERVAL, "{took:?}");
    }
}

#[test]
fn what_is_ordered_is_done_for_those_who_may() {
    let mut lab = Lab::new(1);
    let refused = lab.run("s1", &["resign"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not the master"));
    assert!(lab.print("m", &["reload"]).contains("reloads"));

    let steps = || lab.get("s1", "tracking")["steps"].as_u64().unwrap();
    let before = steps();
    assert!(lab.print("s1", &["makestep"]).contains("stepped by"));
    assert!(within(5, || steps() > before), "it was not stepped");

    if let Some(stranger) = as_stranger(&lab) {
        let said = String::from_utf8_lossy(&stranger.stdout).into_owned();
        assert!(said.contains("\"denied\"") && said.contains("\"tracking\""), "{said}");
    }
    assert!(lab.print("m", &["resign"]).contains("over"));
    assert!(within(5, || lab.daemons[0].ended() == Some(0)), "it reigns on");
    assert!(lab.daemons[0].told("left", None) || lab.daemons[0].told("end", None));
    assert!(within(5, || lab.daemons[1].told("master_left", None)));
    assert!(!lab.socket("m").exists());
}

/// What somebody of the socket's group, who is not the daemon's user, is answered.
fn as_stranger(lab: &Lab) -> Option<Output> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    let able = Command::new("setpriv").arg("--version").output().is_ok()
        && Command::new("/usr/bin/python3").arg("--version").output().is_ok();
    if !root || !able {
        assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "needs root and python3");
        println!("skipped: a caller of another user needs root, setpriv and python3");
        return None;
    }
    fs::set_permissions(lab.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                   s.sendall(b'{\"do\":\"makestep\"}\\n{\"get\":\"tracking\"}\\n')\n\
                   f=s.makefile()\nprint(f.readline(),f.readline())";
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=0",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        program,
    ]);
    Some(command.arg(lab.socket("m")).output().unwrap())
}
