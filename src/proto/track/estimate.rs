//! What a track says.

use crate::time::{Local, Offset, Rate, Span, Time};

/// What the master believes of a slave's Local at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On the master's Local.
    pub at: Time<Local>,
    /// The slave's Local minus the master's Local.
    pub offset: Offset,
    /// The rate of the slave's Local against the master's.
    pub rate: Rate,
    /// The slave's Local minus the flywheel: steadier where the master's crystal is not.
    pub wheel_offset: Offset,
    /// The rate of the slave's Local against the flywheel.
    pub wheel_rate: Rate,
    /// One standard deviation of the offset against the wheel, statistical, and rather too much: a
    /// static asymmetry of the path is not in it, half of a one-way change that was seen is.
    pub sigma: Span,
    /// One standard deviation of the rate.
    pub rate_sigma: Rate,
    /// The most by which the rate may be wrong: how fast the bound grows with age.
    pub rate_bound: Rate,
    /// The offset is wrong by no more than this if packets take time and the rate is wrong by at
    /// most six standard deviations and 0.1 ppm.
    pub bound: Span,
}
