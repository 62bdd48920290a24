//! The screen: a head, the members, the round trips beside the events, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::board::Board;
use crate::cli::views::{members, text};
use crate::outlet::{Histogram, Member};
use crate::report::human_count;

/// Rows of the round trips and of the events, with their frame.
const BELOW: u16 = 9;
/// Columns of a member's line before its sparkline.
const COLUMNS: usize = 63;
const NAME: usize = 18;
/// The signs of a sparkline, from far behind to far ahead.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws it all, in whatever room there is.
pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board) {
    let area = frame.area();
    let below = if area.height >= 18 { BELOW } else { 0 };
    let [head, middle, low, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(1),
        Constraint::Length(below),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(header(board)), head);
    board.fit(usize::from(middle.height.saturating_sub(1)));
    frame.render_widget(Paragraph::new(table(board, middle)), middle);
    if below > 0 {
        let [left, right] =
            Layout::horizontal([Constraint::Length(34), Constraint::Min(1)]).areas(low);
        round_trips(frame, board, left);
        events(frame, board, right);
    }
    frame.render_widget(Paragraph::new(keys(board)), foot);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn header(board: &Board) -> Vec<Line<'static>> {
    let Some(t) = board.snapshot.as_ref().map(|snapshot| &snapshot.tracking) else {
        let why = board.away.clone().unwrap_or_else(|| "asking the daemon".to_owned());
        return vec![Line::styled(why, Style::new().fg(Color::Yellow))];
    };
    let of = match &t.master {
        Some(master) => format!("{} of {}", t.role, text::node(master)),
        None => t.role.clone(),
    };
    let term = t.term.map_or_else(String::new, |term| format!(", term {term}"));
    let good = t.state == "synchronised";
    let state = Style::new().fg(if good { Color::Green } else { Color::Yellow });
    let name = Span::styled(text::printable(&t.node.node), bold());
    let first = Line::from(vec![
        name,
        Span::raw(format!(": {of}{term}, ")),
        Span::styled(t.state.clone(), state),
        Span::raw(format!("; round {}", t.round.map_or("-".to_owned(), |n| n.to_string()))),
    ]);
    let counted = match (t.counted, t.members) {
        (Some(counted), Some(members)) => format!("{counted} of {members} clocks count, "),
        _ => String::new(),
    };
    let second = Line::raw(format!(
        "{counted}spread {}; own offset {} ± {}, rate {}",
        text::span(t.spread_s),
        text::offset(t.offset_s),
        text::span(t.bound_statistical_s),
        text::rate(t.rate),
    ));
    let third = match &board.away {
        Some(why) => Line::styled(format!("old: {why}"), Style::new().fg(Color::Red)),
        None => Line::default(),
    };
    vec![first, second, third]
}

fn table(board: &Board, area: Rect) -> Vec<Line<'static>> {
    let heading = format!(
        "MS {:<NAME$} {:>5} {:>9} {:>8} {:>8} {:>6} ",
        "name", "reach", "offset", "±", "rtt", "weight"
    );
    let wide = usize::from(area.width).saturating_sub(COLUMNS);
    let spark = if wide >= 6 { "offsets" } else { "" };
    let mut lines = vec![Line::styled(format!("{heading}{spark}"), bold())];
    let shown = board.members().iter().skip(board.top).take(board.page);
    lines.extend(shown.map(|member| row(board, member, wide)));
    lines
}

fn row(board: &Board, m: &Member, wide: usize) -> Line<'static> {
    let weight = m.weight.map_or_else(|| text::UNKNOWN.to_owned(), |w| format!("{w:.3}"));
    let cells = format!(
        "{} {} {:>5} {:>9} {:>8} {:>8} {:>6} ",
        members::signs(m),
        text::cell(&m.node.node, NAME),
        format!("{:o}", m.reach),
        text::offset(m.offset_s),
        text::span(m.bound_statistical_s),
        text::span(m.round_trip_s),
        weight,
    );
    let colour = match m.state.as_str() {
        "master" | "counted" => Color::Reset,
        "falseticker" | "unreachable" => Color::Red,
        _ => Color::Yellow,
    };
    let spark = sparkline(board.history(&m.node.id), wide);
    Line::from(vec![
        Span::styled(cells, Style::new().fg(colour)),
        Span::styled(spark, Style::new().fg(Color::Cyan)),
    ])
}

/// The newest values in so many signs: the middle is zero, the scale the greatest of them.
fn sparkline(history: impl DoubleEndedIterator<Item = Option<f64>>, wide: usize) -> String {
    let mut newest: Vec<_> = history.rev().take(wide).collect();
    newest.reverse();
    let greatest = newest.iter().flatten().fold(0.0, |most: f64, value| most.max(value.abs()));
    let sign = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) => {
            let share = if greatest > 0.0 { value / greatest } else { 0.0 };
            let level = ((share + 1.0) / 2.0 * (LEVELS.len() - 1) as f64).round();
            LEVELS[(level as usize).min(LEVELS.len() - 1)]
        }
    };
    newest.iter().map(sign).collect()
}

fn round_trips(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title("round trips, all since the start ");
    let rows = usize::from(block.inner(area).height);
    let wide = usize::from(area.width);
    let lines = match &board.snapshot {
        Some(snapshot) if measured(&snapshot.round_trip) => bars(&snapshot.round_trip, rows, wide),
        Some(_) => vec![Line::raw("none: the master measures them")],
        None => Vec::new(),
    };
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn measured(histogram: &Histogram) -> bool {
    histogram.round_trip.iter().any(|(_, n)| *n > 0)
}

/// The stretch of buckets that holds most, a bar each.
fn bars(histogram: &Histogram, rows: usize, wide: usize) -> Vec<Line<'static>> {
    let all = &histogram.round_trip;
    let rows = rows.min(all.len());
    let held = |first: &usize| all[*first..*first + rows].iter().map(|(_, n)| n).sum::<u64>();
    // Of several that hold as much the first: it ends where the last count is.
    let first = (0..=all.len() - rows).rev().max_by_key(held).unwrap_or(0);
    let shown = &all[first..first + rows];
    let most = shown.iter().map(|(_, n)| *n).max().unwrap_or(0).max(1);
    let room = wide.saturating_sub(21) as u64;
    let bar = |(edge, n): &(Option<f64>, u64)| {
        let edge = edge.map_or("more".to_owned(), |edge| format!("≤ {}", text::span(Some(edge))));
        let length = (room * n).div_ceil(most) as usize;
        let bar = "█".repeat(length);
        Line::raw(format!("{edge:>9} {bar} {}", human_count(*n)))
    };
    shown.iter().map(bar).collect()
}

fn events(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title("events, the newest first ");
    let rows = usize::from(block.inner(area).height);
    let told = board.snapshot.iter().flat_map(|snapshot| snapshot.events.iter().rev());
    let line = |told: &crate::outlet::Told| {
        let style = match told.warning {
            true => Style::new().fg(Color::Yellow),
            false => Style::new(),
        };
        let ago = text::age(Some(told.ago_s));
        Line::styled(format!("{ago:>5} {}", text::printable(&told.text)), style)
    };
    let lines: Vec<_> = told.take(rows).map(line).collect();
    // What is long goes on below.
    let all = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(all.block(block), area);
}

fn keys(board: &Board) -> Line<'static> {
    let all = board.members().len();
    let last = (board.top + board.page).min(all);
    let seen = match all {
        0 => "no members".to_owned(),
        _ => format!("members {} to {last} of {all}", board.top + 1),
    };
    let text = format!("q quit  s sort: {}  ↑↓ PgUp PgDn move  {seen}", board.order.name());
    Line::styled(text, Style::new().add_modifier(Modifier::DIM))
}
