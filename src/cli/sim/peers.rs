//! What others reach in the same scenarios, and what campanile shall: plain data, in seconds.

/// How the figures of the first part's peer were obtained.
pub(super) const CLUSTER_PEER: &str = "chronyd 4.9-dev, one server and five clients, poll 1 s, \
     interleaved, event simulator, seed 1";

const US: f64 = 1e-6;
const NS: f64 = 1e-9;

/// A cluster: the peer's figures and our limits, of the spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    pub(super) scenario: &'static str,
    pub(super) peer: Figures,
    /// The spread's RMS with one poll a round is this at most.
    pub(super) limit_1: Option<f64>,
    /// The spread's RMS with four polls a round is this at most.
    pub(super) limit_4: Option<f64>,
    /// What we want the spread's RMS with four polls a round to be.
    pub(super) aim_4: Option<f64>,
    /// The spread stays below 100 µs, and below 2 µs, from this moment on, with four polls.
    pub(super) settled: Option<[f64; 2]>,
    /// The mean's wander over 600 s is this at most, with one poll and with four.
    pub(super) wander: Option<[f64; 2]>,
}

/// RMS, 99th percentile and maximum of the peer, and when its spread was below 100 µs for good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) rms: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) settled: f64,
}

/// The spread's 99th percentile and maximum are at most this many times its RMS.
pub(super) const SHAPE: [f64; 2] = [3.0, 5.0];

const fn peer(rms: f64, p99: f64, max: f64, settled: f64) -> Figures {
    Figures { rms: rms * US, p99: p99 * US, max: max * US, settled }
}

const fn cluster(scenario: &'static str, peer: Figures, [one, four, aim]: [f64; 3]) -> Cluster {
    let (limit_1, limit_4, aim_4) = (Some(one * US), Some(four * US), Some(aim * US));
    Cluster { scenario, peer, limit_1, limit_4, aim_4, settled: None, wander: None }
}

/// Clusters of six on difficult networks and with difficult clocks.
pub(super) const CLUSTERS: [Cluster; 7] = [
    Cluster {
        settled: Some([5.0, 20.0]),
        ..cluster("quiet", peer(1.36, 3.3, 4.4, 3.0), [0.60, 0.32, 0.24])
    },
    cluster("busy", peer(23.3, 49.0, 95.0, 9.0), [3.7, 1.5, 1.1]),
    cluster("bursty", peer(2.4, 4.2, 9.9, 13.0), [1.05, 0.55, 0.40]),
    cluster("lossy", peer(5.5, 10.7, 40.0, 5.0), [1.5, 0.78, 0.58]),
    cluster("warm", peer(5.7, 13.1, 28.0, 3.0), [2.7, 1.7, 1.3]),
    cluster("falsetick", peer(5.2, 12.3, 23.0, 3.0), [1.2, 0.62, 0.46]),
    Cluster {
        scenario: "badmaster",
        peer: peer(9.4, 21.0, 31.0, 3.0),
        limit_1: Some(9.0 * US),
        limit_4: Some(3.0 * US),
        aim_4: None,
        settled: None,
        wander: Some([5.0 * US, 3.0 * US]),
    },
];

/// RMS and maximum of a slave's error; none where it was not measured.
pub(super) type Error = [Option<f64>; 2];

/// One slave and one master: what others reach, and the figures that ours are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) scenario: &'static str,
    /// chronyd at one poll a second.
    pub(super) chronyd: Error,
    /// chronyd at eight polls a second, the best of its settings.
    pub(super) chronyd_best: Error,
    /// ptp4l with software stamps.
    pub(super) ptp4l: Error,
    /// The filter's first prototype, its guards off, at one poll a second.
    pub(super) prototype_1: Error,
    /// The same at four.
    pub(super) prototype_4: Error,
}

/// A pair is at most this many times as far off as the prototype.
pub(super) const OF_PROTOTYPE: f64 = 1.1;

const NONE: Error = [None, None];

const fn both(rms: f64, max: f64) -> Error {
    [Some(rms * NS), Some(max * NS)]
}

const fn rms(rms: f64) -> Error {
    [Some(rms * NS), None]
}

const fn pair(scenario: &'static str, errors: [Error; 5]) -> Pair {
    let [chronyd, chronyd_best, ptp4l, prototype_1, prototype_4] = errors;
    Pair { scenario, chronyd, chronyd_best, ptp4l, prototype_1, prototype_4 }
}

/// One slave of a perfect master.
#[rustfmt::skip]
pub(super) const PAIRS: [Pair; 10] = [
    pair("pair-quiet", [both(347.0, 6_947.0), both(132.0, 1_271.0), both(811.0, 4_266.0),
        both(166.0, 848.0), both(101.0, 383.0)]),
    pair("pair-office", [both(2_215.0, 46_717.0), both(701.0, 6_919.0), both(5_388.0, 27_774.0),
        both(438.0, 2_068.0), both(248.0, 1_099.0)]),
    pair("pair-bursts", [both(588.0, 6_412.0), both(276.0, 3_313.0), both(41_900.0, 347_000.0),
        both(235.0, 938.0), both(140.0, 532.0)]),
    pair("pair-queue", [both(1_891.0, 12_642.0), both(986.0, 8_794.0), both(63_800.0, 225_000.0),
        both(630.0, 2_142.0), both(348.0, 1_016.0)]),
    pair("pair-wide", [both(10_830.0, 234_816.0), both(3_457.0, 16_286.0),
        both(26_800.0, 177_000.0), both(1_290.0, 5_949.0), both(545.0, 2_826.0)]),
    pair("pair-sway", [both(565.0, 7_081.0), both(268.0, 1_249.0), both(1_431.0, 5_178.0),
        both(307.0, 1_529.0), both(189.0, 747.0)]),
    pair("pair-loss", [both(593.0, 12_293.0), both(211.0, 2_506.0), both(1_763.0, 14_364.0),
        both(250.0, 1_164.0), both(142.0, 664.0)]),
    pair("pair-gauss", [rms(1_111.0), rms(467.0), rms(1_194.0), rms(777.0), rms(422.0)]),
    pair("pair-route", [both(17_400.0, 21_000.0), NONE, both(18_100.0, 22_000.0), NONE,
        both(500.0, 1_410.0)]),
    pair("pair-jam", [both(3_000.0, 24_000.0), NONE, both(40_900.0, 200_000.0), NONE,
        both(100.0, 370.0)]),
];

/// Something that happens to a pair, at four polls a second: the prototype's worst error. None for
/// a clock that jumps, since what it is worth is how soon it is right again.
pub(super) const EVENTS: [(&str, Option<f64>); 5] = [
    ("pair-step", None),
    ("pair-mute", Some(1.9 * US)),
    ("pair-stamps", Some(0.46 * US)),
    ("pair-longer", Some(0.5 * US)),
    ("pair-drift", Some(12.0 * US)),
];

/// Allan deviation of cluster time against that of the best single clock, over 100 s, at most.
pub(super) const ADEV_OF_BEST: f64 = 0.7;
/// The spread with two liars of seven against that without them, at most.
pub(super) const WITH_LIARS: f64 = 1.1;
/// How much the liars may change the rate of cluster time.
pub(super) const LIARS_RATE: f64 = 20e-9;
/// How far a joiner may move cluster time.
pub(super) const JOINER: f64 = 0.1 * US;
