//! What a guest's kernel says of its clock.

use campanile::time::{Rate, Span};

use crate::machine::Machine;

/// Of `adjtimex`, as busybox tells it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    pub synchronised: bool,
    pub max_error: Span,
    pub estimated_error: Span,
    /// Against the guest's raw counter, as far as `freq` goes.
    pub rate: Rate,
}

/// `STA_UNSYNC`.
const UNSYNC: i64 = 0x40;

impl Kernel {
    pub fn of(machine: &Machine) -> Self {
        let said = machine.run("adjtimex");
        let field = |name: &str| -> i64 {
            let line = said.lines().find_map(|line| line.split_once(name)).map(|(_, rest)| rest);
            let word = line.and_then(|rest| rest.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name} in {said}"))
        };
        let micros = |name| Span::from_micros(field(name) as u64);
        assert_eq!(field("tick:"), 10_000, "no rate here needs another tick");
        Self {
            synchronised: field("status:") & UNSYNC == 0,
            max_error: micros("maxerror:"),
            estimated_error: micros("esterror:"),
            rate: Rate::from_ppm(field("freq.adjust:") as f64 / 65_536.0),
        }
    }
}
