//! The picture: a table drawn anew in place on a terminal, else a line for each round.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};

use super::DemoArgs;
use super::scene::{Scene, Seen};
use crate::cli::words::standing;
use crate::report::{human, human_offset, human_rate};
use crate::time::Offset;

/// Rows that fit any terminal; what is beyond is counted in one line.
const MOST_ROWS: usize = 17;

/// Draws what is seen.
pub(super) struct View {
    rounds: u32,
    live: bool,
    silent: bool,
    /// Lines of the last picture, which the next one covers.
    drawn: usize,
}

impl View {
    pub(super) fn new(args: &DemoArgs) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a terminal's kind is no flag of ours")]
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = stdout().is_terminal() && !dumb;
        Self { rounds: args.rounds, live, silent: args.json, drawn: 0 }
    }

    /// Whether the last picture stands on the terminal.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// What a closed round adds: a line where no picture is drawn.
    pub(super) fn round(&mut self, scene: &Scene) -> String {
        if self.live || self.silent { String::new() } else { line(scene, self.rounds) }
    }

    /// The picture as it is now, over the one before.
    pub(super) fn frame(&mut self, scene: &Scene) -> String {
        if !self.live || self.silent {
            return String::new();
        }
        let picture = table(scene, self.rounds);
        // Up to the picture's first line; each line clears the rest of its old self. Without
        // wrapping meanwhile, or a narrow terminal would have more lines than were counted.
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        self.drawn = picture.lines().count();
        format!("\x1b[?7l{up}{}\x1b[?7h", picture.replace('\n', "\x1b[K\n"))
    }
}

/// A round in one line.
fn line(scene: &Scene, rounds: u32) -> String {
    let worst = scene.last().worst().map_or_else(String::new, |(node, error)| {
        let name = &scene.nodes()[node].actor.identity.name;
        format!("; worst {name}, {} from the mean", human_offset(error))
    });
    let slaves = &scene.nodes()[1..];
    let heard = slaves.iter().filter(|s| s.slot.is_some_and(|slot| slot.reach & 1 == 1)).count();
    format!(
        "round {:>2} of {rounds}: {} apart{worst}; {heard} of {} slaves heard\n",
        scene.round(),
        human(scene.last().spread()),
        slaves.len()
    )
}

/// The table of all clocks.
pub(super) fn table(scene: &Scene, rounds: u32) -> String {
    let mut table = String::new();
    let _ = writeln!(
        table,
        "round {} of {rounds}, {}: all clocks within {}\n",
        scene.round(),
        human(scene.age()),
        human(scene.last().spread())
    );
    let _ = writeln!(
        table,
        "{:<9}{:>10}{:>10}{:>10}{:>10}{:>11}{:>6}  state",
        "clock", "drift", "began at", "now at", "estimate", "round trip", "steps"
    );
    for (node, seen) in scene.nodes().iter().enumerate().take(MOST_ROWS) {
        let at = |errors: &[Offset]| errors.get(node).map_or("-".to_owned(), |e| human_offset(*e));
        let _ = writeln!(
            table,
            "{:<9}{:>10}{:>10}{:>10}{:>10}{:>11}{:>6}  {}",
            seen.actor.identity.name,
            human_rate(seen.actor.drift),
            at(scene.first().each()),
            at(scene.last().each()),
            seen.estimate.map_or_else(|| "-".to_owned(), human_offset),
            seen.round_trip(),
            seen.steps,
            seen.state(node == 0)
        );
    }
    if scene.nodes().len() > MOST_ROWS {
        let _ = writeln!(table, "… and {} more", scene.nodes().len() - MOST_ROWS);
    }
    table
}

impl Seen {
    fn round_trip(&self) -> String {
        let round_trip = self.slot.and_then(|slot| slot.round_trip);
        round_trip.map_or_else(|| "-".to_owned(), human)
    }

    fn state(&self, is_master: bool) -> &'static str {
        match self.slot {
            _ if is_master => "master",
            _ if self.silent => "silent",
            Some(slot) => standing(slot.standing),
            None => "joining",
        }
    }
}
