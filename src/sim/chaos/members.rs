//! One disaster at a time in an otherwise quiet LAN: it breaks no promise, and the others never
//! notice.

use super::super::link::{Link, Path};
use super::super::scenario::{Draw, Node, Scenario};
use super::faults::{Fault, Kind};
use super::lies::Lie;
use super::plan::Plan;
use super::*;
use crate::time::{Rate, Shown};

const FROM: u64 = 200;
const LENGTH: Span = Span::from_secs(900);

fn at(secs: u64) -> Time<True> {
    Time::from_nanos(0) + Span::from_secs(secs)
}

fn quiet(faults: Vec<Fault>) -> Plan {
    let path =
        Path { base: Span::from_micros(50), jitter: Span::from_micros(5), ..Path::default() };
    let near = Draw::Within(Offset::from_nanos(5_000_000));
    let node = Node { link: Link::even(path), offset: near, ..Node::default() };
    let scenario = Scenario::uniform("calm", 5, &node).lasting(LENGTH);
    Plan { scenario, faults, twins: None }
}

/// What one fault of `node` does: the greatest spread of the others from its beginning on, and
/// the run.
fn alone(node: usize, lasts: u64, kind: Kind) -> (Span, Disaster) {
    let fault = Fault { from: at(FROM), until: at(FROM + lasts), node, kind };
    let plan = quiet(vec![fault]);
    let mut worst = Span::ZERO;
    let run = run_plan(&plan, 1, LENGTH, &|_, core| core, &mut |machines, t| {
        if t >= at(FROM) {
            let others = machines.iter().enumerate().filter(|&(index, _)| index != node);
            let errors: Vec<_> = others.map(|(_, machine)| machine.error(t)).collect();
            let spread = *errors.iter().max().unwrap() - *errors.iter().min().unwrap();
            worst = worst.max(spread.abs());
        }
    });
    (worst, run)
}

fn assert_unnoticed(node: usize, lasts: u64, kind: Kind, limit: Span) {
    let (worst, run) = alone(node, lasts, kind);
    assert_eq!(run.broken, None, "{kind:?}");
    assert!(worst < limit, "{kind:?} of node{}: {worst:?}", node + 1);
}

fn jump(secs: f64) -> Kind {
    Kind::Jump { by: Offset::from_secs_f64(secs) }
}

#[test]
fn a_member_that_misbehaves_takes_nobody_along() {
    let shows = Time::<Shown>::from_nanos(0);
    let every = Span::from_millis(700);
    let kinds = [
        Kind::Kill,
        Kind::Leave,
        Kind::Loop { every },
        Kind::Reboot { shows },
        Kind::Stop,
        Kind::Pause,
        Kind::Suspend,
        Kind::Frozen,
        jump(0.5),
        jump(-0.003),
        Kind::Runaway { by: Rate::from_ppm(300.0) },
        Kind::Runaway { by: Rate::from_ppm(-3_000.0) },
        Kind::Lies { lie: Lie::Stamps { up_to: Span::from_millis(20) } },
        Kind::Lies { lie: Lie::Shown { by: Offset::from_nanos(700_000_000) } },
        Kind::Lies { lie: Lie::Nonsense },
    ];
    for kind in kinds {
        assert_unnoticed(3, 180, kind, Span::from_micros(5));
    }
}

#[test]
fn a_master_that_misbehaves_takes_nobody_along() {
    let kinds = [
        Kind::Suspend,
        jump(0.5),
        jump(-0.003),
        Kind::Lies { lie: Lie::Deltas { up_to: Span::from_secs(3) } },
    ];
    for kind in kinds {
        assert_unnoticed(0, 60, kind, Span::from_micros(20));
    }
}
