//! Who is measured: the daemon or the bare loop, in a process and on a core of its own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::slaves::Plan;
use super::wire;

/// The control socket's name.
const CONTROL: &str = "control.sock";

/// The cores that this process may use.
pub fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect()
}

pub fn pin_self(core: Option<usize>) -> Result<(), String> {
    pin(Pid::from_raw(0), core)
}

fn pin(pid: Pid, core: Option<usize>) -> Result<(), String> {
    let Some(core) = core else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(core).map_err(|e| e.to_string())?;
    sched_setaffinity(pid, &set).map_err(|e| format!("cannot pin {pid} to core {core}: {e}"))
}

/// A process under test. It ends with this value.
pub struct Subject {
    child: Child,
    pub addr: SocketAddrV4,
    /// Keys and control socket, while it lives.
    dir: TempDir,
}

impl Subject {
    /// The real daemon, with room for all slaves.
    pub fn daemon(plan: &Plan, core: Option<usize>) -> Result<Self, String> {
        let addr = free_port()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
        command.args(["master", "--quiet", "--burst", "1", "--report-interval", "1h"]);
        command.args(["--listen", &addr.to_string()]);
        command.args(["--interval", &format!("{}ms", plan.interval)]);
        command.args(["--max-slaves", &plan.slaves.to_string()]);
        let dir = TempDir::new().map_err(|e| e.to_string())?;
        command.arg("--control").arg(dir.path().join(CONTROL));
        if plan.sealed {
            let keys = dir.path().join("keys");
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&keys);
            let written = file.and_then(|mut file| file.write_all(wire::KEYS.as_bytes()));
            written.map_err(|e| format!("{}: {e}", keys.display()))?;
            command.arg("--key-file").arg(keys);
        }
        Self::start(command, addr, core, dir)
    }

    /// The bare loop, at so many polls a second.
    pub fn bare(polls_per_second: f64, core: Option<usize>) -> Result<Self, String> {
        Self::own("--bare", &[&polls_per_second.to_string()], core)
    }

    /// The bare loop that stands for an NTP server.
    pub fn bare_ntp(core: Option<usize>) -> Result<Self, String> {
        Self::own("--bare-ntp", &[], core)
    }

    /// chronyd as a server that keeps its hands off the machine's clock.
    pub fn chronyd(core: Option<usize>) -> Result<Self, String> {
        let addr = free_port()?;
        let dir = TempDir::new().map_err(|e| e.to_string())?;
        let (config, pid) = (dir.path().join("chrony.conf"), dir.path().join("pid"));
        let text = format!(
            "port {}\nbindaddress {}\ncmdport 0\nbindcmdaddress /\nallow 127.0.0.0/8\nlocal stratum 8\npidfile {}\n",
            addr.port(),
            addr.ip(),
            pid.display()
        );
        fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let mut command = Command::new("chronyd");
        command.args(["-x", "-n", "-u", "root", "-f"]).arg(config);
        Self::start(command, addr, core, dir)
    }

    /// This program in a part of its own, which the flag names, at the address behind it.
    fn own(flag: &str, more: &[&str], core: Option<usize>) -> Result<Self, String> {
        let addr = free_port()?;
        let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
        command.arg(flag).arg(addr.to_string()).args(more);
        Self::start(command, addr, core, TempDir::new().map_err(|e| e.to_string())?)
    }

    fn start(
        mut command: Command,
        addr: SocketAddrV4,
        core: Option<usize>,
        dir: TempDir,
    ) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("cannot start {command:?}: {e}"))?;
        let subject = Self { child, addr, dir };
        pin(subject.pid(), core)?;
        wait(Duration::from_millis(500));
        Ok(subject)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    fn proc(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).map_err(|e| format!("{path}: {e}; has it ended?"))
    }

    /// CPU time of its only busy thread so far, in seconds.
    pub fn cpu(&self) -> Result<f64, String> {
        let text = self.proc("schedstat")?;
        let nanos = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
        nanos.map(|n| n as f64 * 1e-9).ok_or(format!("schedstat says {text:?}"))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64, String> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or("no VmRSS".to_owned())
    }

    /// What the daemon says of itself, as `campanile stats --json` prints it.
    pub fn stats(&self) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
        command.args(["stats", "--json", "--control"]).arg(self.dir.path().join(CONTROL));
        let out = command.output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&out.stdout);
        match out.status.success() {
            true => Ok(text.trim().to_owned()),
            false => Err(format!("stats: {}", String::from_utf8_lossy(&out.stderr))),
        }
    }

    /// Datagrams that the kernel dropped because the socket's buffer was full.
    pub fn drops(&self) -> u64 {
        let port = format!(":{:04X}", self.addr.port());
        let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let ours =
            text.lines().find(|l| l.split_whitespace().nth(1).is_some_and(|a| a.ends_with(&port)));
        ours.and_then(|l| l.split_whitespace().last()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process begins meanwhile")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn free_port() -> Result<SocketAddrV4, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    let port = socket.local_addr().map_err(|e| e.to_string())?.port();
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}
