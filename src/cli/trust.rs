//! Who is heard: the key file, and the networks.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::flags::count;
use super::journal::Role;
use crate::os;
use crate::proto::Trust;
use crate::wire::{Holder, Keyring, NodeId};

/// A key file has a line a key; no more than so much of it is looked at.
const MOST: usize = 64 << 10;

/// Who is heard, and what they have to prove.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trust")]
pub(super) struct TrustFlags {
    /// Believe only what is sealed with a key of this file, and seal with the first; campanile
    /// keygen makes keys. Read anew at SIGHUP [default: no keys, and everybody is believed]
    #[arg(long, env = "CAMPANILE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Hear only what comes from this network, as in 10.0.0.0/8 or fe80::/10; may be given often
    /// [default: from everywhere]
    #[arg(long, env = "CAMPANILE_ALLOW", value_name = "CIDR", value_delimiter = ',',
          value_parser = network)]
    allow: Vec<IpNet>,

    /// How many useless datagrams and joins a second an address may send before it is not heard;
    /// 1 to 1000000
    #[arg(long, env = "CAMPANILE_SOURCE_RATE", value_name = "COUNT", default_value = "1000",
          value_parser = |s: &str| count(s, 1, Trust::MOST_SOURCE_RATE), allow_hyphen_values = true)]
    source_rate: u32,
}

impl TrustFlags {
    /// What is asked for, with the keys of the file, which must serve this node.
    ///
    /// # Errors
    /// Where the file cannot be read, may be read by others, or does not serve this node.
    pub(super) fn trust(&self, user: &KeyUser) -> Result<Trust, Failure> {
        let keys = match &self.key_file {
            Some(path) => user.keys(path)?,
            None => Keyring::default(),
        };
        Ok(Trust { keys, allow: self.allow.clone(), source_rate: self.source_rate })
    }

    /// Whether the file would serve, whoever owns it: it may be another user that is to read it.
    ///
    /// # Errors
    /// As [`TrustFlags::trust`].
    pub(super) fn check(&self, user: &KeyUser) -> Result<(), Failure> {
        self.key_file.as_deref().map_or(Ok(()), |path| user.serving(path, read(path)?).map(drop))
    }

    /// Reads the keys anew, where there is a file.
    pub(super) fn source(&self, user: KeyUser) -> Option<KeySource> {
        self.key_file.clone().map(|path| KeySource { path, user })
    }
}

/// The node that is to use keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyUser {
    pub(super) role: Role,
    pub(super) id: NodeId,
    /// Whether the id is the same at the next start.
    pub(super) stays: bool,
}

impl KeyUser {
    fn keys(&self, path: &Path) -> Result<Keyring, Failure> {
        let text = secret_text(path, owned_by_us).map_err(|why| refused(path, &why))?;
        self.serving(path, parse(path, &text)?)
    }

    /// `keys`, where they are for this node.
    fn serving(&self, path: &Path, keys: Keyring) -> Result<Keyring, Failure> {
        for (id, holder) in keys.holders() {
            let Holder::Node(node) = holder else { continue };
            if self.role == Role::Master {
                let why = format!("key {id} is that of node {node}; a master needs the cluster's");
                return Err(refused(path, &why));
            }
            if !self.stays {
                let why = "is that of one node, and needs --state-dir, where a node keeps its id";
                return Err(refused(path, &format!("key {id} {why}")));
            }
            if node != self.id {
                let own = match self.id {
                    NodeId::UNKNOWN => "this node has no id yet: its first start draws one".into(),
                    id => format!("this is node {id}"),
                };
                return Err(refused(path, &format!("key {id} is that of node {node}, and {own}")));
            }
        }
        Ok(keys)
    }
}

/// Where keys come from, and for whom.
#[derive(Debug)]
pub(super) struct KeySource {
    path: PathBuf,
    user: KeyUser,
}

impl KeySource {
    /// The keys as the file holds them now.
    ///
    /// # Errors
    /// As [`TrustFlags::trust`].
    pub(super) fn read(&self) -> Result<Keyring, Failure> {
        self.user.keys(&self.path)
    }
}

/// The keys of a file that nobody else may read.
///
/// # Errors
/// Where it cannot be read, others may read it, or it does not hold keys.
pub(super) fn read(path: &Path) -> Result<Keyring, Failure> {
    parse(path, &secret_text(path, |_| Ok(())).map_err(|why| refused(path, &why))?)
}

fn parse(path: &Path, text: &str) -> Result<Keyring, Failure> {
    Keyring::parse(text).map_err(|why| refused(path, &why.to_string()))
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::input(format!("--key-file {}: {why}", path.display()))
}

/// What a file says that is only its owner's, and passes `more`.
fn secret_text(
    path: &Path,
    more: fn(&File) -> Result<(), String>,
) -> Result<Zeroizing<String>, String> {
    let said = |error: std::io::Error| match error.kind() {
        ErrorKind::InvalidData => "is not text".to_owned(),
        _ => error.to_string(),
    };
    // To open a pipe would be to wait for whoever writes into it.
    if !fs::metadata(path).map_err(said)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(said)?;
    only_ours(&file)?;
    more(&file)?;
    // Room for all of it from the start: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST + 1));
    let read = file.take(MOST as u64 + 1).read_to_string(&mut text).map_err(said)?;
    if read > MOST { Err(format!("is longer than {MOST} bytes")) } else { Ok(text) }
}

/// Checks that the file belongs to this process' user or to root. Not asked of who only makes
/// keys: root makes them for the daemon's user too.
fn owned_by_us(file: &File) -> Result<(), String> {
    let owner = file.metadata().map_err(|error| error.to_string())?.uid();
    let user = os::effective_user();
    if owner == user || owner == 0 {
        return Ok(());
    }
    Err(format!(
        "belongs to user {owner}, who could change it; allowed are root and user {user}, whom this \
         runs as: chown {user} makes it safe"
    ))
}

/// Checks that nobody but the owner may read or write the file.
pub(super) fn only_ours(file: &File) -> Result<(), String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if mode & 0o077 != 0 {
        return Err(format!(
            "may be read or written by others (mode {mode:04o}); chmod 600 makes it safe"
        ));
    }
    Ok(())
}

/// Parses a network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let allowed = "allowed is a network or an address, as in 10.0.0.0/8, fe80::/10 or 10.0.0.3";
    let text = text.trim();
    let net = text.parse().or_else(|_| text.parse().map(|ip: std::net::IpAddr| ip.into()));
    net.map(|net: IpNet| net.trunc()).map_err(|_| allowed.to_owned())
}
