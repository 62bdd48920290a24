//! `campanile keygen`: makes keys.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::flags::count;
use super::identity::{parsed, random};
use super::out::Out;
use super::trust;
use crate::wire::{Holder, KeyId, Keyring, NodeId, cluster_line};

/// Make a key: a line for the file that --key-file of master and slave reads
///
/// The key of a cluster serves every node of it. From it follow the keys of single nodes, which
/// are enough for slaves: who steals one of them can pose as that slave and as nobody else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile keygen --write /etc/campanile/keys
      a new key for the cluster, in a file that its owner alone may read
  campanile keygen --node \"$(ssh rack-1 cat /var/lib/campanile/node-id)\" \\
      --key-file /etc/campanile/keys
      print the key that the slave on rack-1 needs, derived from the first
      of the cluster's

docs/security.md says how keys are replaced without losing a round.")]
pub(super) struct KeygenArgs {
    /// The number of the key; 1 to 4294967295 [default: with --node the first key of the cluster
    /// in --key-file, else the least that FILE of --write does not hold]
    #[arg(long, value_name = "NUMBER", value_parser = |s: &str| count(s, 1, u32::MAX),
          allow_hyphen_values = true)]
    id: Option<u32>,

    /// Derive the key of this node, by the id in the file node-id of its state directory
    #[arg(long, value_name = "NODE-ID", value_parser = node, requires = "key_file")]
    node: Option<NodeId>,

    /// The file with the key of the cluster that --node is derived from; without --node of no use
    #[arg(long, env = "CAMPANILE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Add the line to this file, made with mode 0600 where there is none, instead of printing it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Whether the flags go together, beyond what they say of themselves.
///
/// # Errors
/// Where `--key-file` was typed without `--node`. In the environment it stands for the daemons too, and
/// a key of the cluster may be made all the same.
pub(super) fn check(given: &ArgMatches) -> Result<(), Failure> {
    let typed = given.value_source("key_file") == Some(ValueSource::CommandLine);
    if typed && !given.contains_id("node") {
        let why = "--key-file is what --node derives a key from, and there is no --node; a key of the \
                   cluster goes into a file with --write";
        return Err(Failure::input(why));
    }
    Ok(())
}

/// Makes a key and prints or writes it.
///
/// # Errors
/// Where no randomness is to be had, or a file cannot be used.
pub(super) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    let there = match &args.write {
        Some(path) if path.exists() => contents(path)?,
        _ => Keyring::default(),
    };
    let line = match (args.node, &args.key_file) {
        (Some(node), Some(path)) => of_node(args.id, node, path)?,
        _ => of_cluster(args.id, &there)?,
    };
    let Some(path) = &args.write else {
        let mut out = Out::default();
        out.text(&format!("{}\n", *line));
        return out.end();
    };
    // What the file would hold with it is checked before anything is written.
    let new = Keyring::parse(&line).map_err(Failure::failed)?;
    let mut taken = new.holders().filter(|(id, _)| there.holders().any(|(old, _)| old == *id));
    if let Some((id, _)) = taken.next() {
        return Err(refused(path, &format!("holds a key {id} already")));
    }
    if there.holders().count() >= Keyring::MOST {
        return Err(refused(
            path,
            &format!("holds {} keys, and no more are allowed", Keyring::MOST),
        ));
    }
    append(path, &line)
}

fn of_cluster(id: Option<u32>, there: &Keyring) -> Result<Zeroizing<String>, Failure> {
    let is_free = |id: &u32| there.holders().all(|(taken, _)| taken.0 != *id);
    let id = id.or_else(|| (1..).find(is_free)).unwrap_or(1);
    let secret = Zeroizing::new(random::<32>()?);
    Ok(cluster_line(KeyId(id), &*secret))
}

fn of_node(id: Option<u32>, node: NodeId, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let keys = trust::read(path)?;
    let is_meant = |(found, holder): &(KeyId, Holder)| {
        *holder == Holder::Cluster && id.is_none_or(|id| found.0 == id)
    };
    let line = keys.holders().find(is_meant).and_then(|(id, _)| keys.node_line(id, node));
    line.ok_or_else(|| {
        let which = id.map_or("no key".to_owned(), |id| format!("no key {id}"));
        Failure::input(format!("--key-file {}: holds {which} of the cluster", path.display()))
    })
}

/// The keys that the file holds; none where it is empty.
fn contents(path: &Path) -> Result<Keyring, Failure> {
    let length = path.metadata().map(|metadata| metadata.len());
    if length.is_ok_and(|length| length == 0) {
        return Ok(Keyring::default());
    }
    trust::read(path).map_err(|_| {
        refused(path, "is there, but is no key file that its owner alone may read and write")
    })
}

fn append(path: &Path, line: &str) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("--write {}: {error}", path.display()));
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let mut file: File = file.map_err(failed)?;
    trust::only_ours(&file).map_err(|why| refused(path, &why))?;
    // In one write, a new line before it where the last one was not ended.
    let text = Zeroizing::new(format!("{}{line}\n", if ends_open(path) { "\n" } else { "" }));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn ends_open(path: &Path) -> bool {
    std::fs::read(path).map(Zeroizing::new).is_ok_and(|all| all.last().is_some_and(|&b| b != b'\n'))
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::input(format!("--write {}: {why}", path.display()))
}

fn node(text: &str) -> Result<NodeId, String> {
    parsed(text).ok_or_else(|| "allowed is the id of a node, 16 hex digits".to_owned())
}
