//! What all charts have in common: who gets which colour, legends, frames.

use super::super::reader::Log;
use super::super::table::CLUSTER;
use super::svg::escape;

/// How many subjects get a colour of their own; the others are grey.
pub(super) const COLOURS: usize = 8;

/// One subject's dress: its class in the style sheet, and whether it is named in the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dress {
    pub(super) subject: String,
    pub(super) class: String,
}

/// Dresses `subjects`, the most interesting first: the first get colours.
pub(super) fn dress<'a>(subjects: impl Iterator<Item = &'a str>) -> Vec<Dress> {
    let class = |n: usize| if n < COLOURS { format!("c{n}") } else { "rest".to_owned() };
    let numbered = subjects.enumerate();
    numbered.map(|(n, subject)| Dress { subject: subject.to_owned(), class: class(n) }).collect()
}

/// The slaves of a log, those with the greatest offsets first: the 99th percentile of their sizes.
pub(super) fn by_offset(log: &Log) -> Vec<String> {
    let mut slaves = log.report().slaves;
    slaves.sort_by_key(|row| std::cmp::Reverse(row.offset.size.p99));
    slaves.into_iter().map(|row| row.name).collect()
}

/// A legend: the cluster first if it is there, then who has a colour, then how many have none.
pub(super) fn legend(cluster: Option<&str>, dressed: &[Dress]) -> String {
    let mut text = "<ul class=\"legend\">".to_owned();
    let mut entry = |class: &str, name: &str| {
        text += &format!(
            "<li><svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\">\
             <line class=\"{class}\" x1=\"1\" y1=\"4\" x2=\"23\" y2=\"4\"/></svg>{}</li>",
            escape(name)
        );
    };
    if let Some(name) = cluster {
        entry("all", name);
    }
    for dress in dressed.iter().take(COLOURS) {
        entry(&dress.class, &dress.subject);
    }
    if dressed.len() > COLOURS {
        entry("rest", &format!("{} more, with less", dressed.len() - COLOURS));
    }
    text + "</ul>"
}

/// A chart with its heading, legend and what stands below it.
pub(super) fn figure(
    heading: &str,
    lead: &str,
    legend: &str,
    drawings: &str,
    below: &str,
) -> String {
    format!(
        "<section><h2>{}</h2><p>{}</p>{legend}<div class=\"chart\">{drawings}</div>{below}\
         </section>\n",
        escape(heading),
        escape(lead)
    )
}

/// Whether `subject` is all slaves together.
pub(super) fn is_cluster(subject: &str) -> bool {
    subject == CLUSTER
}
