//! What `docs/accuracy.md` says is what the code does: one cheap row of it. All of it is checked
//! by `campanile sim --table --write docs/accuracy.md`, which leaves the file as it is.

use std::fs;

use campanile::sim::{Scenario, run};

/// The spread's RMS of quiet at the default burst is this at most, in µs.
const LIMIT: f64 = 0.32;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/accuracy.md");
    fs::read_to_string(path).expect("docs/accuracy.md is there")
}

/// The cells of the first row of the document that is about `scenario`.
fn row(document: &str, scenario: &str) -> Vec<String> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = document.lines().filter(|line| line.starts_with('|')).map(cells);
    rows.into_iter()
        .find(|cells: &Vec<String>| cells[1] == scenario)
        .unwrap_or_else(|| panic!("{scenario} has a row"))
}

#[test]
fn the_document_says_how_it_was_made() {
    let document = document();
    let command = "`campanile sim --table --seeds 1..5 --write docs/accuracy.md`";
    assert!(document.contains(command), "the command that makes it");
    assert!(document.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))));
    assert!(!document.contains('{'), "a hole was left");
    for name in Scenario::names() {
        assert!(row(&document, name).len() > 5, "{name}");
    }
}

#[test]
fn an_idle_network_is_as_good_as_the_document_says() {
    let scenario = Scenario::named("quiet").unwrap();
    let mut micros: Vec<f64> =
        (1..=5).map(|seed| run(&scenario, seed, &mut |_| {}).spread_rms_s * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    let median = micros[2];
    assert!(median <= LIMIT, "RMS {median} µs, the limit is {LIMIT}");

    // Peer: 3 cells, burst 1: 4 and its limit, burst 4.
    let said: f64 = row(&document(), "quiet")[10].parse().expect("a figure");
    assert!(
        (said - median).abs() < 0.1 * median,
        "it is {median} µs, and the document says {said}"
    );
}
