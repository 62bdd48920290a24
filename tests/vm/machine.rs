//! A guest as the host sees it.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use campanile::time::Offset;

use crate::wire::{ANSWER, PORT, free_port};

/// A running virtual machine. It ends with this value, on panic too, and with this process.
pub struct Machine {
    number: u8,
    qemu: Child,
    questions: UdpSocket,
    orders: u16,
    console: PathBuf,
}

/// What a guest's clocks said.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The host's time of the question and of the answer.
    pub asked: Instant,
    pub answered: Instant,
    /// The guest's `CLOCK_REALTIME`, since 1970.
    pub real: Offset,
    /// The guest's `CLOCK_MONOTONIC`, since it answers.
    pub monotonic: Offset,
}

impl Machine {
    /// Starts guest `number` with its hardware clock at `date`, on the wire of all guests that
    /// were given the same `wire` port.
    pub fn boot(dir: &Path, number: u8, date: &str, wire: u16) -> Self {
        let console = dir.join(format!("console-{}-{number}", std::process::id()));
        let (asked, orders) = (free_port(), free_port());
        let program = env::current_exe().unwrap();
        let answers = program.file_name().unwrap().to_str().unwrap();
        let host = format!(
            "user,id=host,ipv6=off,hostfwd=udp:127.0.0.1:{asked}-10.0.2.15:{PORT},\
             hostfwd=tcp:127.0.0.1:{orders}-10.0.2.15:{PORT}"
        );
        let qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg", "-m", "192"])
            .args(["-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"])
            .args(["-rtc", &format!("base={date}")])
            .arg("-kernel")
            .arg(dir.join("kernel"))
            .arg("-initrd")
            .arg(dir.join("initrd"))
            .arg("-append")
            .arg(format!("console=ttyS0 quiet panic=-1 node={number} answers={answers}"))
            .args([
                "-netdev",
                &format!("socket,id=wire,mcast=230.1.2.3:{wire},localaddr=127.0.0.1"),
            ])
            .args(["-device", &card("wire", number, 0)])
            .args(["-netdev", &host, "-device", &card("host", number, 1)])
            .stdin(Stdio::null())
            .stdout(File::create(&console).unwrap())
            .stderr(File::options().append(true).open(&console).unwrap())
            .spawn()
            .unwrap();
        let questions = UdpSocket::bind("127.0.0.1:0").unwrap();
        questions.connect(("127.0.0.1", asked)).unwrap();
        questions.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { number, qemu, questions, orders, console }
    }

    /// As the guest calls itself.
    pub fn name(&self) -> String {
        format!("node-{}", self.number)
    }

    /// Waits until the guest answers.
    ///
    /// # Panics
    /// Where it ends, or does not answer in time.
    pub fn wait_until_up(&mut self, most: Duration) {
        let started = Instant::now();
        while self.ask().is_none() {
            let ended = self.qemu.try_wait().unwrap().is_some();
            let console = fs::read_to_string(&self.console).unwrap_or_default();
            let waits = !ended && started.elapsed() < most;
            assert!(waits, "{} does not come up:\n{console}", self.name());
            sleep(Duration::from_millis(100));
        }
    }

    /// Asks the guest for its clocks; nothing where the answer is lost.
    pub fn ask(&self) -> Option<Reading> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let question = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let asked = Instant::now();
        self.questions.send(&question).ok()?;
        let mut answer = [0; ANSWER];
        while self.questions.recv(&mut answer).ok()? == ANSWER {
            let answered = Instant::now();
            let field = |i: usize| answer[i * 8..][..8].try_into().unwrap();
            let clock = |i| Offset::from_nanos(i64::from_be_bytes(field(i)));
            if field(0) == question {
                return Some(Reading { asked, answered, real: clock(1), monotonic: clock(2) });
            }
        }
        None
    }

    /// Runs a shell command in the guest, to its end: exit code and all it printed. Busybox runs
    /// its own `tc` and `setpriv` unless these are called by path.
    ///
    /// # Errors
    /// Where the guest cannot be reached, or the command does not end within half a minute.
    pub fn try_run(&self, command: &str) -> io::Result<(i32, String)> {
        let mut guest = TcpStream::connect(("127.0.0.1", self.orders))?;
        guest.set_read_timeout(Some(Duration::from_secs(30)))?;
        guest.write_all(command.as_bytes())?;
        guest.shutdown(Shutdown::Write)?;
        let mut said = String::new();
        guest.read_to_string(&mut said)?;
        let (code, printed) = said.split_once('\n').unwrap_or_default();
        Ok((code.parse().unwrap_or(-1), printed.to_owned()))
    }

    /// The same for a command that must succeed.
    pub fn run(&self, command: &str) -> String {
        let ran = self.try_run(command);
        let (code, printed) = ran.unwrap_or_else(|e| panic!("{}: {command}: {e}", self.name()));
        assert_eq!(code, 0, "{}: {command}: {printed}", self.name());
        printed
    }

    /// Starts a command that goes on; what it says is appended to `/log` in the guest.
    pub fn start(&self, command: &str) {
        self.run(&format!("{command} </dev/null >>/log 2>&1 &"));
    }
}

fn card(wire: &str, number: u8, which: u8) -> String {
    format!("virtio-net-pci,netdev={wire},mac=52:54:00:00:0{which}:0{number},romfile=")
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_file(&self.console);
    }
}
