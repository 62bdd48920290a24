//! A scenario from a TOML file.

use serde::Deserialize;
use toml::Spanned;

use super::quantity::In;
use super::scenario::{Node, Scenario};
use super::tables::{
    Averaging, ClockTable, DriverTable, IncidentTable, NodeTable, OfNode, PathTable, set,
};
use crate::proto::Average;
use crate::time::{Rate, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    duration: Option<In<Span>>,
    warm_up: Option<In<Span>>,
    interval: Option<In<Span>>,
    burst: Option<u8>,
    tolerance: Option<In<Span>>,
    max_rtt: Option<In<Span>>,
    average: Option<Averaging>,
    quorum: Option<bool>,
    max_slew: Option<In<Rate>>,
    step_threshold: Option<In<Span>>,
    slaves: Option<Spanned<usize>>,
    clock: Option<ClockTable>,
    link: Option<PathTable>,
    forth: Option<PathTable>,
    back: Option<PathTable>,
    driver: Option<DriverTable>,
    #[serde(default)]
    node: Vec<Spanned<NodeTable>>,
    #[serde(default)]
    incident: Vec<Spanned<IncidentTable>>,
}

/// What is wrong, and which bytes of the file it is about.
type Fault = (String, Option<std::ops::Range<usize>>);

impl Scenario {
    /// A scenario from a file. What is not set is as in a plain cluster: an hour, a warm-up of
    /// 10 min, a master and five slaves, a round each second with a burst of four; clocks within
    /// ±50 ms and ±50 ppm whose rates wander by 1 ppb a second; a network without delay. Every key
    /// stands in `docs/examples/sim/lan.toml`.
    ///
    /// ```
    /// let scenario = campanile::sim::Scenario::from_toml(r#"
    ///     name = "two rooms"
    ///     duration = "30m"
    ///     slaves = 7
    ///     clock = { offset = "±100ms", rate = "±20ppm", wander = "1ppb" }
    ///
    ///     [link]                        # of every slave, both ways
    ///     base = "50us"
    ///     jitter = "20us"               # mean of an exponential
    ///     [back]                        # from the slaves only; [forth]: to them
    ///     loss = "2%"
    ///
    ///     [[node]]                      # 1 is the master
    ///     number = 8
    ///     faulty = true                 # left out of the score
    ///     clock = { rate = "400ppm" }
    ///
    ///     [[incident]]
    ///     at = "15m"
    ///     node = 8
    ///     jump = "500ms"                # or: drift, delay, cut, apart, daemon = "kill", "stop", "start"
    /// "#)?;
    /// assert_eq!(scenario.nodes.len(), 8);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// One line: where (line and column), what, and what is allowed. Unknown keys are refused.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let parsed = toml::from_str::<File>(text);
        let scenario = parsed
            .map_err(|error| (error.message().to_owned(), error.span()))
            .and_then(File::scenario)
            .and_then(|scenario| match scenario.check() {
                Ok(()) => Ok(scenario),
                Err(error) => Err((error, None)),
            });
        scenario.map_err(|(what, span)| {
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            match span {
                Some(span) => format!("{}: {what}", place(text, span.start)),
                None => what,
            }
        })
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    format!("line {line}, column {}", before[line_start..].chars().count() + 1)
}

impl File {
    fn scenario(self) -> Result<Scenario, Fault> {
        let slaves = match &self.slaves {
            Some(slaves) if *slaves.get_ref() >= Scenario::MAX_NODES => {
                let most = Scenario::MAX_NODES - 1;
                return Err((format!("allowed is 0 to {most} slaves"), Some(slaves.span())));
            }
            slaves => slaves.as_ref().map_or(5, |slaves| *slaves.get_ref()),
        };
        let mut every = Node::default();
        let own = OfNode {
            clock: self.clock,
            link: self.link,
            forth: self.forth,
            back: self.back,
            driver: self.driver,
        };
        own.apply(&mut every);
        let mut scenario = Scenario::uniform(&self.name, slaves, &every);
        let limits = &mut scenario.limits;
        set(&mut limits.max_slew, self.max_slew);
        limits.step_threshold = self.step_threshold.map_or(limits.step_threshold, |s| Some(s.0));
        set(&mut scenario.interval, self.interval);
        set(&mut scenario.tolerance, self.tolerance);
        set(&mut scenario.max_rtt, self.max_rtt);
        scenario.burst = self.burst.unwrap_or(scenario.burst);
        scenario.average = match self.average {
            Some(Averaging::Plain) => Average::Plain,
            Some(Averaging::Trimmed) => Average::Trimmed,
            Some(Averaging::Ensemble) => Average::Ensemble,
            None => scenario.average,
        };
        scenario.quorum = self.quorum.unwrap_or(false);
        scenario = scenario.lasting(self.duration.map_or(Span::from_secs(3_600), |d| d.0));
        set(&mut scenario.warm_up, self.warm_up);
        for table in self.node {
            let span = table.span();
            table.into_inner().apply(&mut scenario).map_err(|error| (error, Some(span)))?;
        }
        for table in self.incident {
            let span = table.span();
            let incident = table.into_inner().incident(&scenario);
            scenario.incidents.push(incident.map_err(|error| (error, Some(span)))?);
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::What;
    use super::*;

    const HEAD: &str = "name = \"x\"\n";

    fn refused(rest: &str) -> String {
        let said = Scenario::from_toml(&format!("{HEAD}{rest}")).expect_err(rest);
        assert!(!said.contains('\n'), "one line: {said}");
        said
    }

    #[test]
    fn what_is_not_set_is_as_in_a_plain_cluster() {
        let scenario = Scenario::from_toml(HEAD).unwrap();
        assert_eq!(scenario, Scenario::uniform("x", 5, &Node::default()));
    }

    #[test]
    fn everything_that_can_be_set_is_set() {
        let text = r#"
            name = "all"
            duration = "20m"
            warm_up = "1m"
            interval = "250ms"
            burst = 2
            tolerance = "1ms"
            max_rtt = "5ms"
            average = "trimmed"
            quorum = true
            max_slew = "200ppm"
            step_threshold = "10ms"
            slaves = 2
            clock = { offset = "+-1ms", rate = "-3ppm", wander = "2ppb" }
            forth = { jitter = "5us", queue = { every = 60, length = 10, wait = "2ms" } }
            back = { loss = "20%", duplicate = "1%", tail = { share = "10%", by = "300us" } }
            driver = { stamps = "daemon", turnaround = "1us", stamp_jitter = "3us" }
            [link]
            base = "50us"
            gauss = "5us"
            [[node]]
            number = 3
            name = "liar"
            faulty = true
            starts = "30s"
            rank = 7
            clock = { sway = { amplitude = "1ppm", period = "1h" } }
            back = { loss = "0%" }
            [[incident]]
            at = "5m"
            node = 3
            delay = { way = "forth", add = "40us", up_to = "1us", lasts = "10s" }
            [[incident]]
            at = "6m"
            node = 2
            daemon = "kill"
            [[incident]]
            at = "7m"
            node = 2
            apart = { from = 3, lasts = "1m" }
        "#;
        let scenario = Scenario::from_toml(text).unwrap();
        let plain = Scenario::from_toml("name = \"all\"\nslaves = 2").unwrap();
        assert_ne!(scenario.limits, plain.limits);
        assert_eq!(scenario.average, Average::Trimmed);
        assert_eq!(scenario.duration, Span::from_secs(1_200));
        let [_, other, liar] = &scenario.nodes[..] else { panic!("three nodes") };
        assert_eq!((liar.name.as_str(), liar.faulty), ("liar", true));
        assert_eq!(liar.starts, Some(Span::from_secs(30)));
        assert_eq!(liar.rate, other.rate, "what a node does not set is as for all");
        assert!(liar.sway.is_some() && other.sway.is_none());
        assert_eq!((other.link.back.loss, liar.link.back.loss), (0.2, 0.0));
        assert_eq!(liar.link.forth.base, liar.link.back.base);
        assert!(liar.link.forth.queue.is_some() && liar.link.back.queue.is_none());
        assert_eq!((scenario.quorum, liar.rank, other.rank), (true, Some(7), None));
        assert_eq!(scenario.incidents.len(), 3);
        let lasts = Some(Span::from_secs(60));
        assert_eq!(scenario.incidents[2].what, What::Apart { from: 2, lasts });
        assert_eq!(scenario.incidents[0].node, 2);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, place, why) in [
            ("lenght = 3", "line 2, column 1: ", "unknown field `lenght`"),
            ("burst = 4\nduration = 3600", "line 3, column 12: ", "with its unit in quotes"),
            ("duration = \"3600\"", "line 2, column 12: ", "`3600`: a time needs a unit"),
            ("link = { base = \"50ppm\" }", "line 2, column 17: ", "no unit `ppm`"),
            ("clock = { rate = \"±-1ppm\" }", "line 2, column 18: ", "±"),
            ("back = { loss = \"120%\" }", "line 2, column 17: ", "0% to 100%"),
            ("back = { loss = \"NaN%\" }", "line 2, column 17: ", "0% to 100%"),
            ("average = \"median\"", "line 2, column 11: ", "unknown variant `median`"),
            ("slaves = 1000000", "line 2, column 10: ", "0 to 100000"),
            ("[[node]]\nnumber = 7", "line 2, column 1: ", "no node 7"),
            ("[[node]]\nnumber = 0", "line 2, column 1: ", "no node 0"),
            ("[[incident]]\nat = \"1s\"\nnode = 1", "line 2, column 1: ", "is one of jump"),
            ("[link", "line 2, column ", ""),
            ("interval = \"1ms\"", "", "interval 1ms: 50ms to 1h"),
            ("burst = 0", "", "burst 0: 1 to 16"),
            ("duration = \"0s\"", "", "duration 0s: 1s to"),
            ("back = { queue = { every = 0, length = 0, wait = \"1s\" } }", "", "every 0 packets"),
        ] {
            let said = refused(text);
            assert!(said.starts_with(place) && said.contains(why), "{text}: {said}");
        }
    }
}
