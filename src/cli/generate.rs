//! `campanile generate`: man pages and shell completions, made from the command line's definition.

mod file_page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::failure::Failure;
use super::out::Out;

/// The commands that run as daemons: their pages are in section 8.
const DAEMONS: [&str; 2] = ["master", "slave"];
const MANUAL: &str = "Campanile Manual";
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash/campanile"),
    (Shell::Zsh, "zsh/_campanile"),
    (Shell::Fish, "fish/campanile.fish"),
];

/// Write man pages or shell completions into a directory
///
/// They are made from the same definition as --help. Packages do this when they are built; by hand
/// it serves where no package was installed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile generate man man
      man/man1/campanile.1, man/man8/campanile-master.8 and so on
  campanile generate completions completions
      completions/bash/campanile, completions/zsh/_campanile,
      completions/fish/campanile.fish")]
pub(super) struct GenerateArgs {
    /// What to write
    #[arg(value_name = "WHAT")]
    what: What,

    /// Where to; made if it is not there. What is there under the same names is replaced
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// What can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Manual pages
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// Writes the files that belong to `command`, the whole command line.
///
/// # Errors
/// Where a file cannot be written.
pub(super) fn run(args: &GenerateArgs, command: Command) -> Result<(), Failure> {
    let files = match args.what {
        What::Man => man(command),
        What::Completions => completions(command),
    };
    let mut out = Out::default();
    for (name, text) in files.map_err(|error| Failure::failed(error.to_string()))? {
        let path = args.dir.join(name);
        let refused = |error| Failure::failed(format!("{}: {error}", path.display()));
        write(&path, &text).map_err(refused)?;
        out.text(&format!("{}\n", path.display()));
    }
    out.end()
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text)
}

type Files = io::Result<Vec<(PathBuf, Vec<u8>)>>;

fn completions(mut command: Command) -> Files {
    let made = SHELLS.map(|(shell, name)| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "campanile", &mut text);
        (PathBuf::from(name), text)
    });
    Ok(made.into())
}

fn man(command: Command) -> Files {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let of_file = file_page::page(&command, MANUAL);
    let pages: Vec<_> = command.get_subcommands().map(|sub| Page::of(sub.clone())).collect();
    let mut files = vec![Page::root(command, &pages).file()?];
    for page in &pages {
        files.push(page.file()?);
    }
    files.push(("man5/campanile.toml.5".into(), of_file.into_bytes()));
    Ok(files)
}

/// One manual page.
struct Page {
    /// As in `man campanile-master`.
    name: String,
    section: &'static str,
    command: Command,
    /// Other pages to look at, as name and section.
    others: Vec<(String, &'static str)>,
}

impl Page {
    fn of(command: Command) -> Self {
        let name = command.get_name().to_owned();
        let section = if DAEMONS.contains(&name.as_str()) { "8" } else { "1" };
        let others = vec![("campanile".to_owned(), "1"), ("campanile.toml".to_owned(), "5")];
        Self { name: format!("campanile-{name}"), section, command, others }
    }

    fn root(command: Command, pages: &[Self]) -> Self {
        let mut others: Vec<_> =
            pages.iter().map(|page| (page.name.clone(), page.section)).collect();
        others.push(("campanile.toml".to_owned(), "5"));
        Self { name: "campanile".to_owned(), section: "1", command, others }
    }

    fn file(&self) -> io::Result<(PathBuf, Vec<u8>)> {
        let Self { name, section, .. } = self;
        Ok((format!("man{section}/{name}.{section}").into(), self.text()?))
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let after = self.command.get_after_long_help().or(self.command.get_after_help());
        let examples = after.map(ToString::to_string);
        let bare = self.command.clone().after_help("");
        let spoken = self.name.replacen('-', " ", 1);
        let man = Man::new(bare.display_name(self.name.clone()).bin_name(spoken))
            .title(self.name.to_uppercase())
            .section(self.section)
            .source(concat!("campanile ", env!("CARGO_PKG_VERSION")))
            .manual(MANUAL);
        let mut text = Vec::new();
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        if self.command.get_arguments().next().is_some() {
            man.render_options_section(&mut text)?;
        }
        if self.command.has_subcommands() {
            self.commands().to_writer(&mut text)?;
        }
        self.ending(examples.as_deref()).to_writer(&mut text)?;
        Ok(text)
    }

    fn commands(&self) -> Roff {
        let mut roff = Roff::new();
        roff.control("SH", ["COMMANDS"]);
        for command in self.command.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            roff.control("TP", []);
            roff.text([bold(format!("campanile {}", command.get_name()))]);
            roff.text([roman(about)]);
        }
        roff
    }

    /// What clap knows nothing of.
    fn ending(&self, examples: Option<&str>) -> Roff {
        let mut roff = Roff::new();
        if let Some(examples) = examples {
            for line in examples.lines() {
                match line.strip_suffix(':').filter(|head| !head.starts_with(' ')) {
                    Some(head) => {
                        roff.control("fi", []);
                        roff.control("SH", [head.to_uppercase().as_str()]);
                        roff.control("nf", []);
                    }
                    None => {
                        roff.text([roman(line)]);
                    }
                }
            }
            roff.control("fi", []);
        }
        if self.section == "8" {
            roff.control("SH", ["SIGNALS"]);
            for (signal, what) in [
                (
                    "SIGTERM, SIGINT",
                    "End in order: take leave, write the last report, keep the rate.",
                ),
                (
                    "SIGHUP",
                    "Begin a new interval log, where --report is given; read the keys anew, where \
                     --key-file is.",
                ),
            ] {
                roff.control("TP", []);
                roff.text([bold(signal)]);
                roff.text([roman(what)]);
            }
        }
        roff.control("SH", ["EXIT STATUS"]);
        roff.text([roman("0: done. 1: failed at run time. 2: bad usage or input.")]);
        roff.control("SH", ["SEE ALSO"]);
        for (n, (name, section)) in self.others.iter().enumerate() {
            let comma = if n + 1 < self.others.len() { ", " } else { "" };
            roff.text([italic(name.as_str()), roman(format!("({section}){comma}"))]);
        }
        roff
    }
}
