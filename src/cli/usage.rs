//! What clap has to say against a command line, in one line.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};
use strsim::levenshtein;

use super::config::ROLES;
use super::failure::one_line;

/// What chronyc's users will try first, and the command that answers it here.
const CHRONYC: &[(&str, &str)] = &[
    ("sources", "peers"),
    ("sourcestats", "peerstats"),
    ("selectdata", "peers"),
    ("ntpdata", "peer NAME"),
    ("activity", "cluster"),
    ("clients", "peers"),
    ("serverstats", "stats"),
];

/// The complaint in one line: which flag, which value, what is allowed.
///
/// `command` is the command that was given `args`: a value that was not typed came from the
/// environment, and is named after its variable.
pub(super) fn complaint(error: &Error, command: &Command, args: &[OsString]) -> String {
    let argument = text(error, ContextKind::InvalidArg);
    let said = match (error.kind(), argument) {
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(argument)) => {
            value(error, &argument, command, args)
        }
        (ErrorKind::UnknownArgument, Some(argument)) if argument.starts_with('-') => {
            format!("{argument}: there is no such flag{}", hint(error, &argument, command))
        }
        (ErrorKind::UnknownArgument, Some(argument)) => {
            format!("{argument}: nothing is expected there; --help lists what is")
        }
        (ErrorKind::TooManyValues, Some(argument)) => {
            let given = text(error, ContextKind::InvalidValue).unwrap_or_default();
            let flag = flag_of(&argument);
            format!(
                "{flag}={given}: {flag} takes no value; allowed is {flag} alone, or leaving it out"
            )
        }
        (ErrorKind::MissingRequiredArgument, Some(argument)) => {
            format!("{argument} is missing; try --help")
        }
        (ErrorKind::ArgumentConflict, Some(argument)) => {
            match text(error, ContextKind::PriorArg).filter(|prior| *prior != argument) {
                Some(prior) => format!("{argument}: not allowed together with {prior}"),
                None => format!("{}: allowed once only", flag_of(&argument)),
            }
        }
        (ErrorKind::InvalidSubcommand, _) => subcommand(error, command),
        _ => first_paragraph(error),
    };
    one_line(&said)
}

/// The flag that is to blame, if one is.
pub(super) fn blamed(error: &Error) -> Option<String> {
    text(error, ContextKind::InvalidArg).map(|argument| flag_of(&argument).to_owned())
}

fn value(error: &Error, argument: &str, command: &Command, args: &[OsString]) -> String {
    let flag = flag_of(argument);
    let given = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let allowed = match (error.source(), texts(error, ContextKind::ValidValue)) {
        (Some(why), _) => why.to_string(),
        (None, values) if !values.is_empty() => format!("allowed is {}", values.join(", ")),
        _ => format!("needs a value, {}", argument.trim_start_matches(flag).trim()),
    };
    let from_environment = variable_of(command, flag).filter(|_| !typed(args, flag));
    match from_environment {
        Some(variable) => format!("{variable}={given}: {allowed}"),
        None if given.is_empty() => format!("{flag}: {allowed}"),
        None if flag.starts_with('-') => format!("{flag} {given}: {allowed}"),
        None => format!("{given}: {allowed}"),
    }
}

fn subcommand(error: &Error, command: &Command) -> String {
    let given = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    // The likeliest comes last.
    let near = texts(error, ContextKind::SuggestedSubcommand).pop();
    let theirs = CHRONYC.iter().map(|pair| (levenshtein(&given, pair.0), pair));
    let theirs = theirs.min().filter(|(apart, _)| *apart <= SLIP);
    let hint = match (theirs, near) {
        (Some((0, (_, ours))), _) => format!("what chronyc calls so is campanile {ours}"),
        (Some((by, (theirs, ours))), near)
            if near.as_deref().is_none_or(|near| by < levenshtein(&given, near)) =>
        {
            format!("what chronyc calls {theirs} is campanile {ours}")
        }
        (_, Some(near)) => format!("did you mean {near}?"),
        (_, None) => format!("allowed is {}", names.join(", ")),
    };
    format!("{given}: there is no such command; {hint}")
}

fn hint(error: &Error, typed: &str, command: &Command) -> String {
    let near = text(error, ContextKind::SuggestedArg);
    let is_slip = |near: &&String| {
        near.starts_with(typed)
            || typed.starts_with(near.as_str())
            || levenshtein(typed, near) <= SLIP
    };
    if let Some(near) = near.as_ref().filter(is_slip) {
        return format!("; did you mean {near}?");
    }
    let whole = super::command();
    let has = |name: &&str| {
        *name != command.get_name()
            && whole.find_subcommand(name).is_some_and(|other| has_flag(other, typed))
    };
    match (ROLES.into_iter().find(has), near) {
        (Some(other), _) => format!(" here; campanile {other} has it"),
        (None, Some(near)) => format!("; did you mean {near}?"),
        (None, None) => "; --help lists them".to_owned(),
    }
}

/// Letters that are typed wrongly before something else is meant.
const SLIP: usize = 2;

/// `--interval` of `--interval <TIME>`.
fn flag_of(argument: &str) -> &str {
    argument.split([' ', '=']).next().unwrap_or(argument)
}

fn typed(args: &[OsString], flag: &str) -> bool {
    !flag.starts_with('-') || args.iter().any(|arg| flag_of(&arg.to_string_lossy()) == flag)
}

fn has_flag(command: &Command, flag: &str) -> bool {
    arg(command, flag).is_some()
}

fn arg<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    let long = flag.strip_prefix("--")?;
    command.get_arguments().find(|arg| arg.get_long() == Some(long))
}

fn variable_of(command: &Command, flag: &str) -> Option<String> {
    arg(command, flag)?.get_env().map(|name| name.to_string_lossy().into_owned())
}

fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

fn text(error: &Error, kind: ContextKind) -> Option<String> {
    Some(texts(error, kind)).filter(|texts| !texts.is_empty()).map(|texts| texts.join(", "))
}

fn first_paragraph(error: &Error) -> String {
    let all = error.to_string();
    let first = all.split("\n\n").next().unwrap_or(&all);
    first.trim_start_matches("error: ").to_owned()
}
