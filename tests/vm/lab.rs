//! Three guests on a wire, what is done to them and what they have to stand.

use std::cell::RefCell;
use std::io::{Write, stderr};
use std::path::Path;
use std::process::Command;
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant, SystemTime};

use campanile::report::human;
use campanile::time::{Offset, Rate, Span};

use crate::judge::Look;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::wire::free_port;

/// The hardware clocks at boot, hours from now. Not before now: a master whose clock is before the
/// day its program was built imposes it on nobody.
const AHEAD: [f64; 3] = [30.0, 25.5, 91.0];

/// The date so many hours from now, as QEMU wants it.
fn date(ahead: f64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let then = now + Duration::from_secs_f64(ahead * 3_600.0);
    let at = format!("@{}", then.as_secs());
    let told = Command::new("date").args(["-u", "-d", &at, "+%FT%T"]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

const MASTER: &str = "campanile master --clock system --state-dir /state --json";
const SLAVE: &str = "campanile slave --master 10.0.0.1 --clock system --state-dir /state --json";
/// An ordinary user, and one who may do nothing else than set the clock.
const USER: &str = "/bin/setpriv --reuid 1000 --regid 1000 --clear-groups";
const CLOCK_USER: &str = "/bin/setpriv --reuid 1000 --regid 1000 --clear-groups \
                          --inh-caps=-all,+sys_time --ambient-caps=+sys_time \
                          --bounding-set=-all,+sys_time";

/// The clocks have met when they were no further apart for so long.
const MET: Span = Span::from_micros(500);
const SETTLED: Duration = Duration::from_secs(3);
/// No look may find them further apart from then on.
const TOGETHER: Span = Span::from_millis(1);

/// How far a rate may be from what was learned a little earlier: the clocks' difference is being
/// worked off meanwhile, some µs in some s.
const RATE_NOISE: Rate = Rate::from_ppm(40.0);

/// A guest reads its two clocks one after the other: that may look like a step so large.
const READING_NOISE: Span = Span::from_micros(20);

pub struct Lab {
    machines: [Machine; 3],
    started: Instant,
    /// Everything that was seen since the clocks met.
    looks: RefCell<Vec<Look>>,
}

impl Lab {
    /// # Panics
    /// Where a guest does not come up.
    pub fn boot(dir: &Path) -> Self {
        let (started, wire) = (Instant::now(), free_port());
        let boot = |i: usize| Machine::boot(dir, i as u8 + 1, &date(AHEAD[i]), wire);
        let mut machines = [0, 1, 2].map(boot);
        for machine in &mut machines {
            machine.wait_until_up(Duration::from_secs(120));
        }
        let lab = Self { machines, started, looks: RefCell::default() };
        lab.machines[2].run("mkdir /state && chown 1000:1000 /state");
        lab.say("three guests are up");
        lab
    }

    /// Past the test harness, which keeps what tests print to itself: this takes a while.
    fn say(&self, text: &str) {
        let _ = writeln!(stderr(), "vm {:5.1} s: {text}", self.started.elapsed().as_secs_f64());
    }

    fn look(&self) -> Look {
        let look = Look::at(&self.machines, self.started);
        self.looks.borrow_mut().push(look.clone());
        look
    }

    /// The kernels are as they boot: far apart, and not synchronised.
    pub fn is_apart(&self) {
        let offsets = self.look().offsets;
        for (i, a) in offsets.iter().enumerate() {
            let nearest = offsets[..i].iter().map(|b| (*a - *b).abs()).min();
            assert!(nearest.is_none_or(|gap| gap > Span::from_secs(3_600)), "{offsets:?}");
        }
        assert!(self.machines.iter().all(|machine| !Kernel::of(machine).synchronised));
    }

    pub fn refuses_whoever_may_not_set_the_clock(&self) {
        let (code, said) = self.machines[2].try_run(&format!("{USER} {SLAVE}")).unwrap();
        assert_eq!(code, 1, "{said}");
        assert_eq!(said.lines().count(), 1, "one line says why: {said}");
        assert!(said.contains("CAP_SYS_TIME"), "{said}");
    }

    /// A master and a slave as root, and a slave with the one right that it needs.
    pub fn start(&self) {
        let [first, second, third] = &self.machines;
        first.start(MASTER);
        second.start(&to_its_end(SLAVE));
        third.start(&format!("{CLOCK_USER} {SLAVE}"));
    }

    /// The clocks meet and stay so for a while, somewhere between where they were.
    pub fn meets(&self, most: Duration) {
        let before = self.look().offsets;
        let (began, mut apart) = (Instant::now(), Instant::now());
        while apart.elapsed() < SETTLED {
            let spread = self.look().spread();
            if spread > MET {
                assert!(began.elapsed() < most, "still {spread:?} apart after {most:?}");
                apart = Instant::now();
            }
            sleep(Duration::from_millis(200));
        }
        let (least, last) = (*before.iter().min().unwrap(), *before.iter().max().unwrap());
        let margin = MET.as_offset();
        self.looks.borrow_mut().clear();
        let met = self.look();
        let between = |at: &Offset| least - margin <= *at && *at <= last + margin;
        assert!(met.offsets.iter().all(between), "{before:?} became {:?}", met.offsets);
        self.say(&format!("the clocks have met: {} apart", human(met.spread())));
    }

    /// Looks for `seconds`: never far apart, and `usual` at most in half of the looks.
    pub fn stays_together(&self, how: &str, seconds: u64, usual: Span) {
        let mut looks = Vec::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            let look = self.look();
            let apart = look.surely_apart();
            assert!(apart < TOGETHER, "{how}: {apart:?} apart: {look:?}");
            looks.push(look);
            sleep(Duration::from_millis(200));
        }
        let mut spreads: Vec<_> = looks.iter().map(Look::spread).collect();
        spreads.sort_unstable();
        let (half, most) = (spreads[spreads.len() / 2], *spreads.last().unwrap());
        let doubt = looks.iter().map(|look| look.doubt).min().unwrap();
        self.say(&format!(
            "{how}: {} apart in the median of {} looks, {} at most (within {})",
            human(half),
            spreads.len(),
            human(most),
            human(doubt)
        ));
        assert!(half < usual, "{how}: {half:?} apart in the median");
    }

    /// The kernels say that they are, and what they say of their errors covers the truth.
    pub fn kernels_are_synchronised(&self) {
        let kernels = self.machines.each_ref().map(Kernel::of);
        let look = self.look();
        for (i, kernel) in kernels.iter().enumerate() {
            assert!(kernel.synchronised, "{kernel:?}");
            assert!(kernel.max_error < Span::from_millis(20), "{kernel:?}");
            assert!(kernel.estimated_error < Span::from_millis(1), "{kernel:?}");
            for (j, other) in kernels[..i].iter().enumerate() {
                let gap = (look.offsets[i] - look.offsets[j]).abs();
                let covered = kernel.max_error + other.max_error + look.doubt;
                assert!(gap <= covered, "{gap:?} apart, and they say {kernel:?}, {other:?}");
            }
        }
    }

    /// Puts `netem` between every guest and the wire of the cluster, not before the host's line.
    pub fn disturb(&self, netem: &str) {
        for machine in &self.machines {
            machine.run(&format!("/bin/tc qdisc replace dev eth0 root netem {netem}"));
        }
    }

    pub fn calm(&self) {
        for machine in &self.machines {
            machine.run("/bin/tc qdisc delete dev eth0 root");
        }
    }

    /// The slave with the least rights ends and leaves its clock running well; it comes back to a
    /// rate that something else has spoilt meanwhile, finds no master, and is right by what it
    /// has saved; then it finds its master again.
    pub fn outlives_a_restart(&self) {
        let slave = &self.machines[2];
        let learned = Kernel::of(slave).rate;
        slave.run("kill $(pidof campanile); while pidof campanile; do usleep 20000; done");
        let left = Kernel::of(slave).rate;
        assert!((left - learned).abs() < RATE_NOISE, "{learned:?} became {left:?} at the end");
        self.stays_together("a slave has ended", 3, TOGETHER);

        slave.run("ip link set eth0 down; adjtimex -f 26214400 >/dev/null"); // +400 ppm
        slave.start(&format!("{CLOCK_USER} {SLAVE}"));
        self.stays_together("it is back without a master", 5, TOGETHER);
        let resumed = Kernel::of(slave).rate;
        assert!((resumed - learned).abs() < RATE_NOISE, "{learned:?} before, {resumed:?} after");

        slave.run("ip link set eth0 up");
        self.stays_together("it is back with its master", 12, TOGETHER);
        let said = slave.run("cat /log");
        assert!(said.matches(r#""event":"following""#).count() >= 2, "it found no master again");
    }

    /// From one look to the next, since the clocks met, nothing but rates moved them.
    pub fn has_never_stepped_since_it_met(&self) {
        let looks = self.looks.borrow();
        let stepped = looks.iter().map(|look| look.stepped_since(&looks[0])).max().unwrap();
        self.say(&format!("the greatest step in {} looks: {}", looks.len(), human(stepped)));
        assert!(stepped < READING_NOISE, "a clock was stepped by {stepped:?}");
    }

    /// Nothing else steered a clock while a daemon ran, and none said so; a clean restart does
    /// not take its own earlier life for another daemon.
    pub fn has_suspected_nobody(&self) {
        for machine in &self.machines {
            let said = machine.run("cat /log");
            for word in ["interference\"", "\"warning\"", "synchronised already"] {
                let about_keys = |line: &str| line.contains("no --key-file");
                let mut lines = said.lines().filter(|line| !about_keys(line));
                let line = lines.find(|line| line.contains(word));
                assert_eq!(line, None, "{}", machine.name());
            }
        }
    }

    /// Somebody sets the clock under a running slave: it says so, and ends.
    pub fn leaves_its_clock_to_another_hand(&self) {
        let slave = &self.machines[1];
        slave.run(HOUR_AHEAD);
        let said = wait_for(slave, "ended 1");
        let event = said.lines().find(|line| line.contains("\"event\":\"interference\""));
        let event = event.unwrap_or_else(|| panic!("it says nothing: {said}"));
        assert!(
            event.contains("\"kind\":\"moved\"") && event.contains("\"shared\":false"),
            "{event}"
        );
        let why: Vec<_> =
            said.lines().filter(|line| line.starts_with("campanile slave:")).collect();
        assert!(why.len() == 1 && why[0].contains("--share-clock"), "{why:?}");
        let ahead = self.look().offsets;
        let gap = ahead[1] - ahead[0];
        assert!(
            (gap - HOUR).abs() < Span::from_secs(3),
            "the clock stays where it was put: {gap:?}"
        );
        assert!(!Kernel::of(slave).synchronised);
        self.say("a slave has left its clock to another hand");
    }

    /// The same where that is allowed: it says so once, and goes on.
    pub fn shares_its_clock_where_it_may(&self) {
        let slave = &self.machines[1];
        slave.run("mv /log /log.1");
        slave.start(&to_its_end(&format!("{SLAVE} --share-clock")));
        wait_for(slave, "\"round\":");
        sleep(SETTLED);
        let offsets = self.look().offsets;
        let gap = offsets[1] - offsets[0];
        assert!(gap.abs() < Span::from_millis(20), "it comes back by a step: {gap:?}");
        slave.run(HOUR_AHEAD);
        wait_for(slave, "\"shared\":true");
        slave.run("adjtimex -f 6553600 >/dev/null");
        sleep(SETTLED);
        let said = slave.run("cat /log");
        assert_eq!(said.matches("\"event\":\"interference\"").count(), 1, "{said}");
        assert!(!said.contains("ended"), "{said}");
        self.say("a slave shares its clock");
    }
}

/// What sets a clock an hour ahead.
const HOUR_AHEAD: &str = "date -s @$(( $(date +%s) + 3600 ))";
const HOUR: Offset = Offset::from_nanos(3_600_000_000_000);

/// `command`, and its exit code in the log.
fn to_its_end(command: &str) -> String {
    format!("sh -c '{command}; echo \"ended $?\"'")
}

/// What the log of a machine says once it contains `word`.
fn wait_for(machine: &Machine, word: &str) -> String {
    let began = Instant::now();
    loop {
        let said = machine.run("cat /log");
        if said.contains(word) {
            return said;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no {word} in {said}");
        sleep(Duration::from_millis(200));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if panicking() {
            for machine in &self.machines {
                let log = machine.try_run("grep -v course /log | tail -n 60; adjtimex");
                let (_, said) = log.unwrap_or_default();
                eprintln!("--- {}\n{said}", machine.name());
            }
        }
    }
}
