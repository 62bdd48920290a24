//! Families of series, and how they become text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::outlet::Buckets;

/// What tells a series from the others of its family.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The values of a family.
#[derive(Debug)]
pub(super) enum Values {
    Gauges(Vec<(Labels, f64)>),
    Counters(Vec<(Labels, u64)>),
    Info(Labels),
    Histogram(Buckets),
}

/// Series of one name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) values: Values,
}

impl Family {
    /// A gauge without labels; no series where nothing is known.
    pub(super) fn gauge(name: &'static str, value: Option<f64>, help: &'static str) -> Self {
        let values = Values::Gauges(value.map(|value| (Vec::new(), value)).into_iter().collect());
        Self { name, help, unit: None, values }
    }

    /// The same in seconds.
    pub(super) fn seconds(name: &'static str, value: Option<f64>, help: &'static str) -> Self {
        Self { unit: Some(Unit::Seconds), ..Self::gauge(name, value, help) }
    }

    /// The same that is true or not: 1 or 0.
    pub(super) fn flag(name: &'static str, value: bool, help: &'static str) -> Self {
        Self::gauge(name, Some(f64::from(u8::from(value))), help)
    }

    /// A counter without labels.
    pub(super) fn counter(name: &'static str, value: u64, help: &'static str) -> Self {
        Self { name, help, unit: None, values: Values::Counters(vec![(Vec::new(), value)]) }
    }

    fn is_empty(&self) -> bool {
        match &self.values {
            Values::Gauges(all) => all.is_empty(),
            Values::Counters(all) => all.is_empty(),
            Values::Info(_) | Values::Histogram(_) => false,
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.values {
            Values::Gauges(_) => MetricType::Gauge,
            Values::Counters(_) => MetricType::Counter,
            Values::Info(_) => MetricType::Info,
            Values::Histogram(_) => MetricType::Histogram,
        };
        let unit = self.unit.as_ref();
        let mut metric = encoder.encode_descriptor(self.name, self.help, unit, kind)?;
        match &self.values {
            Values::Gauges(all) => each(&mut metric, all, |one, value| one.encode_gauge(value)),
            Values::Counters(all) => each(&mut metric, all, |one, value| {
                one.encode_counter::<NoLabelSet, _, u64>(value, None)
            }),
            Values::Info(labels) => metric.encode_info(labels),
            Values::Histogram(buckets) => {
                let edge = |edge: Option<crate::time::Span>| edge.map(|edge| edge.as_secs_f64());
                let edges: Vec<_> =
                    buckets.each().map(|(at, n)| (edge(at).unwrap_or(f64::INFINITY), n)).collect();
                let (sum, count) = (buckets.sum_s(), buckets.count());
                metric.encode_histogram::<NoLabelSet>(sum, count, &edges, None)
            }
        }
    }
}

fn each<V>(
    metric: &mut MetricEncoder<'_>,
    all: &[(Labels, V)],
    put: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
) -> fmt::Result {
    all.iter().try_for_each(|(labels, value)| match labels.is_empty() {
        true => put(metric, value),
        false => put(&mut metric.encode_family(labels)?, value),
    })
}

/// What is encoded at once.
#[derive(Debug)]
struct Page(Vec<Family>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let filled = self.0.iter().filter(|family| !family.is_empty());
        filled.into_iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

/// Appends families as text.
pub(super) fn append(out: &mut Vec<u8>, families: Vec<Family>) {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(families)));
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = encode_registry(&mut text, &registry);
    out.extend_from_slice(text.as_bytes());
}

/// Appends what says that nothing is missing.
pub(super) fn end(out: &mut Vec<u8>) {
    let mut text = String::new();
    let _ = encode_eof(&mut text);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn text(family: Family) -> String {
        let mut out = Vec::new();
        append(&mut out, vec![family]);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let labels = vec![("node", "a\"} 1\\n\n# EOF".to_owned())];
        let values = Values::Gauges(vec![(labels, -1.5e-9)]);
        let said = text(Family { name: "x", help: "h", unit: Some(Unit::Seconds), values });
        assert_eq!(said.lines().count(), 4, "{said}");
        assert!(said.ends_with("x_seconds{node=\"a\\\"} 1\\\\n\\n# EOF\"} -1.5e-9\n"), "{said}");
    }

    #[test]
    fn what_is_not_known_has_no_series_and_no_family() {
        assert_eq!(text(Family::seconds("x", None, "h")), "");
        let said = text(Family::counter("x", 7, "h"));
        assert_eq!(said, "# HELP x h\n# TYPE x counter\nx_total 7\n");
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_without_an_edge() {
        let mut buckets = Buckets::default();
        for micros in [1, 2, 20_000_000] {
            buckets.record(Span::from_micros(micros));
        }
        let said = text(Family {
            name: "x",
            help: "h",
            unit: Some(Unit::Seconds),
            values: Values::Histogram(buckets),
        });
        for line in [
            "x_seconds_sum 20.000003",
            "x_seconds_count 3",
            "x_seconds_bucket{le=\"0.000002\"} 2",
            "x_seconds_bucket{le=\"10.0\"} 2",
            "x_seconds_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(said.lines().any(|l| l == line), "{line} is not in\n{said}");
        }
    }
}
