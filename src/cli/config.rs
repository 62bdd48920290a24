//! The configuration file: every flag of master and slave, as TOML.
//!
//! There is no second list of what can be set. The file's entries become arguments, put before
//! those that were typed, and clap judges them like any others; an entry gives way where the flag
//! was typed or its variable is set. So a flag that is added tomorrow can stand in the file, with
//! the same limits and the same words.

use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};
use toml::de::{DeTable, DeValue};

use super::failure::{Failure, one_line};
use super::usage;

/// The commands that a file is for.
pub(super) const ROLES: [&str; 2] = ["master", "slave"];
/// Flags that say something about this one start, and have no place in the file.
const OUTSIDE: [&str; 4] = ["config", "print-config", "help", "version"];
/// No configuration is longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// What of the command line is about the file.
#[derive(Debug, Clone, Args)]
#[allow(dead_code, reason = "read from clap's matches, before the rest is understood")]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigFlags {
    /// Read flags from this TOML file, as in interval = "250ms"; what is typed and what stands in
    /// the environment wins over it
    #[arg(long, env = "CAMPANILE_CONFIG", value_name = "FILE.toml")]
    pub(super) config: Option<PathBuf>,

    /// Print what is in force, from whatever source, as such a file, and end
    #[arg(long, env = "CAMPANILE_PRINT_CONFIG",
          value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) print_config: bool,
}

/// One entry of a file: a flag with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    flag: String,
    values: Vec<String>,
    /// Line and column of the value, from 1.
    at: (usize, usize),
    /// The section that it stands in; none at the top.
    section: Option<&'static str>,
}

/// A file that was read: what it says, where.
#[derive(Debug, Clone)]
pub(super) struct Config {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Config {
    /// Reads a file and checks its keys; its values are judged with the command line.
    ///
    /// # Errors
    /// One line that names the file, the line and the column, and what is allowed.
    pub(super) fn read(path: &Path, whole: &Command) -> Result<Self, Failure> {
        let name = path.display();
        let refused = |why: String| Failure::input(format!("--config {name}: {why}"));
        let length = fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
        if length > LONGEST {
            return Err(refused(format!("longer than {LONGEST} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        Self::parse(&text, path, whole)
    }

    /// What stands in `text`, which errors call `path`.
    fn parse(text: &str, path: &Path, whole: &Command) -> Result<Self, Failure> {
        let entries = entries(text, whole).map_err(|(why, span)| {
            let (line, column) = span.map_or((1, 1), |span| place(text, span.start));
            Failure::input(format!("{}:{line}:{column}: {why}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), entries })
    }

    /// What of it a command takes: what stands under its name, and what stands at the top where
    /// the command has such a flag and its section does not say otherwise.
    fn of<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a Entry> {
        let own = command.get_name();
        let says =
            move |flag: &str| self.entries.iter().any(|e| e.section == Some(own) && e.flag == flag);
        self.entries.iter().filter(move |entry| match entry.section {
            Some(section) => section == own,
            None => has(command, &entry.flag) && !says(&entry.flag),
        })
    }

    /// The arguments that stand for it.
    fn arguments<'a>(
        &'a self,
        command: &'a Command,
        gives_way: impl Fn(&Arg) -> bool,
    ) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for entry in self.of(command) {
            let Some(arg) = flags(command).find(|arg| is_called(arg, &entry.flag)) else {
                continue;
            };
            if !gives_way(arg) {
                arguments.extend(entry.arguments(arg));
            }
        }
        arguments
    }

    /// Why the daemon of this role would not start with it, where the file is to blame: together
    /// with the environment, as it would be then.
    fn refusal(&self, whole: &Command, role: &str) -> Option<String> {
        let command = whole.find_subcommand(role)?;
        let mut args: Vec<OsString> = vec![whole.get_name().into(), role.into()];
        args.extend(self.arguments(command, is_set));
        // An environment that is wrong itself says nothing of the file.
        let matches = whole.clone().try_get_matches_from(&args);
        let matches = matches.or_else(|_| bare(whole).try_get_matches_from(&args)).ok()?;
        let why = super::check_start(&matches).err()?;
        let flag = why.text().split([' ', ':']).next().unwrap_or_default();
        let set = |arg: &&Arg| is_called(arg, flag.trim_start_matches("--")) && is_set(arg);
        if flags(command).any(|arg| set(&arg)) {
            return None;
        }
        let place = self.place_of(command, flag)?;
        Some(one_line(&format!("{place}: {}", why.text())))
    }

    /// Where the entry of a flag stands, as `FILE:LINE:COLUMN`.
    pub(super) fn place_of(&self, command: &Command, flag: &str) -> Option<String> {
        let entry = self.of(command).find(|entry| format!("--{}", entry.flag) == flag)?;
        let (line, column) = entry.at;
        Some(format!("{}:{line}:{column}", self.path.display()))
    }
}

impl Entry {
    fn arguments(&self, arg: &Arg) -> Vec<OsString> {
        let flag = format!("--{}", self.flag);
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            return match self.values.as_slice() {
                [value] if value == "true" => vec![flag.into()],
                // Nothing but `false` was let in.
                _ => Vec::new(),
            };
        }
        self.values.iter().map(|value| format!("{flag}={value}").into()).collect()
    }
}

/// The command line with what its configuration file says, where it names one.
///
/// # Errors
/// Where the file cannot be read, or has a key that there is not.
pub(super) fn complete(
    args: Vec<OsString>,
    whole: &Command,
) -> Result<(Vec<OsString>, Option<Config>), Failure> {
    let role = args.get(1).filter(|name| ROLES.iter().any(|role| *name == role));
    let command = role.and_then(|name| whole.find_subcommand(name));
    let Some((command, path)) = command.and_then(|c| Some((c, asked(&args, c)?))) else {
        return Ok((args, None));
    };
    let config = Config::read(&path, whole)?;
    let from_file = config.arguments(command, |arg| is_typed(&args, arg) || is_set(arg));
    let mut all = args;
    all.splice(2..2, from_file);
    Ok((all, Some(config)))
}

/// The file that the command line or the environment names. A wrong use of the flag is clap's
/// affair.
fn asked(args: &[OsString], command: &Command) -> Option<PathBuf> {
    let mut typed = args.iter().skip(2).map(|arg| arg.to_string_lossy());
    while let Some(arg) = typed.next() {
        if let Some(path) = arg.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
        if arg == "--config" {
            return typed.next().map(|path| PathBuf::from(&*path));
        }
    }
    let arg = flags(command).find(|arg| is_called(arg, "config"))?;
    variable(arg).filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "whether a flag's own variable wins over the file")]
fn variable(arg: &Arg) -> Option<OsString> {
    arg.get_env().and_then(std::env::var_os)
}

fn is_set(arg: &Arg) -> bool {
    variable(arg).is_some()
}

fn is_typed(args: &[OsString], arg: &Arg) -> bool {
    let long = arg.get_long().map(|long| format!("--{long}"));
    args.iter().skip(2).map(|given| given.to_string_lossy()).any(|given| {
        let flag = given.split('=').next().unwrap_or(&given);
        let short = given.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        long.as_deref() == Some(flag)
            || short.zip(arg.get_short()).is_some_and(|(rest, c)| rest.contains(c))
    })
}

/// The flags of a command that can stand in the file, and those that name it.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some())
}

/// The flags of a command that can stand in the file.
pub(super) fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    flags(command).filter(|arg| !OUTSIDE.contains(&arg.get_long().unwrap_or_default()))
}

fn is_called(arg: &Arg, long: &str) -> bool {
    arg.get_long() == Some(long)
}

fn has(command: &Command, flag: &str) -> bool {
    settable(command).any(|arg| is_called(arg, flag))
}

/// What is wrong, and which bytes it is about.
type Fault = (String, Option<Range<usize>>);

fn entries(text: &str, whole: &Command) -> Result<Vec<Entry>, Fault> {
    let table = DeTable::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (message, error.span())
    })?;
    let mut found = Vec::new();
    for (key, value) in table.get_ref() {
        let role = ROLES.into_iter().find(|role| *role == key.get_ref().as_ref());
        match (role, value.get_ref()) {
            // `[slave]` is a section; `slave = […]` is the flag of that name.
            (Some(role), DeValue::Table(section)) => {
                let command = whole.find_subcommand(role);
                for (key, value) in section {
                    let known: Vec<_> = command.into_iter().collect();
                    found.push(entry(text, key, value, Some(role), &known)?);
                }
            }
            _ => {
                let known: Vec<_> =
                    ROLES.iter().filter_map(|role| whole.find_subcommand(role)).collect();
                found.push(entry(text, key, value, None, &known)?);
            }
        }
    }
    Ok(found)
}

fn entry(
    text: &str,
    key: &toml::Spanned<std::borrow::Cow<'_, str>>,
    value: &toml::Spanned<DeValue<'_>>,
    section: Option<&'static str>,
    known: &[&Command],
) -> Result<Entry, Fault> {
    let flag = key.get_ref().to_string();
    if !known.iter().any(|command| has(command, &flag)) {
        return Err((unknown(&flag, section, known), Some(key.span())));
    }
    let values = match value.get_ref() {
        DeValue::Array(all) => all.iter().map(|one| scalar(one.get_ref())).collect(),
        one => scalar(one).map(|one| vec![one]),
    };
    let values = values.ok_or_else(|| {
        let allowed = "allowed is a string, a number, true, false, or a list of them";
        (format!("{flag}: {allowed}"), Some(value.span()))
    })?;
    let named = known.iter().flat_map(|command| flags(command)).find(|arg| is_called(arg, &flag));
    let switch = named.is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue));
    if switch && !matches!(values.as_slice(), [one] if one == "true" || one == "false") {
        let given = values.join(",").escape_debug().to_string();
        return Err((format!("--{flag} {given}: allowed is true or false"), Some(value.span())));
    }
    Ok(Entry { flag, values, at: place(text, value.span().start), section })
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// What is said of a key that there is not: what was meant, perhaps, and what there is.
fn unknown(flag: &str, section: Option<&'static str>, known: &[&Command]) -> String {
    let mut names: Vec<_> = known
        .iter()
        .flat_map(|command| settable(command))
        .filter_map(|arg| arg.get_long())
        .collect();
    names.sort_unstable();
    names.dedup();
    let place = section.map_or_else(String::new, |section| format!(" in [{section}]"));
    let sections = if section.is_none() { ", and the sections [master] and [slave]" } else { "" };
    format!(
        "{}: there is no such key{place}; allowed are {}{sections}",
        flag.escape_debug(),
        names.join(", ")
    )
}

/// Line and column of a byte, both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// Whether `--print-config` was given.
pub(super) fn is_asked_for(matches: &ArgMatches) -> bool {
    matches.try_get_one::<bool>("print_config").ok().flatten().copied().unwrap_or(false)
}

/// What is in force, as a file that says the same.
pub(super) fn effective(command: &Command, matches: &ArgMatches) -> String {
    let mut file = format!("[{}]\n", command.get_name());
    for arg in settable(command) {
        let long = arg.get_long().unwrap_or_default();
        let id = arg.get_id().as_str();
        let values: Vec<_> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "given",
            Some(ValueSource::EnvVariable) => "from the environment",
            _ => "default",
        };
        let line = match (arg.get_action(), values.as_slice()) {
            (_, []) => format!("# {long} is not set\n"),
            (ArgAction::SetTrue, _) => {
                format!("{long} = {}  # {source}\n", matches.get_flag(id))
            }
            (ArgAction::Append, all) => {
                let all: Vec<_> =
                    all.iter().flat_map(|v| v.split(',')).map(str::trim).map(quoted).collect();
                format!("{long} = [{}]  # {source}\n", all.join(", "))
            }
            (_, all) => format!("{long} = {}  # {source}\n", quoted(&all.join(","))),
        };
        file.push_str(&line);
    }
    file
}

fn quoted(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number.to_string() == value && number < 1 << 53 => value.to_owned(),
        _ => toml::Value::from(value).to_string(),
    }
}

/// What becomes of a file that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) settings: usize,
    /// The role that it is not for, where it is for one alone, and why.
    pub(super) unfit: Option<(&'static str, String)>,
}

/// Judges a file as both commands would at their start, up to where they open sockets or write.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn validate(path: &Path, whole: &Command) -> Result<Verdict, Failure> {
    let config = Config::read(path, whole).map_err(|why| match why {
        // Here it was not a flag that named the file.
        Failure::Input(text) => Failure::input(text.strip_prefix("--config ").unwrap_or(&text)),
        other => other,
    })?;
    judge(&config, whole)
}

/// The same for what stands in `text` alone, which errors call `path`: how many settings there are.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn validate_text(text: &str, path: &Path, whole: &Command) -> Result<usize, Failure> {
    let config = Config::parse(text, path, whole)?;
    understand(&config, whole)?;
    Ok(config.entries.len())
}

/// What stands in this environment is not the file's fault.
fn bare(whole: &Command) -> Command {
    whole.clone().mut_subcommands(|c| c.mut_args(|arg| arg.env(Resettable::Reset)))
}

fn understand(config: &Config, whole: &Command) -> Result<(), Failure> {
    let bare = bare(whole);
    for role in ROLES {
        let Some(command) = bare.find_subcommand(role) else { continue };
        let mut args: Vec<OsString> = vec![bare.get_name().into(), role.into()];
        args.extend(config.arguments(command, |_| false));
        if let Err(error) = bare.clone().try_get_matches_from(&args) {
            return Err(Failure::input(complaint(&error, command, &args, Some(config))));
        }
    }
    Ok(())
}

fn judge(config: &Config, whole: &Command) -> Result<Verdict, Failure> {
    understand(config, whole)?;
    let refusals = ROLES.map(|role| config.refusal(whole, role).map(|why| (role, why)));
    let all = refusals.iter().all(Option::is_some);
    let has_section = |role| config.entries.iter().any(|entry| entry.section == Some(role));
    // A section says for whom the file is; without one it may be for either.
    let any = !ROLES.into_iter().any(has_section);
    let to_blame = |(role, _): &&(&'static str, String)| has_section(role) || any && all;
    if let Some((_, why)) = refusals.iter().flatten().find(to_blame) {
        return Err(Failure::input(why));
    }
    let unfit = refusals.into_iter().flatten().next();
    Ok(Verdict { settings: config.entries.len(), unfit })
}

/// What clap has to say, with the place in the file where that is to blame.
pub(super) fn complaint(
    error: &clap::Error,
    command: &Command,
    args: &[OsString],
    config: Option<&Config>,
) -> String {
    let said = usage::complaint(error, command, args);
    let flag = usage::blamed(error);
    let place = config.zip(flag).and_then(|(config, flag)| config.place_of(command, &flag));
    place.map_or(said.clone(), |place| format!("{place}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Command {
        crate::cli::command()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    /// What is said of a file of this text.
    fn said(text: &str) -> String {
        match validate(file(text).path(), &whole()) {
            Ok(_) => String::new(),
            Err(why) => why.text().to_owned(),
        }
    }

    fn one_role(text: &str) -> Option<&'static str> {
        validate(file(text).path(), &whole()).unwrap().unfit.map(|(role, _)| role)
    }

    fn matches(role: &str, text: &str, typed: &[&str]) -> ArgMatches {
        let file = file(text);
        let path = file.path().to_str().unwrap();
        let args = ["campanile", role, "--config", path].into_iter().chain(typed.iter().copied());
        let args = args.map(OsString::from).collect();
        let (args, _) = complete(args, &whole()).unwrap();
        let matches = whole().try_get_matches_from(args).unwrap();
        matches.subcommand().unwrap().1.clone()
    }

    fn raw(matches: &ArgMatches, id: &str) -> Vec<String> {
        let values = matches.get_raw(id).into_iter().flatten();
        values.map(|value| value.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_flag_of_master_and_slave_can_stand_in_the_file() {
        let whole = whole();
        let mut tried = 0;
        for role in ROLES {
            let command = whole.find_subcommand(role).unwrap();
            for arg in settable(command) {
                let long = arg.get_long().unwrap();
                // A list where a list is nonsense, and a value of no kind: the key is known, and
                // what is wrong with the value is said with its place.
                let good = match arg.get_action() {
                    ArgAction::SetTrue => "true".to_owned(),
                    _ => {
                        let default = arg.get_default_values().first();
                        default.map_or_else(String::new, |v| quoted(&v.to_string_lossy()))
                    }
                };
                if !good.is_empty() {
                    let text = format!("[{role}]\n{long} = {good}\n");
                    // One flag may need another; then that is said, with the place.
                    let said = said(&text);
                    assert!(said.is_empty() || said.contains(":2:"), "{text}: {said}");
                }
                let text = format!("\n  {long} = 1979-05-27\n");
                let said = said(&text);
                assert!(
                    said.contains(&format!(":2:{}: {long}: allowed", 6 + long.len())),
                    "{said}"
                );
                tried += 1;
            }
        }
        assert!(tried > 40, "only {tried} flags were found");
    }

    #[test]
    fn what_is_typed_wins_and_a_section_wins_over_the_top() {
        let text = "interval = \"2s\"\nburst = 8\nslave = [\"a\", \"b:7\"]\njson = true\n";
        let master = matches("master", text, &["--burst=2"]);
        assert_eq!(raw(&master, "interval"), ["2s"]);
        assert_eq!(raw(&master, "burst"), ["2"]);
        assert_eq!(raw(&master, "slave"), ["a", "b:7"]);
        assert_eq!(raw(&master, "max_slew"), ["500ppm"]);
        assert!(master.get_flag("json") && !master.get_flag("quiet"));
        // Without the list, which would be a section twice.
        let text = "max-slew = \"200ppm\"\n[slave]\nmaster = \"rack-1\"\nmax-slew = \"100ppm\"\n";
        assert_eq!(raw(&matches("slave", text, &[]), "max_slew"), ["100ppm"]);
        assert_eq!(raw(&matches("master", text, &[]), "max_slew"), ["200ppm"]);
        assert_eq!(raw(&matches("slave", text, &["--master", "x"]), "master"), ["x"]);
        assert!(!matches("slave", "verbose = true", &["-qv"]).get_flag("json"));
    }

    #[test]
    fn blanks_around_commas_are_nothing() {
        let text = "slave = \"a, b:7\"\nallow = [\"10.0.0.3 , fe80::/10\"]\n";
        let master = matches("master", text, &["--reference", "x , rack 2", "--peer= c,d "]);
        let targets = |id: &str| -> Vec<String> {
            let all = master.get_many::<crate::cli::flags::Target>(id).unwrap();
            all.map(ToString::to_string).collect()
        };
        assert_eq!(
            (targets("slave"), targets("peer")),
            (vec!["a".into(), "b:7".into()], vec!["c".into(), "d".into()])
        );
        let names = master.get_many::<crate::wire::Name>("reference").unwrap();
        assert_eq!(names.map(ToString::to_string).collect::<Vec<_>>(), ["x", "rack 2"]);
        let whole = whole();
        let printed = effective(whole.find_subcommand("master").unwrap(), &master);
        assert!(printed.contains("slave = [\"a\", \"b:7\"]"), "{printed}");
        assert!(printed.contains("allow = [\"10.0.0.3\", \"fe80::/10\"]"), "{printed}");
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        for (text, parts) in [
            ("intervall = \"1s\"\n", &[":1:1: intervall: there is no such key", "interval, "][..]),
            ("\n[slave]\n  interval = \"1s\"\n", &[":3:3: interval", "in [slave]", "master"]),
            ("[masters]\n", &[":1:2: masters", "[master] and [slave]"]),
            ("config = \"x\"\n", &[":1:1: config"]),
            ("interval = 5\n", &[":1:12: --interval 5", "needs a unit", "50ms to 1h"]),
            ("x = \n", &[":1:"]),
            ("interval = [\"1s\", \"2s\"]\n", &[":1:12: --interval", "once"]),
            ("json = \"perhaps\"\n", &[":1:8: ", "--json"]),
            ("burst = { a = 1 }\n", &[":1:9: burst: allowed is a string"]),
            ("burst = 4\nburst = 5\n", &[":2:1"]),
        ] {
            let said = said(text);
            for part in parts {
                assert!(said.contains(part), "{text:?}: {part:?} is not in {said:?}");
            }
            assert!(!said.contains('\n'), "{said}");
        }
        assert!(validate(Path::new("/nonexistent"), &whole()).is_err());
    }

    #[test]
    fn what_the_daemon_would_not_start_with_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().display();
        fs::write(dir.path().join("drift"), "fast").unwrap();
        let broken = format!("[slave]\nstate-dir = \"{state}\"\n");
        for (text, parts) in [
            ("[master]\nquorum = true\n", [":2:10: --quorum", "two --peer"]),
            (
                "[slave]\nstandby = true\nquorum = true\npeer = [\"a\", \"b\"]\n",
                [":3:10: --quorum", "--state-dir"],
            ),
            ("key-file = \"/nonexistent\"\n", [":1:12: --key-file /nonexistent", "No such file"]),
            ("[slave]\nrank = 2\n", [":2:8: --rank", "--standby only"]),
            ("share-clock = true\n", [":1:15: --share-clock", "--clock system"]),
            (&broken, [":2:13: --state-dir", "drift does not hold a rate"]),
            ("\nquiet = \"yes\"\n", [":2:9: --quiet yes", "true or false"]),
            ("json = []\n", [":1:8: --json", "true or false"]),
        ] {
            let said = said(text);
            assert!(parts.iter().all(|part| said.contains(part)), "{text:?}: {said:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
    }

    #[test]
    fn a_file_for_one_role_is_in_order_and_the_other_is_named() {
        assert_eq!(one_role("rank = 2\n"), Some("slave"));
        assert_eq!(one_role("rank = 2\n[master]\nburst = 4\n"), Some("slave"));
        assert_eq!(one_role("burst = 4\n"), None);
        assert!(said("rank = 2\n[slave]\nname = \"x\"\n").contains("--standby only"));
    }

    #[test]
    fn what_is_printed_says_the_same_again() {
        let text = "burst = 8\nslave = [\"a\", \"b\"]\nname = \"rack 1\"\n";
        let whole = whole();
        let command = whole.find_subcommand("master").unwrap();
        let first = effective(command, &matches("master", text, &["--quiet"]));
        assert!(first.contains("burst = 8  # given\n"), "{first}");
        assert!(first.contains("slave = [\"a\", \"b\"]"), "{first}");
        assert!(first.contains("interval = \"1s\"  # default\n"), "{first}");
        let again = effective(command, &matches("master", &first, &[]));
        let values = |file: &str| -> Vec<String> {
            file.lines().map(|l| l.split("  #").next().unwrap().to_owned()).collect()
        };
        assert_eq!(values(&first), values(&again));
    }

    #[test]
    fn the_examples_in_the_documentation_are_good() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let mut found = 0;
        for entry in fs::read_dir(docs.join("examples")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let verdict = validate(&path, &whole()).unwrap_or_else(|why| panic!("{why:?}"));
                assert!(verdict.settings > 0 && verdict.unfit.is_none(), "{verdict:?}");
                found += 1;
            }
        }
        assert!(found >= 3, "{found}");
    }
}
