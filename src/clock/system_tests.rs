use super::*;
use crate::time::Raw;
use std::sync::{Arc, Mutex, MutexGuard};

const EPOCH: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
/// Rate 1 in units of 2⁻¹⁶ ppm, and a µs of tick in them.
const ONE: i128 = 65_536_000_000;
const TICK: i128 = 6_553_600;

/// The kernel's clock as kernel/time/ntp.c and timekeeping.c keep it, as far as tick, frequency,
/// steps, status and errors go: same units, same checks, same side effects.
struct Model {
    raw: i64,
    real: i64,
    /// Of a nanosecond, in 1/[`ONE`].
    rest: i128,
    /// What a loop has still to work off, in ns; a sixteenth of it goes each second.
    pending: i64,
    suspended: i64,
    state: Timex,
    may: bool,
    changes: u32,
}

#[derive(Clone)]
struct Handle(Arc<Mutex<Model>>);

impl Handle {
    fn new() -> Self {
        let state = Timex {
            tick: 10_000,
            status: libc::STA_UNSYNC,
            maxerror: 16_000_000,
            esterror: 16_000_000,
            ..Timex::default()
        };
        let (raw, real) = (5 * SECOND, EPOCH);
        let model =
            Model { raw, real, rest: 0, pending: 0, suspended: 0, state, may: true, changes: 0 };
        Self(Arc::new(Mutex::new(model)))
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }

    fn clock(&self) -> SystemClock {
        SystemClock::over(Box::new(self.clone())).unwrap()
    }

    fn pass(&self, nanos: i64) {
        self.model().pass(nanos);
    }
}

impl Model {
    fn pass(&mut self, nanos: i64) {
        let rate = i128::from(self.state.tick - 10_000) * TICK + i128::from(self.state.freq);
        let gained = i128::from(nanos) * rate + self.rest;
        self.rest = gained.rem_euclid(ONE);
        let worked_off = (self.pending as i128 * nanos as i128 / SECOND as i128 / 16) as i64;
        self.pending -= worked_off;
        self.raw += nanos;
        self.real += nanos + gained.div_euclid(ONE) as i64 + worked_off;
        self.state.maxerror = (self.state.maxerror + nanos / 2_000_000).min(16_000_000);
    }

    fn check(&self, request: &Timex) -> io::Result<()> {
        let refuse = |errno| Err(io::Error::from_raw_os_error(errno));
        if request.modes != 0 && !self.may {
            return refuse(libc::EPERM);
        }
        let tick_asked = request.modes & libc::ADJ_TICK != 0 && request.modes & 0x8000 == 0;
        if tick_asked && !(9_000..=11_000).contains(&request.tick) {
            return refuse(libc::EINVAL);
        }
        let nanos = request.modes & libc::ADJ_NANO != 0;
        let fraction = if nanos { SECOND } else { 1_000_000 };
        if request.modes & libc::ADJ_SETOFFSET != 0 && !(0..fraction).contains(&request.jump_nanos)
        {
            return refuse(libc::EINVAL);
        }
        Ok(())
    }

    fn adjust(&mut self, request: &mut Timex) -> io::Result<()> {
        self.check(request)?;
        let asked = |mode| request.modes & mode == mode;
        self.changes += u32::from(request.modes != 0);
        if asked(libc::ADJ_OFFSET_SINGLESHOT) {
            *request = Timex { modes: 0, ..self.state };
            return Ok(());
        }
        if asked(libc::ADJ_SETOFFSET) {
            let unit = if asked(libc::ADJ_NANO) { 1 } else { 1_000 };
            self.real += request.jump_secs * SECOND + request.jump_nanos * unit;
            self.pending = 0;
            self.state.status |= libc::STA_UNSYNC;
            (self.state.maxerror, self.state.esterror) = (16_000_000, 16_000_000);
        }
        if asked(libc::ADJ_STATUS) {
            self.state.status = request.status;
        }
        if asked(libc::ADJ_FREQUENCY) {
            self.state.freq = request.freq.clamp(-500 << 16, 500 << 16);
        }
        if asked(libc::ADJ_MAXERROR) {
            self.state.maxerror = request.maxerror.clamp(0, 16_000_000);
        }
        if asked(libc::ADJ_ESTERROR) {
            self.state.esterror = request.esterror.clamp(0, 16_000_000);
        }
        if asked(libc::ADJ_OFFSET) && self.state.status & libc::STA_PLL != 0 {
            self.pending = request.offset;
        }
        if asked(libc::ADJ_TICK) {
            self.state.tick = request.tick;
        }
        *request = Timex { modes: 0, ..self.state };
        Ok(())
    }

    /// As another daemon would do it.
    fn meddle(&mut self, modes: u32, change: impl FnOnce(&mut Timex)) {
        let mut request = Timex { modes, ..self.state };
        change(&mut request);
        self.adjust(&mut request).unwrap();
    }
}

impl Kernel for Handle {
    fn adjust(&mut self, request: &mut Timex) -> io::Result<()> {
        self.model().adjust(request)
    }
    fn allowed(&mut self) -> io::Result<()> {
        let error = self.adjust(&mut Timex { modes: libc::ADJ_TICK, ..Timex::default() });
        match error.unwrap_err() {
            error if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            error => Err(error),
        }
    }
    fn pair(&mut self) -> Pair {
        let model = self.model();
        let raw = Time::<Raw>::from_nanos(model.raw);
        Pair { raw, real: Time::from_nanos(model.real), width: Span::from_nanos(80) }
    }
    fn suspended(&mut self) -> Span {
        Span::from_nanos(self.model().suspended as u64)
    }
}

fn run(ppm: f64) -> Adjustment {
    Adjustment::Run { rate: Rate::from_ppm(ppm) }
}

const NOW: Time<Local> = Time::from_nanos(0);

#[test]
fn the_clock_runs_as_it_was_told_over_a_day() {
    for ppm in [0.0, 40.000_01, -499.9, 731.25, -99_999.0] {
        let kernel = Handle::new();
        let mut clock = kernel.clock();
        let map = clock.steer(NOW, run(ppm)).unwrap();
        assert!((map.rate - Rate::from_ppm(ppm)).abs().as_ppb() < 0.008, "{map:?}");
        for _ in 0..86_400 / 16 {
            kernel.pass(16 * SECOND);
            let read = clock.map(NOW);
            let apart = map.reading(read.at) - read.reads;
            assert!(apart.abs().as_nanos() <= 1, "{ppm} ppm: {apart:?}");
        }
        assert_eq!(clock.interference(), None);
    }
}

#[test]
fn a_step_is_exact_and_leaves_the_clock_unsynchronised() {
    for by in [-3_600_000_000_001i64, -1, 1, 250_000_000, 86_400_000_000_000] {
        let kernel = Handle::new();
        let mut clock = kernel.clock();
        clock.publish(quality(true, 5)).unwrap();
        let before = kernel.model().real;
        let step = Adjustment::Step { by: Offset::from_nanos(by), rate: Rate::from_ppm(12.5) };
        let map = clock.steer(NOW, step).unwrap();
        assert_eq!(map.reads.as_nanos(), before + by);
        assert_eq!(kernel.model().real, before + by);
        assert_eq!(kernel.model().state.freq, 25 << 15);
        assert_eq!(kernel.model().state.status, libc::STA_UNSYNC);
        kernel.pass(SECOND);
        clock.map(NOW);
        assert_eq!(clock.interference(), None);
    }
}

fn quality(synchronised: bool, micros: u64) -> Quality {
    let max_error = Span::from_micros(10 * micros);
    Quality { synchronised, estimated_error: Span::from_nanos(micros * 1_000 - 999), max_error }
}

#[test]
fn the_quality_is_published_in_microseconds_rounded_up() {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    clock.publish(quality(true, 3)).unwrap();
    let state = kernel.model().state;
    assert_eq!((state.status, state.esterror, state.maxerror), (0, 3, 30));
    clock.publish(quality(false, 1 << 40)).unwrap();
    let state = kernel.model().state;
    assert_eq!(state.status, libc::STA_UNSYNC);
    assert_eq!((state.esterror, state.maxerror), (16_000_000, 16_000_000));
    assert_eq!(clock.interference(), None);
}

#[test]
fn without_the_right_it_does_not_open_and_says_so_in_a_line() {
    let kernel = Handle::new();
    kernel.model().may = false;
    let error = SystemClock::over(Box::new(kernel.clone())).err().unwrap().to_string();
    assert!(error.contains("CLOCK_REALTIME") && error.contains("CAP_SYS_TIME"), "{error}");
    assert!(!error.contains('\n') && !error.contains("  "), "{error}");
    assert_eq!(kernel.model().changes, 0);
}

#[test]
fn opening_and_reading_change_nothing() {
    let kernel = Handle::new();
    kernel.model().state.freq = 7 << 16;
    let before = kernel.model().state;
    let mut clock = kernel.clock();
    assert!(!clock.found_synchronised());
    assert_eq!(clock.map(NOW).rate, Rate::from_ppm(7.0));
    drop(clock);
    let model = kernel.model();
    assert_eq!((model.state, model.changes), (before, 0));
}

#[test]
fn the_last_rate_stays_when_the_program_ends() {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    clock.steer(NOW, run(123.0)).unwrap();
    clock.publish(quality(true, 1)).unwrap();
    drop(clock);
    assert_eq!(kernel.model().state.freq, 123 << 16);
    let mut next = kernel.clock();
    assert!(next.found_synchronised());
    assert_eq!(next.map(NOW).rate, Rate::from_ppm(123.0));
}

#[test]
fn what_a_kernel_loop_left_running_is_stopped() {
    let kernel = Handle::new();
    kernel.model().meddle(libc::ADJ_STATUS, |request| request.status = libc::STA_PLL);
    kernel.model().meddle(libc::ADJ_OFFSET, |request| request.offset = 100_000_000);
    let mut clock = kernel.clock();
    clock.steer(NOW, run(0.0)).unwrap();
    assert_eq!(kernel.model().state.status, libc::STA_UNSYNC);
    let map = clock.map(NOW);
    kernel.pass(100 * SECOND);
    let read = clock.map(NOW);
    assert_eq!(map.reading(read.at), read.reads);
    assert_eq!(clock.interference(), None);
}

/// What is noticed when another program does `meddling` between two of our calls, and again
/// after we have steered.
fn noticed(meddling: impl Fn(&mut Model)) -> Option<Interference> {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    clock.steer(NOW, run(25.0)).unwrap();
    clock.publish(quality(true, 1)).unwrap();
    kernel.pass(SECOND);
    clock.map(NOW);
    assert_eq!(clock.interference(), None);
    meddling(&mut kernel.model());
    kernel.pass(SECOND);
    clock.steer(NOW, run(25.0)).unwrap();
    let found = clock.interference();
    kernel.pass(SECOND);
    let read = clock.map(NOW);
    assert_eq!(read.reads.as_nanos(), kernel.model().real);
    assert_eq!(clock.interference(), None);
    assert_eq!(kernel.model().state.status & CONTROL, 0);
    found
}

#[test]
fn another_hand_on_the_clock_is_noticed() {
    let rate = noticed(|model| model.meddle(libc::ADJ_FREQUENCY, |request| request.freq = -65_536));
    let (set, found) = (Rate::from_ppm(25.0), Rate::from_ppm(-1.0));
    assert_eq!(rate, Some(Interference::Rate { set, found }));
    let tick = noticed(|model| model.meddle(libc::ADJ_TICK, |request| request.tick = 10_001));
    let found = Rate::from_ppm(125.0);
    assert_eq!(tick, Some(Interference::Rate { set, found }));
    let status = noticed(|model| {
        model.meddle(libc::ADJ_STATUS, |request| request.status = libc::STA_PLL);
        model.meddle(libc::ADJ_OFFSET, |request| request.offset = 10_000_000);
    });
    assert_eq!(status, Some(Interference::Status { found: libc::STA_PLL }));
    for by in [-200_000i64, 200_000, 3_600 * SECOND] {
        let moved = noticed(|model| model.real += by);
        let by = Offset::from_nanos(by);
        assert_eq!(moved, Some(Interference::Moved { by }));
    }
}

#[test]
fn the_kernels_own_doings_are_no_interference() {
    // It sets STA_UNSYNC by itself when the error bound has grown too far.
    assert_eq!(noticed(|model| model.state.status |= libc::STA_UNSYNC), None);
    assert_eq!(noticed(|model| model.real += 30_000), None);
    assert_eq!(noticed(|_| ()), None);
    // It moves the clock on by the time the machine has slept, to a second or so.
    let slept = |model: &mut Model| {
        model.suspended += 600 * SECOND;
        model.real += 601 * SECOND;
    };
    assert_eq!(noticed(slept), None);
}

#[test]
fn what_is_done_to_the_clock_before_it_is_steered_is_nobodys_fault() {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    kernel.model().real += 3_600 * SECOND;
    kernel.model().meddle(libc::ADJ_FREQUENCY, |request| request.freq = 1 << 16);
    assert_eq!(clock.interference(), None);
    clock.publish(quality(false, 1)).unwrap();
    kernel.pass(SECOND);
    clock.steer(NOW, run(25.0)).unwrap();
    assert_eq!(clock.interference(), None);
    kernel.model().real += 3_600 * SECOND;
    assert!(clock.interference().is_some());
}

#[test]
fn a_day_under_one_hand_is_no_interference() {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    for look in 0..86_400 * 4i64 {
        kernel.pass(SECOND / 4);
        let ppm = (look % 1_001 - 500) as f64 * 1.5;
        clock.steer(NOW, run(ppm)).unwrap();
        clock.publish(quality(look % 9 != 0, 1 + look as u64 % 20)).unwrap();
        assert_eq!(clock.interference(), None, "look {look}");
    }
}

#[test]
fn a_refused_change_leaves_the_course_as_it_was() {
    let kernel = Handle::new();
    let mut clock = kernel.clock();
    let before = clock.steer(NOW, run(25.0)).unwrap();
    kernel.model().may = false;
    kernel.pass(SECOND);
    let step = Adjustment::Step { by: Offset::from_nanos(SECOND), rate: Rate::ZERO };
    let error = clock.steer(NOW, step).unwrap_err().to_string();
    assert!(error.starts_with("system clock: steering it failed: "), "{error}");
    let read = clock.map(NOW);
    assert_eq!((read.rate, read.reads), (before.rate, before.reading(read.at)));
}
