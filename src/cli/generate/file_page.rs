//! The manual page of the configuration file: every flag that can stand in it.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::cli::config::{ROLES, settable};

const EXAMPLE: &str = include_str!("../../../docs/examples/both.toml");

const DESCRIPTION: [&str; 4] = [
    "The flags of campanile-master(8) and campanile-slave(8) as TOML, without their dashes. It is \
     read with --config FILE, or CAMPANILE_CONFIG, once, when the daemon starts.",
    "A key at the top is for whichever role has it. A key in the section [master] or [slave] is for \
     that role, and wins over the top. What stands in the environment wins over the file, and what \
     is typed wins over both.",
    "A value is a string, a number, true, false, or a list of them, within the limits of the flag. \
     Times and rates are strings with a unit, as in \"250ms\" and \"40ppm\". An unknown key or a value \
     that cannot be is refused with its line and column, and the daemon does not start.",
    "campanile validate FILE checks a file; --print-config prints what is in force, from whatever \
     source, as such a file.",
];

/// The page, as roff.
pub(super) fn page(whole: &Command, manual: &str) -> String {
    let mut roff = Roff::new();
    let source = concat!("campanile ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["CAMPANILE.TOML", "5", "", source, manual]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("campanile.toml - configuration of campanile-master and campanile-slave")]);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    let [masters, slaves] = ROLES.map(|role| keys(whole, role));
    let is_in = |all: &[&Arg], arg: &Arg| all.iter().any(|one| one.get_long() == arg.get_long());
    let both = masters.iter().copied().filter(|arg| is_in(&slaves, arg));
    section(&mut roff, "KEYS OF BOTH ROLES", both);
    section(&mut roff, "KEYS OF A MASTER", masters.iter().copied().filter(|a| !is_in(&slaves, a)));
    section(&mut roff, "KEYS OF A SLAVE", slaves.iter().copied().filter(|a| !is_in(&masters, a)));
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([italic("/etc/campanile/campanile.toml")]);
    roff.text([roman("what the unit campanile.service reads")]);
    roff.control("SH", ["EXAMPLE"]);
    roff.control("nf", []);
    for line in EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([italic("campanile-master"), roman("(8),")]);
    roff.text([italic("campanile-slave"), roman("(8),")]);
    roff.text([italic("campanile-validate"), roman("(1)")]);
    roff.render()
}

fn keys<'a>(whole: &'a Command, role: &str) -> Vec<&'a Arg> {
    let mut found: Vec<_> = whole.find_subcommand(role).into_iter().flat_map(settable).collect();
    found.sort_by_key(|arg| arg.get_long());
    found
}

fn section<'a>(roff: &mut Roff, title: &str, keys: impl Iterator<Item = &'a Arg>) {
    roff.control("SH", [title]);
    for arg in keys {
        roff.control("TP", []);
        let name = arg.get_long().unwrap_or_default();
        roff.text([bold(name), roman(" = "), italic(kind(arg)), roman(default(arg))]);
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
        roff.text([roman(help.unwrap_or_default() + &allowed(arg))]);
    }
}

/// What a value looks like.
fn kind(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let value = values.first().map_or("VALUE", |name| name.as_str());
    match arg.get_action() {
        ArgAction::SetTrue => "true or false".to_owned(),
        ArgAction::Append => format!("[\"{value}\", ...]"),
        _ if value == "COUNT" => value.to_owned(),
        _ => format!("\"{value}\""),
    }
}

fn default(arg: &Arg) -> String {
    match (arg.get_action(), arg.get_default_values()) {
        (ArgAction::SetTrue, _) => "; false unless given".to_owned(),
        (_, [value]) => format!("; {} unless given", value.to_string_lossy()),
        _ => String::new(),
    }
}

/// The words that a value is one of, where there are such.
fn allowed(arg: &Arg) -> String {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return String::new();
    }
    let words = arg.get_possible_values();
    let words: Vec<_> = words.iter().map(|word| word.get_name()).collect();
    if words.is_empty() { String::new() } else { format!("; {}", words.join(", ")) }
}
