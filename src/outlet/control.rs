//! The control socket: a Unix stream socket that speaks JSON, a request a line and an answer a
//! line. `docs/control.md` is its reference.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use serde::{Deserialize, Serialize};

use super::answers::{is_meant, named};
use super::door::{Answer, Door, Heard, House, Line, Step, Talk};
use super::reply::{Failure, VERSION};
use crate::net::Wish;
use crate::os;
use crate::proto::{Order, Peer, Role};

/// The longest request line, in bytes.
const LONGEST: usize = 4 * 1024;
/// Members that are told of in one piece of work.
const PIECE: usize = 16;
/// Members that are looked at for a name in one piece of work.
const SEARCH: usize = 32;
/// Others that one who is asked for by name is told of; the rest are counted.
const MOST_NAMESAKES: usize = 16;

/// Why there is no control socket.
#[derive(Debug)]
pub enum ControlError {
    /// A living daemon serves there.
    InUse,
    /// Something that is no socket is there.
    NoSocket,
    /// The operating system refuses.
    System(io::Error),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another daemon serves there; give another path, or none"),
            Self::NoSocket => f.write_str("it is there and no socket; give another path, or none"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ControlError {}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// A control socket that listens. Dropped, it takes its file away.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, to be sure that it is ours.
    file: (u64, u64),
}

impl Control {
    /// Listens at `path`; what a daemon left there that is dead is cleared away. Read and write
    /// are for the owner and the group of the socket.
    ///
    /// # Errors
    /// [`ControlError::InUse`] where somebody listens there, [`ControlError::NoSocket`] where
    /// something else is there, which is left alone.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = File::open(parent.unwrap_or(Path::new(".")))?;
        // Of two that find the same dead socket, the second must not clear away the first's own.
        os::lock(dir.as_fd())?;
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ControlError::NoSocket),
            Ok(_) => match StdStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(ControlError::System(error));
                }
                Ok(_) | Err(_) => return Err(ControlError::InUse),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let listener = StdListener::bind(path)?;
        // Until now it was as the process's mask has it; but whoever slips in can only read.
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            listener: UnixListener::from_std(listener),
            path: path.to_owned(),
            file: (found.dev(), found.ino()),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // A file that stays is taken for a dead daemon's by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Door for Control {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    fn accept(&mut self) -> io::Result<(Box<dyn Line>, Box<dyn Talk>)> {
        let (line, _) = self.listener.accept()?;
        let may_change = may_change(&line);
        Ok((Box::new(line), Box::new(Clerk { may_change })))
    }
}

/// Whether whoever called may change something: root, and the daemon's own user.
fn may_change(line: &UnixStream) -> bool {
    os::peer_user(line.as_fd()).is_ok_and(|user| user == 0 || user == os::effective_user())
}

/// A request as it stands on the line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    v: Option<u32>,
    get: Option<Subject>,
    r#do: Option<Action>,
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Tracking,
    Peers,
    Peerstats,
    Peer,
    Cluster,
    Stats,
    Events,
    Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Makestep,
    Resign,
    Reload,
}

/// Answers one caller.
struct Clerk {
    may_change: bool,
}

impl Talk for Clerk {
    fn listen(&mut self, heard: &[u8]) -> Heard {
        let Some(end) = heard.iter().position(|byte| *byte == b'\n') else {
            if heard.len() < LONGEST {
                return Heard::More;
            }
            let why = format!("a request is a line of at most {LONGEST} bytes");
            return Heard::Nonsense(refusal("too_long", &why));
        };
        let answer: Box<dyn Answer> = match self.understand(&heard[..end]) {
            Ok(answer) => answer,
            Err((code, why)) => Box::new(Said(refusal(code, &why))),
        };
        Heard::Request(end + 1, answer)
    }
}

impl Clerk {
    fn understand(&self, line: &[u8]) -> Result<Box<dyn Answer>, (&'static str, String)> {
        let bad = |why: String| ("bad_request", why);
        let request: Request =
            serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
        if request.v.is_some_and(|version| version != VERSION) {
            return Err(("version", format!("this daemon speaks version {VERSION}")));
        }
        match (request.get, request.r#do, request.name) {
            (Some(Subject::Peer), None, Some(name)) => {
                Ok(Box::new(Find { name, next: 0, found: 0 }))
            }
            (Some(Subject::Peer), None, None) => Err(bad("`name` is missing".to_owned())),
            (_, _, Some(_)) => Err(bad("`name` goes with \"get\":\"peer\" only".to_owned())),
            (Some(Subject::Peers), None, None) => Ok(Box::new(List::new(false))),
            (Some(Subject::Peerstats), None, None) => Ok(Box::new(List::new(true))),
            (Some(subject), None, None) => Ok(Box::new(One(subject))),
            (None, Some(_), None) if !self.may_change => {
                let why = "only root and the daemon's own user may change something";
                Err(("denied", why.to_owned()))
            }
            (None, Some(action), None) => Ok(Box::new(Act(action))),
            _ => Err(bad("one of `get` and `do` is needed".to_owned())),
        }
    }
}

/// The line that refuses.
fn refusal(code: &str, why: &str) -> String {
    let failure = Failure { code: code.to_owned(), error: why.to_owned() };
    let body = serde_json::to_string(&failure).unwrap_or_default();
    format!("{{\"v\":{VERSION},\"ok\":false,{}\n", body.strip_prefix('{').unwrap_or("}"))
}

/// Appends the beginning of an answer about `name`, up to its value.
fn begin(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(format!("{{\"v\":{VERSION},\"ok\":true,\"{name}\":").as_bytes());
}

/// Appends a value.
fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory does not fail, and none of our types has a part that JSON lacks.
    let _ = serde_json::to_writer(out, value);
}

/// An answer that stands already.
struct Said(String);

impl Answer for Said {
    fn write(&mut self, _: &House<'_>, out: &mut Vec<u8>) -> Step {
        out.extend_from_slice(self.0.as_bytes());
        Step::Done
    }
}

/// An answer in one piece.
struct One(Subject);

impl Answer for One {
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step {
        match self.0 {
            Subject::Cluster => {
                begin(out, "cluster");
                put(out, &house.cluster());
            }
            Subject::Stats => {
                begin(out, "stats");
                put(out, &house.stats());
            }
            Subject::Events => {
                begin(out, "events");
                put(out, &house.events().events);
            }
            Subject::Histogram => {
                begin(out, "histogram");
                put(out, &house.histogram());
            }
            _ => {
                begin(out, "tracking");
                put(out, &house.tracking());
            }
        }
        out.extend_from_slice(b"}\n");
        Step::Done
    }
}

/// All members, some at a time.
struct List {
    stats: bool,
    next: Option<u32>,
    begun: bool,
}

impl List {
    fn new(stats: bool) -> Self {
        Self { stats, next: Some(0), begun: false }
    }
}

impl Answer for List {
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step {
        let Some(from) = self.next else {
            out.extend_from_slice(b"]}\n");
            return Step::Done;
        };
        if from == 0 {
            begin(out, if self.stats { "peerstats" } else { "peers" });
            out.push(b'[');
        }
        let page = house.scene.core.peers(house.scene.moment.local, from, PIECE);
        for peer in &page.peers {
            if std::mem::replace(&mut self.begun, true) {
                out.push(b',');
            }
            if self.stats {
                put(out, &house.member_stats(peer));
            } else {
                put(out, &house.member(peer));
            }
        }
        self.next = page.next;
        Step::More
    }
}

/// One member by name, and who else is called so.
struct Find {
    name: String,
    next: u32,
    found: usize,
}

impl Find {
    fn tell(&mut self, house: &House<'_>, peer: &Peer, out: &mut Vec<u8>) {
        self.found += 1;
        match self.found {
            1 => {
                begin(out, "peer");
                put(out, &house.member(peer));
                out.extend_from_slice(b",\"peerstats\":");
                put(out, &house.member_stats(peer));
                out.extend_from_slice(b",\"others\":[");
            }
            2.. if self.found <= MOST_NAMESAKES + 1 => {
                if self.found > 2 {
                    out.push(b',');
                }
                put(out, &named(&peer.who));
            }
            _ => {}
        }
    }

    fn end(&self, out: &mut Vec<u8>) -> Step {
        if self.found == 0 {
            let why = format!("no member is called {:?}", self.name);
            out.extend_from_slice(refusal("unknown_peer", &why).as_bytes());
        } else {
            out.extend_from_slice(format!("],\"meant\":{}}}\n", self.found).as_bytes());
        }
        Step::Done
    }
}

impl Answer for Find {
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step {
        let page = house.scene.core.peers(house.scene.moment.local, self.next, SEARCH);
        for peer in &page.peers {
            if !is_meant(peer, &self.name) {
                continue;
            }
            self.tell(house, peer, out);
            // An identity is nobody else's, and there may be very many to look at.
            if peer.who.id.to_string() == self.name {
                return self.end(out);
            }
        }
        match page.next {
            Some(next) => {
                self.next = next;
                Step::More
            }
            None => self.end(out),
        }
    }
}

/// Something that is to be done.
struct Act(Action);

impl Answer for Act {
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step {
        let own = house.scene.core.tracking(house.scene.moment.local);
        let role = own.as_ref().map(|own| own.role);
        let refused = match self.0 {
            Action::Makestep if own.as_ref().and_then(|own| own.remaining).is_none() => {
                Some("cluster time is not known yet: there is nothing to step to")
            }
            Action::Resign if role != Some(Role::Master) => Some("this node is not the master"),
            _ => None,
        };
        if let Some(why) = refused {
            out.extend_from_slice(refusal("not_now", why).as_bytes());
            return Step::Done;
        }
        let (name, wish) = match self.0 {
            Action::Makestep => ("makestep", Wish::Order(Order::MakeStep)),
            Action::Resign => ("resign", Wish::Order(Order::Resign)),
            Action::Reload => ("reload", Wish::Reload),
        };
        begin(out, name);
        match own.and_then(|own| own.remaining).filter(|_| self.0 == Action::Makestep) {
            Some(by) => put(out, &serde_json::json!({ "by_s": by.as_secs_f64() })),
            None => out.extend_from_slice(b"{}"),
        }
        out.extend_from_slice(b"}\n");
        Step::Wish(wish)
    }
}
