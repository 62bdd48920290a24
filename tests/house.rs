//! The order of the house: who may import whom, what the core must not touch, where `unsafe` may
//! stand, and how long a file may be. Read from the sources' tokens, so that comments and strings
//! do not count. The lexer is our own: with `proc-macro2` among our dependencies, cargo builds
//! the derive macros and all that stands on them a second time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// A part of the house: a room, or a corner of one with rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Time,
    Wire,
    Units,
    /// `clock::Discipline` and what it speaks of: pure, and all that `proto` may see of `clock`.
    Discipline,
    /// The trait, the virtual clock, the kernel's arithmetic: pure too.
    Clock,
    /// The rest of `clock`: the clocks of the machine.
    Machine,
    Proto,
    Sim,
    Net,
    Os,
    Report,
    /// What others read of a node.
    Outlet,
    Cli,
    /// `lib.rs` and `main.rs`: the doors, which see everything.
    Door,
}

use Part::{
    Cli, Clock, Discipline, Door, Machine, Net, Os, Outlet, Proto, Report, Sim, Time, Units, Wire,
};

impl Part {
    /// What it may import besides itself. `None`: anything.
    const fn may_import(self) -> Option<&'static [Part]> {
        match self {
            Time => Some(&[]),
            Wire | Units | Discipline | Report | Os => Some(&[Time]),
            Clock => Some(&[Time, Discipline]),
            Machine => Some(&[Time, Discipline, Clock, Os]),
            Proto => Some(&[Time, Wire, Discipline]),
            Sim => Some(&[Time, Wire, Units, Discipline, Clock, Proto]),
            Net => Some(&[Time, Wire, Discipline, Clock, Machine, Os, Proto]),
            Outlet => Some(&[Time, Wire, Proto, Net, Os, Report]),
            Cli | Door => None,
        }
    }

    /// Whether its doings must follow from its arguments alone.
    const fn is_core(self) -> bool {
        matches!(self, Time | Wire | Units | Discipline | Clock | Proto | Sim)
    }

    /// The part that a file of `src` belongs to; `None` for a room that is not in the plan.
    fn of_file(file: &str) -> Option<Self> {
        let path = file.strip_prefix("src/")?.trim_end_matches(".rs");
        Some(match path.split('/').next()? {
            "lib" | "main" => Door,
            "clock" => match path {
                "clock/discipline" => Discipline,
                "clock/virtual_clock" | "clock/kernel_rate" => Clock,
                _ => Machine,
            },
            room => Self::of_room(room)?,
        })
    }

    fn of_room(room: &str) -> Option<Self> {
        let rooms = [
            ("time", Time),
            ("wire", Wire),
            ("units", Units),
            ("proto", Proto),
            ("sim", Sim),
            ("net", Net),
            ("os", Os),
            ("report", Report),
            ("outlet", Outlet),
            ("cli", Cli),
        ];
        rooms.into_iter().find(|(name, _)| *name == room).map(|(_, part)| part)
    }

    /// The part that a path from the root of the crate leads to.
    fn of_path(path: &[String]) -> Option<Self> {
        let second = path.get(1).map_or("", String::as_str);
        match path.first()?.as_str() {
            "clock" => Some(match second {
                // The module alone says nothing; what is taken from it is looked at where it is.
                "" | "Adjustment" | "Discipline" | "Limits" | "Quality" | "Target"
                | "discipline" => Discipline,
                "Clock" | "ClockError" | "Interference" | "KernelRate" | "VirtualClock"
                | "kernel_rate" | "virtual_clock" => Clock,
                _ => Machine,
            }),
            room => Self::of_room(room),
        }
    }
}

/// What the core must not touch: another run with the same arguments would do something else.
const IMPURE: &[&str] = &[
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
    "std::env",
    "std::fs",
    "std::hash::RandomState",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "getrandom",
    "libc",
    "mio",
    "signal_hook",
    "socket2",
];
const NOISY: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Lines of code a file may have: what is left without tests, comments and blank lines.
const MOST_LINES: usize = 400;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// A word or a sign of a source; comments and literals are left out, but for a [`LITERAL`] in the
/// place of each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

const LITERAL: &str = "\"";

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Cuts a source into tokens.
struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn tokens(source: &'a str) -> Vec<Token> {
        let mut lexer = Self { rest: source, line: 1, tokens: Vec::new() };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        lexer.tokens
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn push(&mut self, line: usize, text: &str) {
        self.tokens.push(Token { line, text: text.to_owned() });
    }

    fn step(&mut self) {
        let (line, rest) = (self.line, self.rest);
        let first = rest.chars().next().expect("there is a rest");
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.take(block_comment(rest));
        } else if let Some(length) = string(rest) {
            self.take(length);
            self.push(line, LITERAL);
        } else if first == '\'' {
            let length = character(rest);
            self.take(length.unwrap_or(1));
            // The name of a lifetime, which follows, does no harm.
            self.push(line, if length.is_some() { LITERAL } else { "'" });
        } else if first.is_numeric() {
            self.take(word);
            self.push(line, LITERAL);
        } else if word > 0 {
            self.take(if rest.starts_with("r#") { 2 } else { 0 });
            let rest = self.rest;
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = self.take(end);
            self.push(line, word);
        } else {
            let sign = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            let sign = self.take(sign);
            if !first.is_whitespace() {
                self.push(line, sign);
            }
        }
    }
}

/// The length of the comment that `text` begins with; such comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the string of any kind that `text` begins with, if it does.
fn string(text: &str) -> Option<usize> {
    let prefixes = ["", "b", "c", "r", "br", "cr"];
    let begins = |prefix: &&&str| {
        let rest = text.strip_prefix(**prefix);
        let rest = rest
            .map(|rest| if prefix.ends_with('r') { rest.trim_start_matches('#') } else { rest });
        rest.is_some_and(|rest| rest.starts_with('"'))
    };
    let prefix = prefixes.iter().find(begins)?;
    let open = text.find('"')? + 1;
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(open - 1 - prefix.len()));
        return Some(text[open..].find(&close).map_or(text.len(), |end| open + end + close.len()));
    }
    let mut escaped = false;
    let end = text[open..].find(|c| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    Some(end.map_or(text.len(), |end| open + end + 1))
}

/// The length of the character that `text` begins with; `None` where it is a lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        return inside[2..].find('\'').map(|end| end + 4);
    }
    inside[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

/// A path as it stands in the source, and where.
#[derive(Debug, Clone)]
struct Found {
    line: usize,
    /// From the root of the crate where `ours`, else from the name of another crate.
    path: Vec<String>,
    ours: bool,
}

/// Reads one file.
struct Reader<'a> {
    file: &'a str,
    tokens: Vec<Token>,
    /// The module that is being read, from the root of the crate.
    module: Vec<String>,
    /// What names stand for by the file's `use` lines.
    names: BTreeMap<String, Found>,
    paths: Vec<Found>,
    macros: Vec<(usize, String)>,
    unsafes: Vec<usize>,
    /// First and last lines of what is compiled for tests only.
    tests: Vec<(usize, usize)>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, source: &str) -> Self {
        let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<_> = inner.split('/').map(str::to_owned).collect();
        if let Some("mod" | "lib" | "main") = module.last().map(String::as_str) {
            module.pop();
        }
        // `#[path]` hangs a file of tests below the file that it tests.
        if let Some(tested) = module.last().and_then(|name| name.strip_suffix("_tests")) {
            let tested = tested.to_owned();
            module.pop();
            module.extend([tested, "tests".to_owned()]);
        }
        Self {
            file,
            tokens: Lexer::tokens(source),
            module,
            names: BTreeMap::new(),
            paths: Vec::new(),
            macros: Vec::new(),
            unsafes: Vec::new(),
            tests: Vec::new(),
        }
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(usize::MAX, |token| token.line)
    }

    fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(Token::is_word)
    }

    /// Where the brackets that open at `at` are closed.
    fn closing(&self, at: usize) -> usize {
        let mut depth = 0;
        for (here, token) in self.tokens.iter().enumerate().skip(at) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return here;
            }
        }
        self.tokens.len()
    }

    /// Reads the tokens from `at` to `end`.
    fn read(&mut self, mut at: usize, end: usize) {
        while at < end {
            at = self.step(at);
        }
    }

    /// Reads what begins at `at`; returns where the next begins.
    fn step(&mut self, at: usize) -> usize {
        // A field or a method; but not what follows the dots of a range.
        let member = at > 0 && self.text(at - 1) == "." && (at < 2 || self.text(at - 2) != ".");
        match self.text(at) {
            "#" => self.attribute(at),
            _ if member || !self.is_word(at) => at + 1,
            "unsafe" => {
                self.unsafes.push(self.line(at));
                at + 1
            }
            // Not the `use<…>` of a bound.
            "use" if self.text(at + 1) != "<" => self.import(at + 1),
            "mod" if self.text(at + 2) == "{" => {
                let end = self.closing(at + 2);
                self.module.push(self.text(at + 1).to_owned());
                self.read(at + 3, end);
                self.module.pop();
                end + 1
            }
            _ => self.path(at),
        }
    }

    /// An attribute; where it is `#[cfg(test)]`, notes how far the item below it goes.
    fn attribute(&mut self, at: usize) -> usize {
        let test = ["#", "[", "cfg", "(", "test", ")", "]"];
        if test.iter().zip(at..).all(|(text, at)| self.text(at) == *text) {
            let mut last = at + test.len();
            while last < self.tokens.len() && ![";", "{"].contains(&self.text(last)) {
                last =
                    if ["(", "["].contains(&self.text(last)) { self.closing(last) } else { last }
                        + 1;
            }
            self.tests.push((self.line(at), self.line(self.closing(last))));
        }
        at + 1
    }

    /// A path such as `crate::time::Span`, `super::Drop` or `std::env::var`.
    fn path(&mut self, at: usize) -> usize {
        let rooted = at > 0 && self.text(at - 1) == "::";
        let after_type = rooted && at > 1 && (self.text(at - 2) == ">" || self.is_word(at - 2));
        let mut segments = vec![self.text(at).to_owned()];
        let mut end = at + 1;
        while self.text(end) == "::" && self.is_word(end + 1) {
            segments.push(self.text(end + 1).to_owned());
            end += 2;
        }
        if self.text(end) == "!" && self.text(end + 1) != "=" {
            self.macros.push((self.line(at), segments[segments.len() - 1].clone()));
        }
        if !after_type && segments.len() > 1 {
            self.note(self.line(at), segments, rooted);
        }
        end
    }

    /// A `use` line, the tree from `at` to the semicolon.
    fn import(&mut self, at: usize) -> usize {
        let rooted = self.text(at) == "::";
        self.branch(at + usize::from(rooted), &[], rooted)
    }

    /// One branch of a `use` tree; returns where it ends.
    fn branch(&mut self, begin: usize, before: &[String], rooted: bool) -> usize {
        let mut path = before.to_vec();
        let mut at = begin;
        while self.is_word(at) && self.text(at) != "as" {
            path.push(self.text(at).to_owned());
            at += 1 + usize::from(self.text(at + 1) == "::");
        }
        if self.text(at) == "{" {
            let end = self.closing(at);
            at += 1;
            while at < end {
                at = self.branch(at, &path, rooted) + 1;
            }
            return end + 1;
        }
        if self.text(at) == "*" {
            path.push("*".to_owned());
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut alias = path.last().cloned().unwrap_or_default();
        if self.text(at) == "as" {
            alias = self.text(at + 1).to_owned();
            at += 2;
        }
        let found = self.note(self.line(begin), path, rooted);
        self.names.insert(alias, found);
        at
    }

    /// Resolves a path and keeps it.
    fn note(&mut self, line: usize, mut path: Vec<String>, rooted: bool) -> Found {
        let mut ours = false;
        if !rooted {
            let mut module = self.module.clone();
            while let Some("self" | "super" | "crate") = path.first().map(String::as_str) {
                match path.remove(0).as_str() {
                    "super" => drop(module.pop()),
                    "crate" => module.clear(),
                    _ => {}
                }
                ours = true;
            }
            if ours {
                path.splice(0..0, module);
            } else if let Some(name) = path.first().and_then(|first| self.names.get(first)) {
                ours = name.ours;
                path.splice(0..1, name.path.clone());
            }
        }
        let found = Found { line, path, ours };
        self.paths.push(found.clone());
        found
    }

    fn violation(&self, line: usize, rule: String) -> Violation {
        Violation { file: self.file.to_owned(), line, rule }
    }

    fn judge(&self, part: Part, source: &str) -> Vec<Violation> {
        let mut found = self.upward(part);
        if part.is_core() {
            found.extend(self.impure(part));
        }
        if part != Os {
            let rule = "unsafe stands in src/os.rs and src/os/ only";
            found.extend(self.unsafes.iter().map(|&line| self.violation(line, rule.to_owned())));
        }
        let code = source.lines().zip(1..).filter(|&(text, line)| {
            let tested = self.tests.iter().any(|&(from, to)| (from..=to).contains(&line));
            !tested && !text.trim().is_empty() && !text.trim_start().starts_with("//")
        });
        let code = code.map(|(_, line)| line).collect::<Vec<_>>();
        if let Some(&line) = code.get(MOST_LINES) {
            let rule = format!("{} lines of code, at most {MOST_LINES} are allowed", code.len());
            found.push(self.violation(line, rule));
        }
        found.sort();
        found.dedup();
        found
    }

    fn upward(&self, part: Part) -> Vec<Violation> {
        let Some(allowed) = part.may_import() else { return Vec::new() };
        let inside = self.module.first();
        let mut found = Vec::new();
        for Found { line, path, .. } in self.paths.iter().filter(|found| found.ours) {
            // The door of `clock` shows all that the room has.
            if self.file == "src/clock/mod.rs" && path.first() == inside {
                continue;
            }
            let path_text = path.join("::");
            match Part::of_path(path) {
                Some(to) if to == part || allowed.contains(&to) => {}
                Some(to) => found.push(self.violation(
                    *line,
                    format!("{part:?} may import {allowed:?}, not {to:?} (crate::{path_text})"),
                )),
                None => found.push(self.violation(
                    *line,
                    format!("crate::{path_text} is in no room that tests/house.rs knows"),
                )),
            }
        }
        found
    }

    fn impure(&self, part: Part) -> Vec<Violation> {
        let mut found = Vec::new();
        for Found { line, path, .. } in self.paths.iter().filter(|found| !found.ours) {
            let text = path.join("::").replacen("core::", "std::", 1);
            let touches = |impure: &&&str| match text.strip_suffix('*') {
                // Everything of a module that holds something impure.
                Some(module) => {
                    impure.starts_with(module) || text.starts_with(&format!("{impure}::"))
                }
                None => text == **impure || text.starts_with(&format!("{impure}::")),
            };
            if let Some(impure) = IMPURE.iter().find(touches) {
                found.push(self.violation(*line, format!("{part:?} must not touch {impure}")));
            }
        }
        for (line, name) in &self.macros {
            if NOISY.contains(&name.as_str()) {
                found.push(self.violation(*line, format!("{part:?} must not {name}!")));
            }
        }
        found
    }
}

/// What is wrong with one file.
fn inspect(file: &str, source: &str) -> Vec<Violation> {
    let mut reader = Reader::new(file, source);
    let Some(part) = Part::of_file(file) else {
        return vec![reader.violation(1, "is in no room that tests/house.rs knows".to_owned())];
    };
    reader.read(0, reader.tokens.len());
    reader.judge(part, source)
}

/// All sources below `dir`, with their paths from the root of the package.
fn sources(dir: &Path, out: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the package");
            let source = fs::read_to_string(&path).expect("a source is UTF-8");
            out.push((file.to_string_lossy().into_owned(), source));
        }
    }
}

#[test]
fn the_house_is_in_order() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    let found: Vec<_> = files.iter().flat_map(|(file, text)| inspect(file, text)).collect();
    let list: String = found.iter().map(|violation| format!("  {violation}\n")).collect();
    assert!(found.is_empty(), "{} violations:\n{list}", found.len());
}

/// What `inspect` says, one line each.
fn said(file: &str, source: &str) -> String {
    inspect(file, source).iter().map(|violation| format!("{violation}\n")).collect()
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    let upward = [
        ("src/time.rs", "use crate::wire::NodeId;", "not Wire"),
        ("src/wire/poll.rs", "use crate::proto::Event;", "not Proto"),
        ("src/wire/poll.rs", "use super::super::proto::Event;", "not Proto"),
        ("src/wire/mod.rs", "use super::net;", "not Net"),
        ("src/wire/poll.rs", "fn f() -> u8 { crate::net::port() }", "not Net"),
        ("src/wire/poll.rs", "mod inner { use super::super::super::sim::World; }", "not Sim"),
        ("src/proto/track.rs", "use crate::{time::Span, net::{self, Node}};", "not Net"),
        ("src/proto/track.rs", "use crate::clock::{Limits, SystemClock};", "not Machine"),
        ("src/proto/track.rs", "use crate::clock::VirtualClock;", "not Clock"),
        ("src/proto/track.rs", "use crate::clock::*;", "not Machine"),
        ("src/proto/track.rs", "use crate::clock; fn f(_: clock::SystemClock) {}", "not Machine"),
        ("src/proto/track.rs", "use crate as all; fn f(_: all::net::Node) {}", "not Net"),
        ("src/proto/track.rs", "fn f() { say!(crate::report::Book) }", "not Report"),
        ("src/proto/track.rs", "use crate::outlet::Ledger;", "not Outlet"),
        ("src/net/node.rs", "use crate::outlet::Outlet;", "not Outlet"),
        ("src/outlet/desk.rs", "use crate::clock::Clock;", "not Clock"),
        ("src/outlet/desk.rs", "use crate::cli::run;", "not Cli"),
        ("src/proto/track.rs", "use crate::cellar::Page;", "no room"),
        ("src/clock/discipline.rs", "use super::SystemClock;", "not Machine"),
        ("src/clock/discipline.rs", "use super::system::KernelRate;", "not Machine"),
        ("src/clock/virtual_clock.rs", "use crate::os;", "not Os"),
        ("src/clock/system.rs", "use crate::proto::Event;", "not Proto"),
        ("src/sim/world.rs", "use crate::net::Node;", "not Net"),
        ("src/net/node.rs", "use crate::sim::World;", "not Sim"),
        ("src/net/node_tests.rs", "use super::super::super::sim::World;", "not Sim"),
        ("src/net/node.rs", "use crate::report::Book;", "not Report"),
        ("src/report/book.rs", "pub(crate) use crate::wire::NodeId as Id;", "not Wire"),
        ("src/os/clocks.rs", "type T = crate::clock::Raw;", "not Machine"),
        ("src/cellar/page.rs", "", "no room"),
    ];
    for (file, source, what) in upward {
        let said = said(file, source);
        assert!(said.contains(what), "{file}: {source}\nsaid {said:?}, not {what:?}");
        assert!(said.starts_with(&format!("{file}:1: ")), "{said}");
    }
}

#[test]
fn what_the_core_must_not_touch_is_found() {
    let impure = [
        "use std::time::Instant;",
        "use std::{time::{Duration, SystemTime}};",
        "use std::time; fn f() { time::Instant::now(); }",
        "use std::time::*;",
        "use std as s; fn f() { s::thread::yield_now() }",
        "fn f() { let t = ::std::time::SystemTime::now(); }",
        "fn f() { std::env::var(\"X\").ok(); }",
        "fn f() -> Vec<u8> { vec![std::fs::read(\"x\")] }",
        "use std::net::{SocketAddr, UdpSocket};",
        "type T = std::collections::HashMap<u8, u8>;",
        "use std::collections::{BTreeMap, hash_map::Entry};",
        "fn f() { println!(\"{}\", 1) }",
        "fn f() { std::eprintln!(\"x\") }",
        "fn f() { libc::getpid(); }",
        "fn f() -> impl Fn() + use<> { || std::thread::yield_now() }",
    ];
    for source in impure {
        for file in ["src/proto/track.rs", "src/wire/poll.rs", "src/sim/world.rs"] {
            assert!(said(file, source).contains("must not"), "{file}: {source}");
        }
        assert_eq!(said("src/net/node.rs", source), "", "{source}");
    }
}

#[test]
fn what_is_allowed_or_only_written_about_is_not_found() {
    let innocent = [
        "use std::net::{IpAddr, SocketAddr}; use std::collections::BTreeMap;",
        "use std::time::Duration; use std::io::{self, Write};",
        "//! [`crate::net`] use crate::net::Node;\n/* unsafe std::env */ fn f() {}",
        "/// [`crate::sim::World`], `unsafe` and println!\nfn f() {}",
        "const S: &str = \"crate::net::Node unsafe std::env::var println!()\";",
        "const S: &str = r#\"use \" crate::net::Node; \"#; const B: &[u8] = b\"\\\" unsafe\";",
        "/* one /* two */ use crate::net::Node; */ fn r#unsafe_() -> char { '\"' }",
        "fn f(c: char) -> bool { c == '\\'' || c == '\\u{22}' } // unsafe \"",
        "use crate::time::{self, Span}; fn f(_: time::Offset) {}",
        "use super::event::Event; use super::super::time::Span; fn f(_: super::Drop) {}",
        "use crate::clock::{Adjustment, Discipline, Limits, Quality, Target};",
        "fn f(world: W) -> u8 { world.net.env.fs }",
        "fn net() {} fn f() { Self::env(); <u8 as From<bool>>::std(true); net() }",
        "fn f() -> impl Fn() + use<> { || () } fn g() { net::f() }",
        "mod tests { use super::*; use super::super::Core; use crate::proto::Stamp; }",
        "fn f<'a>(a: &'a u8) -> bool { *a != b'!' }",
    ];
    for source in innocent {
        assert_eq!(said("src/proto/track.rs", source), "", "{source}");
    }
    let door =
        "mod system; pub use system::SystemClock; use self::system::Raw; use crate::time::Span;";
    assert_eq!(said("src/clock/mod.rs", door), "");
    assert_eq!(said("src/cli/demo.rs", "use crate::{sim, net, os}; use std::env;"), "");
}

#[test]
fn unsafe_stands_in_one_room() {
    let source = "fn f() {\n    unsafe { g() }\n}";
    assert_eq!(said("src/os.rs", source), "");
    assert_eq!(said("src/os/stamps.rs", source), "");
    assert!(said("src/net/node.rs", source).starts_with("src/net/node.rs:2: unsafe stands"));
    assert!(said("src/cli/mod.rs", "unsafe impl Send for X {}").contains("unsafe stands"));
}

#[test]
fn a_long_file_is_found_and_comments_and_tests_do_not_count() {
    let code = "fn f() {}\n".repeat(MOST_LINES);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
    let padded = format!("//! What it is.\n\n{tests}{code}// The end.\n#[cfg(test)]\nmod more;\n");
    assert_eq!(said("src/net/node.rs", &padded), "");
    let long = said("src/net/node.rs", &format!("{padded}fn g() {{}}\n"));
    let line = padded.lines().count() + 1;
    assert_eq!(
        long,
        format!("src/net/node.rs:{line}: 401 lines of code, at most 400 are allowed\n")
    );
}
