//! The metrics page, as Prometheus takes it; and what whoever reads it badly can do: nothing.

#![allow(clippy::disallowed_methods, reason = "a test is told by the environment what it needs")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::daemon::Daemon;
use common::{sleep, within};
use serde_json::Value;

fn campanile(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAMPANILE_")) {
        command.env_remove(name);
    }
    command.args(args).args(["--json", "--control", "none"]);
    command
}

/// An address nobody listens at, for a moment at least.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A master that serves metrics, and `slaves` that follow it; all of them do, the master first.
fn cluster(dir: &Path, slaves: usize) -> (SocketAddr, Daemon, Vec<Daemon>) {
    let start = |args: &[&str], name: &str| {
        let common = ["--name", name, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
        Daemon::start(campanile(&[args, &common].concat()), dir, name)
    };
    let master = start(&["master", "--interval", "100ms", "--verbose"], "tower");
    assert!(within(10, || master.told("metrics", None)), "{}", master.log());
    let at = metrics_of(&master);
    let addr = master.events()[0]["addr"].as_str().unwrap().to_owned();
    let start = |n: usize| start(&["slave", "--master", &addr], &format!("s{n}"));
    let slaves: Vec<_> = (0..slaves).map(start).collect();
    let joined = || master.events().iter().filter(|e| e["event"] == "joined").count();
    assert!(within(20, || joined() == slaves.len()), "{}", master.log());
    (at, master, slaves)
}

fn metrics_of(daemon: &Daemon) -> SocketAddr {
    let events = daemon.events();
    let told = events.iter().find(|event| event["event"] == "metrics").unwrap();
    told["addr"].as_str().unwrap().parse().unwrap()
}

/// What is answered to `request`.
fn ask(at: SocketAddr, request: &str) -> String {
    let mut line = TcpStream::connect(at).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    line.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    line.read_to_string(&mut text).unwrap();
    text
}

fn scrape(at: SocketAddr) -> String {
    let text = ask(at, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    body.to_owned()
}

/// The value of the series that begins with `name`.
fn value(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_scrape_tells_what_the_node_knows() {
    let dir = tempfile::tempdir().unwrap();
    let (at, _master, slaves) = cluster(dir.path(), 2);
    let synchronised = || value(&scrape(at), "campanile_synchronised") == Some(1.0);
    assert!(within(10, synchronised), "{}", scrape(at));
    assert!(
        within(10, || value(&scrape(at), "campanile_member_offset_seconds{node=\"s1\"").is_some())
    );
    let page = scrape(at);
    assert_eq!(value(&page, "campanile_members "), Some(3.0), "{page}");
    assert_eq!(value(&page, "campanile_is_master"), Some(1.0));
    assert!(page.contains("campanile_node_info{node=\"tower\""), "{page}");
    assert_eq!(value(&page, "campanile_member_reachable{node=\"s0\""), Some(1.0));
    assert_eq!(value(&page, "campanile_members_without_series"), Some(0.0));
    let all = value(&page, "campanile_round_trip_seconds_count").unwrap();
    assert!(all > 0.0);
    assert_eq!(value(&page, "campanile_round_trip_seconds_bucket{le=\"+Inf\"}"), Some(all));
    assert!(page.contains("# UNIT campanile_spread_seconds seconds"), "{page}");

    let of_slave = scrape(metrics_of(&slaves[0]));
    assert_eq!(value(&of_slave, "campanile_is_master"), Some(0.0), "{of_slave}");
    assert!(of_slave.contains("master=\"tower\""), "{of_slave}");
    assert!(!of_slave.contains("campanile_member_"), "members are the master's to tell of");
    // Each series is there once, and those of a family stand together.
    for page in [page, of_slave] {
        let mut seen = std::collections::BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, number) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "{series} is there twice");
            assert!(number.parse::<f64>().unwrap().is_finite(), "{line}");
        }
        let heads = page.lines().filter(|line| line.starts_with("# TYPE"));
        let heads: Vec<_> = heads.collect();
        let names: std::collections::BTreeSet<_> = heads.iter().collect();
        assert_eq!(names.len(), heads.len(), "{heads:?}");
    }
}

#[test]
fn what_is_no_scrape_is_refused_and_what_is_stuck_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (at, master, _slaves) = cluster(dir.path(), 2);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\x16\x03\x01 what\r\n\r\n", "400"),
        ("GET /metrics\r\n\r\n", "400"),
        (&"x".repeat(8 * 1024), "431"),
    ] {
        assert!(ask(at, request).starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
    }
    // Megabytes that are no request: taken by the bite, and not for long.
    let mut endless = TcpStream::connect(at).unwrap();
    endless.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let chunk = [b'x'; 65_536];
    let sent = (0..1_600).take_while(|_| endless.write_all(&chunk).is_ok()).count();
    assert!(sent < 1_600, "a hundred megabytes were taken");
    // Some ask and never read, some never ask, some never finish to ask; more than there is room.
    let mut stuck = Vec::new();
    for n in 0..100 {
        let Ok(mut line) = TcpStream::connect_timeout(&at, Duration::from_secs(2)) else {
            continue;
        };
        let words: &[u8] = match n % 3 {
            0 => b"GET /metrics HTTP/1.1\r\n\r\n",
            1 => b"",
            _ => b"GET /met",
        };
        // One that was turned away may be closed already.
        let _ = line.write_all(words);
        stuck.push(line);
    }
    let rounds = || master.events().iter().filter(|e| e["event"] == "round").count();
    let (began, before) = (Instant::now(), rounds());
    sleep(2_000);
    let due = began.elapsed().as_millis() as usize / 100;
    let went = rounds() - before;
    assert!(2 * went >= due, "{went} rounds of {due}");
    let lost = |event: &Value| event["event"] == "unreachable" || event["event"] == "left";
    assert!(!master.events().iter().any(lost), "somebody was lost over it");
    // The crowd still stands there; those that want nothing make room.
    assert!(scrape(at).contains("campanile_is_master 1"));
    drop(stuck);
}

/// Runs until dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether `tool` is here; where it must be and is not, that is a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    let required = std::env::var_os("CAMPANILE_REQUIRE_ALL").is_some();
    assert!(found || !required, "CAMPANILE_REQUIRE_ALL is set, but {tool} is not here");
    if !found {
        println!("skipped: {tool} is not here");
    }
    found
}

#[test]
fn prometheus_scrapes_it_and_takes_the_rules() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/prometheus");
    if !has("promtool") || !has("prometheus") {
        return;
    }
    for args in [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let checked = Command::new("promtool").args(args).current_dir(&docs).output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
    }
    let dir = tempfile::tempdir().unwrap();
    let (at, master, _slaves) = cluster(dir.path(), 2);
    // What is no datagram of ours is dropped, so that there is something to tell of drops.
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    noise.send_to(b"noise", master.events()[0]["addr"].as_str().unwrap()).unwrap();
    assert!(within(10, || value(&scrape(at), "campanile_datagrams_dropped_total").is_some()));
    let config = dir.path().join("prometheus.yml");
    let rules = docs.join("alerts.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
         scrape_configs: [{{job_name: campanile, static_configs: [{{targets: ['{at}']}}]}}]\n",
        rules.display()
    );
    fs::write(&config, text).unwrap();
    let web = free();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("tsdb").display()))
        .arg(format!("--web.listen-address={web}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _prometheus = Running(command.spawn().unwrap());
    let query = |expr: &str| -> Option<Value> {
        let mut line = TcpStream::connect(web).ok()?;
        let expr: String = expr.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = format!("GET /api/v1/query?query={expr} HTTP/1.0\r\n\r\n");
        line.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        line.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    };
    let result = |expr: &str| {
        let answer = query(expr)?;
        Some(answer["data"]["result"].as_array()?.clone())
    };
    let up = || result("up").is_some_and(|r| r.len() == 1 && r[0]["value"][1] == "1");
    assert!(within(60, up), "{:?}", query("up"));
    let offsets = || result("campanile_member_offset_seconds").is_some_and(|r| r.len() >= 2);
    assert!(within(20, offsets), "{:?}", query("campanile_member_offset_seconds"));
    let p50 = "histogram_quantile(0.5,campanile_round_trip_seconds_bucket)";
    let value = result(p50).unwrap()[0]["value"][1].as_str().unwrap().parse::<f64>().unwrap();
    assert!(0.0 < value && value < 0.1, "{value}");

    // Every series that the rules and the dashboard name is one that is served.
    let page = scrape(at);
    let shown = ["alerts.yml", "dashboard.json"].map(|f| fs::read_to_string(docs.join(f)).unwrap());
    for name in shown.concat().split(|c: char| !c.is_alphanumeric() && c != '_') {
        assert!(!name.starts_with("campanile_") || page.contains(name), "{name} is not served");
    }
    // Prometheus has an answer to all that the dashboard asks, by the names that its legends use.
    let dashboard: Value = serde_json::from_str(&shown[1]).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked = 0;
    for target in targets {
        let (expr, legend) = (target["expr"].as_str().unwrap(), &target["legendFormat"]);
        // A rate takes two scrapes.
        let answered = || result(expr).is_some_and(|rows| !rows.is_empty());
        assert!(within(20, answered), "{expr}: {:?}", query(expr));
        let label = legend.as_str().unwrap().strip_prefix("{{").and_then(|l| l.strip_suffix("}}"));
        for row in result(expr).unwrap() {
            assert!(label.is_none_or(|label| row["metric"][label].is_string()), "{expr}: {row}");
        }
        asked += 1;
    }
    assert!(asked >= 10, "{asked} questions");
}
