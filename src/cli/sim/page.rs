//! The figures as tables for people: on a terminal, and in the document that is kept.

use super::figures::{Accuracy, Claim, ClusterRow, Kind, PairRow, Spread, Unit};
use super::peers::{CLUSTERS, EVENTS, Error, PAIRS};

/// The document; `{…}` is where something is put in.
const DOCUMENT: &str = include_str!("accuracy.md");

/// The tables alone.
pub(super) fn tables(of: &Accuracy) -> String {
    let [first, last] = of.seeds;
    format!(
        "Medians over seeds {first}..{last}.\n\nClusters of six, spread in µs\n\n{}\n\
         Until the spread stayed small, and how the mean wandered over 600 s\n\n{}\n\
         One slave and one master, error in ns: RMS/max\n\n{}\n\
         One slave, and something happens\n\n{}\n\
         Cluster time\n\n{}\nBounds, seeds {}..{}\n\n{}\n{}",
        clusters(of),
        settling(of),
        pairs(of),
        events(of),
        ensemble(of),
        of.bound_seeds[0],
        of.bound_seeds[1],
        bounds(of),
        missed(of)
    )
}

/// The document with the tables.
pub(super) fn document(of: &Accuracy) -> String {
    let [first, last] = of.seeds;
    let parts = [
        ("{version}", of.version.to_owned()),
        ("{seeds}", format!("{first}..{last}")),
        ("{bound seeds}", format!("{}..{}", of.bound_seeds[0], of.bound_seeds[1])),
        ("{peer}", super::peers::CLUSTER_PEER.to_owned()),
        ("{clusters}", clusters(of)),
        ("{settling}", settling(of)),
        ("{pairs}", pairs(of)),
        ("{events}", events(of)),
        ("{ensemble}", ensemble(of)),
        ("{bounds}", bounds(of)),
        ("{missed}", missed(of)),
    ];
    let put_in = |text: String, (hole, part): &(&str, String)| text.replace(hole, part.trim_end());
    parts.iter().fold(DOCUMENT.to_owned(), put_in)
}

fn clusters(of: &Accuracy) -> String {
    let header = [
        "scenario",
        "peer rms",
        "p99",
        "max",
        "burst 1 rms",
        "worst",
        "p99",
        "max",
        "limit",
        "burst 4 rms",
        "worst",
        "p99",
        "max",
        "limit",
        "met",
        "aim",
        "met",
    ];
    let row = |(row, peer): (&ClusterRow, &super::peers::Cluster)| {
        let four = |spread: Spread| {
            [spread.rms_s, spread.rms_worst_s, spread.p99_s, spread.max_s].map(micros)
        };
        let limit = |most: Option<f64>| most.map_or_else(none, micros);
        let mut cells = vec![row.scenario.to_owned()];
        cells.extend([peer.peer.rms, peer.peer.p99, peer.peer.max].map(micros));
        cells.extend(four(row.burst_1));
        cells.push(limit(peer.limit_1));
        cells.extend(four(row.burst_4));
        cells.push(limit(peer.limit_4));
        cells.push(mark(&row.claims, Kind::Limit));
        cells.push(limit(peer.aim_4));
        cells.push(mark(&row.claims, Kind::Aim));
        cells
    };
    grid(&header, of.clusters.iter().zip(&CLUSTERS).map(row).collect())
}

fn settling(of: &Accuracy) -> String {
    let header = [
        "scenario",
        "peer < 100 µs",
        "burst 1 < 100 µs",
        "< 2 µs",
        "wander",
        "burst 4 < 100 µs",
        "< 2 µs",
        "wander",
        "wander at most",
    ];
    let row = |(row, peer): (&ClusterRow, &super::peers::Cluster)| {
        let three = |of: Spread| {
            let at =
                |at: Option<f64>| at.map_or_else(|| "never".to_owned(), |at| format!("{at:.1} s"));
            let wander = format!("{} µs", micros(of.wander_s));
            [at(of.settled_below_100us_s), at(of.settled_below_2us_s), wander]
        };
        let mut cells = vec![row.scenario.to_owned(), format!("{:.0} s", peer.peer.settled)];
        cells.extend(three(row.burst_1));
        cells.extend(three(row.burst_4));
        let most = |[one, four]: [f64; 2]| format!("{}/{} µs", micros(one), micros(four));
        cells.push(peer.wander.map_or_else(none, most));
        cells
    };
    grid(&header, of.clusters.iter().zip(&CLUSTERS).map(row).collect())
}

fn pairs(of: &Accuracy) -> String {
    let header = [
        "scenario",
        "chronyd 1/s",
        "chronyd 8/s",
        "ptp4l",
        "prototype 1/s",
        "burst 1",
        "to cluster time",
        "prototype 4/s",
        "burst 4",
        "to cluster time",
        "met",
    ];
    let row = |(row, peer): (&PairRow, &super::peers::Pair)| {
        let ours = |[rms, max]: [f64; 2]| theirs([Some(rms), Some(max)]);
        vec![
            row.scenario.to_owned(),
            theirs(peer.chronyd),
            theirs(peer.chronyd_best),
            theirs(peer.ptp4l),
            theirs(peer.prototype_1),
            ours(row.burst_1_s),
            ours(row.estimate_1_s),
            theirs(peer.prototype_4),
            ours(row.burst_4_s),
            ours(row.estimate_4_s),
            mark(&row.claims, Kind::Limit),
        ]
    };
    grid(&header, of.pairs.iter().zip(&PAIRS).map(row).collect())
}

fn events(of: &Accuracy) -> String {
    let header = [
        "scenario",
        "prototype's worst",
        "worst",
        "worst seed",
        "below 2 µs after",
        "worst seed",
        "met",
    ];
    let after = |at: Option<f64>| at.map_or_else(none, |after| format!("{after:.1} s"));
    let row = |(row, &(_, prototype)): (&super::figures::EventRow, &(&str, Option<f64>))| {
        vec![
            row.scenario.to_owned(),
            prototype.map_or_else(none, |worst| format!("{} µs", micros(worst))),
            format!("{} µs", micros(row.max_s)),
            format!("{} µs", micros(row.max_worst_s)),
            after(row.recovered_s),
            after(row.recovered_worst_s),
            mark(&row.claims, Kind::Limit),
        ]
    };
    grid(&header, of.events.iter().zip(&EVENTS).map(row).collect())
}

fn ensemble(of: &Accuracy) -> String {
    let row = |claim: &Claim| {
        let show = |figure: Option<f64>| figure.map_or_else(none, |f| shown(f, claim.unit));
        vec![
            claim.about.clone(),
            show(claim.figure),
            show(claim.worst),
            shown(claim.most, claim.unit),
            mark(std::slice::from_ref(claim), Kind::Limit),
        ]
    };
    let header = ["what", "median", "worst seed", "limit", "met"];
    grid(&header, of.ensemble.iter().map(row).collect())
}

fn bounds(of: &Accuracy) -> String {
    let header = [
        "scenario",
        "looked at",
        "left out",
        "broken",
        "bound p50",
        "error p50",
        "bound/error p50",
    ];
    let row = |row: &super::figures::BoundRow| {
        vec![
            row.scenario.to_owned(),
            row.checks.to_string(),
            row.left_out.to_string(),
            row.violations.to_string(),
            format!("{} µs", micros(row.bound_p50_s)),
            format!("{} µs", micros(row.error_p50_s)),
            format!("{:.0}", row.tightness_p50),
        ]
    };
    grid(&header, of.bounds.iter().map(row).collect())
}

/// What misses its limit or its aim, line by line.
fn missed(of: &Accuracy) -> String {
    if of.missed.is_empty() {
        return "Every figure is within its limit, and within its aim where it has one.\n"
            .to_owned();
    }
    let line = |claim: &Claim| {
        let figure = claim.figure.map_or_else(|| "never".to_owned(), |f| shown(f, claim.unit));
        let kind = if claim.kind == Kind::Limit { "limit" } else { "aim" };
        format!("- {} {figure}, the {kind} is {}\n", claim.about, shown(claim.most, claim.unit))
    };
    "Missed:\n\n".to_owned() + &of.missed.iter().map(line).collect::<String>()
}

fn none() -> String {
    "–".to_owned()
}

/// ✓ where all claims of a kind are met, ✗ where one is not.
fn mark(claims: &[Claim], kind: Kind) -> String {
    let mut of_kind = claims.iter().filter(|claim| claim.kind == kind).peekable();
    if of_kind.peek().is_none() {
        return none();
    }
    if of_kind.all(|claim| claim.met) { "✓".to_owned() } else { "✗".to_owned() }
}

fn shown(figure: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if figure >= 1.0 => format!("{figure:.1} s"),
        Unit::Seconds => format!("{} µs", micros(figure)),
        Unit::Rate => format!("{:.2} ppb", figure * 1e9),
        Unit::Ratio => format!("{figure:.2}"),
        Unit::Count => format!("{figure:.0}"),
    }
}

/// Microseconds, to three digits where there are so many.
fn micros(secs: f64) -> String {
    match secs * 1e6 {
        micros if micros >= 100.0 => format!("{micros:.0}"),
        micros if micros >= 10.0 => format!("{micros:.1}"),
        micros if micros >= 1.0 => format!("{micros:.2}"),
        micros => format!("{micros:.3}"),
    }
}

/// RMS and maximum in nanoseconds.
fn theirs([rms, max]: Error) -> String {
    let Some(rms) = rms else { return none() };
    let rms = format!("{:.0}", rms * 1e9);
    max.map_or_else(|| rms.clone(), |max| format!("{rms}/{:.0}", max * 1e9))
}

/// A table in Markdown that can be read as it is: what is left of a column stands to the left in
/// the first, to the right in the others.
fn grid(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!(" {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => format!("{}|", "-".repeat(width + 2)),
        _ => format!("{}:|", "-".repeat(width + 1)),
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    line(&header) + &rule + &rows.iter().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table_can_be_made_and_has_no_hole() {
        let (cases, bounded) = (super::super::figures::cases(), super::super::figures::bounded());
        let minute = Some(crate::time::Span::from_secs(60));
        let runs = super::super::runs::Runs::new(&cases, &bounded, 3..=3, minute, &|_, _| {});
        let accuracy = Accuracy::new(&runs);
        let document = document(&accuracy);
        assert!(!document.contains('{'), "a hole was left");
        assert!(document.contains("--seeds 3..3"));
        for name in crate::sim::Scenario::names() {
            assert!(document.contains(&format!("| {name} ")), "{name} has no row");
        }
        // A minute is too short for every limit: what is missed must be said.
        assert!(!accuracy.missed.is_empty() && document.contains("\nMissed:\n"));
        assert!(!tables(&accuracy).is_empty());
        assert!(serde_json::to_string(&accuracy).is_ok_and(|json| json.contains("\"missed\"")));
    }

    #[test]
    fn a_table_can_be_read_as_it_is() {
        let table = grid(&["name", "µs"], vec![vec!["quiet".into(), "0.175".into()]]);
        assert_eq!(table, "| name  |    µs |\n|-------|------:|\n| quiet | 0.175 |\n");
    }

    #[test]
    fn a_figure_has_three_digits() {
        let shown = [0.17512e-6, 2.718e-6, 46.7e-6, 234.8e-6].map(micros);
        assert_eq!(shown, ["0.175", "2.72", "46.7", "235"]);
        assert_eq!(theirs([Some(347e-9), Some(6_947e-9)]), "347/6947");
        assert_eq!(theirs([None, None]), "–");
    }
}
