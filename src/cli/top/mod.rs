//! `campanile top`: the cluster, live.
//!
//! One thread asks the daemon and sends what it says; this one draws and listens to keys. So a
//! daemon that is stuck or gone never keeps anybody from leaving.

mod board;
mod screen;
mod watch;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use self::board::{Board, Key};
use super::failure::Failure;
use super::views::Whom;
use crate::time::Span;
use crate::units;

/// Keys and news are looked at this often.
const FRAME: Duration = Duration::from_millis(100);

/// Watch the cluster live: members, offsets, round trips, events
///
/// Keys: q or Ctrl-C ends, arrows and Page Up/Down move through the members, s sorts by the next
/// column.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile top
      the daemon of this machine; on a master all members are seen
  campanile top --every 250ms --control ./trial.sock")]
pub(super) struct TopArgs {
    /// How often to ask the daemon; 100ms to 1h
    #[arg(long, env = "CAMPANILE_EVERY", value_name = "TIME", default_value = "1s",
          value_parser = |s: &str| units::span(s, Span::from_millis(100), Span::from_secs(3_600)),
          allow_hyphen_values = true)]
    every: Span,

    #[command(flatten)]
    whom: Whom,
}

/// Runs until somebody quits.
///
/// # Errors
/// Where there is no terminal.
pub(super) fn run(args: &TopArgs) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::failed("needs a terminal; campanile peers prints a table once"));
    }
    let refused = |error: io::Error| Failure::failed(format!("the terminal: {error}"));
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        flag::register(signal, Arc::clone(&ended)).map_err(refused)?;
    }
    // It puts the terminal back in a panic too.
    let mut terminal = ratatui::try_init().map_err(refused)?;
    let shown = show(args, &mut terminal, &ended);
    let restored = ratatui::try_restore();
    shown.and(restored).map_err(refused)
}

fn show(args: &TopArgs, terminal: &mut DefaultTerminal, ended: &AtomicBool) -> io::Result<()> {
    let (sender, news) = channel();
    let (control, every) = (args.whom.control.clone(), Duration::from_nanos(args.every.as_nanos()));
    thread::Builder::new()
        .name("watch".into())
        .spawn(move || watch::watch(control.as_ref(), every, &sender))?;
    let mut board = Board::default();
    loop {
        for seen in news.try_iter() {
            board.take(seen);
        }
        terminal.draw(|frame| screen::draw(frame, &mut board))?;
        if ended.load(Ordering::Acquire) {
            return Ok(());
        }
        if event::poll(FRAME)? {
            // A change of the size needs no more than the next frame.
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                match meaning(key) {
                    Some(Key::Quit) => return Ok(()),
                    Some(key) => board.press(key),
                    None => {}
                }
            }
        }
    }
}

fn meaning(key: KeyEvent) -> Option<Key> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if control => Key::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
        KeyCode::Char('s') => Key::Sort,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}

/// The live view of the sample in the documentation.
#[cfg(test)]
pub(in crate::cli) fn documented() -> String {
    tests::picture(&mut tests::sample(), 80, 24)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::watch::Snapshot;
    use super::*;
    use crate::cli::views::documented;
    use crate::outlet::Member;

    fn snapshot(members: Vec<Member>) -> Box<Snapshot> {
        Box::new(Snapshot {
            tracking: documented::master(),
            members,
            events: documented::events(),
            round_trip: documented::round_trips(),
        })
    }

    pub(super) fn sample() -> Board {
        let mut board = Board::default();
        for n in 0..90 {
            let mut members = documented::everybody();
            for (member, k) in members.iter_mut().zip(1..) {
                let phase = f64::from(n * k) / 9.0;
                member.offset_s = member.offset_s.map(|offset| offset * (0.2 + phase.sin()));
            }
            board.take(Ok(snapshot(members)));
        }
        board.take(Ok(snapshot(documented::everybody())));
        board
    }

    pub(super) fn picture(board: &mut Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen::draw(frame, board)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y: u16| {
            let cells = (0..width).map(|x| buffer.cell((x, y)).unwrap().symbol());
            cells.collect::<String>().trim_end().to_owned() + "\n"
        };
        (0..height).map(row).collect()
    }

    #[test]
    fn it_fits_every_size() {
        for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 24), (200, 50), (400, 100)] {
            let picture = picture(&mut sample(), width, height);
            assert_eq!(picture.lines().count(), usize::from(height));
        }
        let usual = picture(&mut sample(), 80, 24);
        for part in [
            "rack-1: master, term 3, synchronised",
            "4 of 5 clocks count",
            "=x rack-4",
            "+500 ms",
            "=? storage-of-the-up>",
            "≤ 100 µs ████",
            "went",
            "silent",
            "q quit",
            "members 1 to 5 of 5",
        ] {
            assert!(usual.contains(part), "{part:?} is not in\n{usual}");
        }
        let row = usual.lines().find(|line| line.contains("rack-2")).unwrap();
        let spark = row.chars().filter(|c| ('▁'..='█').contains(c)).count();
        assert!(spark >= 15, "{row}");
    }

    #[test]
    fn a_daemon_that_goes_is_said_and_one_that_comes_back_is_shown() {
        let mut board = Board::default();
        assert!(picture(&mut board, 80, 24).contains("asking the daemon"));
        board.take(Err("/run/x: no daemon serves there".to_owned()));
        assert!(picture(&mut board, 80, 24).contains("no daemon serves there"));
        board.take(Ok(snapshot(documented::everybody())));
        assert!(!picture(&mut board, 80, 24).contains("no daemon"));
        board.take(Err("/run/x: no daemon serves there".to_owned()));
        let old = picture(&mut board, 80, 24);
        assert!(old.contains("old: /run/x") && old.contains("rack-2"), "{old}");
    }

    #[test]
    fn a_thousand_members_can_be_moved_through_and_sorted() {
        let mut board = Board::default();
        let members = (0..1_000).map(|n| {
            let mut member = documented::everybody()[1].clone();
            member.node.node = format!("node-{n:04}");
            member.node.id = format!("{n:016x}");
            member.offset_s = Some(f64::from(n) * 1e-9);
            member
        });
        board.take(Ok(snapshot(members.collect())));
        assert!(picture(&mut board, 80, 24).contains("node-0000"));
        board.press(Key::PageDown);
        let second = picture(&mut board, 80, 24);
        assert!(!second.contains("node-0000") && second.contains("node-0011"), "{second}");
        board.press(Key::End);
        assert!(picture(&mut board, 80, 24).contains("node-0999"));
        board.press(Key::Sort);
        board.press(Key::Home);
        let sorted = picture(&mut board, 80, 24);
        assert!(sorted.contains("node-0999") && sorted.contains("sort: offset"), "{sorted}");
        // A smaller screen, and far fewer members than where the eye was.
        board.press(Key::End);
        board.take(Ok(snapshot(documented::everybody())));
        assert!(picture(&mut board, 80, 24).contains("rack-2"));
    }

    #[test]
    fn keys_mean_what_people_expect() {
        let key = |code, modifiers| meaning(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Key::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(key(KeyCode::Down, KeyModifiers::NONE), Some(Key::Down));
    }
}
