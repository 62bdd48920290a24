//! Keys: who may speak for whom.

use std::fmt;

use hkdf::HkdfExtract;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::NodeId;

/// Length of a node's key in bytes, as HMAC-SHA256 likes it best (RFC 2104 §3).
const NODE_KEY: usize = 32;
/// A secret has at least 128 bits, the strength of the truncated code, and fits one block.
const SECRET: std::ops::RangeInclusive<usize> = 16..=64;
/// Keeps what is derived here apart from whatever else somebody derives from the same secret.
const SALT: &[u8] = b"campanile keys 1";
const NODE: &[u8] = b"node";

/// The number of a key, the same in the files of all nodes; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom a key lets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The whole cluster: every node's key follows from it. What masters and standbys hold.
    Cluster,
    /// One node: it can prove who it is, and tell its masters from others. Enough for a slave.
    Node(NodeId),
}

/// One key of a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) holder: Holder,
    /// Of a node its key; of the cluster what nodes' keys are expanded from.
    secret: Zeroizing<[u8; NODE_KEY]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?})", self.id, self.holder)
    }
}

impl Key {
    pub(super) fn serves(&self, node: NodeId) -> bool {
        [Holder::Cluster, Holder::Node(node)].contains(&self.holder)
    }

    /// The key of `node`, which this key serves.
    ///
    /// RFC 5869 §2.3 with one block of output: T(1) = HMAC(PRK, info ‖ 1). Nobody can get from
    /// one node's key to another's, or back to the cluster's.
    pub(super) fn of_node(&self, node: NodeId) -> Zeroizing<[u8; NODE_KEY]> {
        if self.holder != Holder::Cluster {
            return self.secret.clone();
        }
        expanded(self.keyed(), node)
    }

    /// What nodes' keys are [`expanded`] with, where this key is the cluster's.
    pub(super) fn expander(&self) -> Option<Hmac<Sha256>> {
        (self.holder == Holder::Cluster).then(|| self.keyed())
    }

    fn keyed(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&*self.secret).expect("any length will do")
    }
}

/// The key of `node`, by the cluster's key.
pub(super) fn expanded(mut expand: Hmac<Sha256>, node: NodeId) -> Zeroizing<[u8; NODE_KEY]> {
    expand.update(NODE);
    expand.update(&node.0.to_be_bytes());
    expand.update(&[1]);
    Zeroizing::new(expand.finalize().into_bytes().into())
}

/// The keys a node holds. The first that fits is sealed with, every one is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

/// What is wrong with a key file, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

impl Keyring {
    /// The most keys a file may hold.
    pub const MOST: usize = 16;

    /// Reads the lines `ID HMAC-SHA256 HEX:…` of a key file, with `NODE:…` behind where the key
    /// is one node's. Empty lines and what follows a `#` are left out.
    ///
    /// # Errors
    /// The first line that is not of this form, an id that occurs twice, more than
    /// [`Keyring::MOST`] keys, or none. A secret is never quoted.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let said = line.split('#').next().unwrap_or_default().trim();
            if said.is_empty() {
                continue;
            }
            let at = |why: &str| KeyError(format!("line {number}: {why}"));
            let key = key(said).map_err(|why| at(&why))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(at(&format!("there is a key {} already", key.id)));
            }
            if keys.len() == Self::MOST {
                return Err(at(&format!("at most {} keys are allowed", Self::MOST)));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyError("holds no key; campanile keygen makes one".to_owned()));
        }
        Ok(Self { keys })
    }

    /// Whether there is no key at all, and hence no authentication.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys' numbers and holders, in the order of the file.
    pub fn holders(&self) -> impl Iterator<Item = (KeyId, Holder)> + '_ {
        self.keys.iter().map(|key| (key.id, key.holder))
    }

    /// The line of a key file for the key that `node` needs, derived from the cluster's key `id`.
    /// `None` where there is no such key of the cluster.
    pub fn node_line(&self, id: KeyId, node: NodeId) -> Option<Zeroizing<String>> {
        let of_cluster = |key: &&Key| key.id == id && key.holder == Holder::Cluster;
        let key = self.keys.iter().find(of_cluster)?;
        Some(line(id, &*key.of_node(node), Holder::Node(node)))
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// The line of a key file for a cluster's key: `secret` has 16 to 64 bytes that nobody can guess.
pub fn cluster_line(id: KeyId, secret: &[u8]) -> Zeroizing<String> {
    line(id, secret, Holder::Cluster)
}

fn line(id: KeyId, secret: &[u8], holder: Holder) -> Zeroizing<String> {
    // Room for all of it from the start: a string that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(256));
    line.push_str(&format!("{id} HMAC-SHA256 HEX:"));
    for byte in secret {
        for digit in [byte >> 4, byte & 15] {
            line.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    if let Holder::Node(node) = holder {
        line.push_str(&format!(" NODE:{node}"));
    }
    line
}

fn key(line: &str) -> Result<Key, String> {
    const FORM: &str = "allowed is ID HMAC-SHA256 HEX:…, with NODE:… behind for the key of a node";
    let mut words = line.split_whitespace();
    let (Some(id), Some(kind), Some(hex)) = (words.next(), words.next(), words.next()) else {
        return Err(FORM.to_owned());
    };
    let id = id.parse().ok().filter(|&id| id > 0);
    let id = KeyId(id.ok_or(format!("the ID is a whole number from 1 to {}", u32::MAX))?);
    if kind != "HMAC-SHA256" {
        return Err(format!("key {id}: HMAC-SHA256 is the only kind of key"));
    }
    let secret = hex.strip_prefix("HEX:").and_then(bytes);
    let secret = secret.filter(|secret| SECRET.contains(&secret.len()));
    let secret = secret.ok_or(format!("key {id}: HEX: takes 32 to 128 hex digits"))?;
    let holder = match words.next().map(|word| word.strip_prefix("NODE:").and_then(node)) {
        None => Holder::Cluster,
        Some(Some(node)) => Holder::Node(node),
        Some(None) => return Err(format!("key {id}: NODE: takes a node's id, 16 hex digits")),
    };
    if words.next().is_some() {
        return Err(FORM.to_owned());
    }
    let secret = match holder {
        Holder::Cluster => extract(&secret),
        Holder::Node(_) => {
            let whole = secret.as_slice().try_into().map(Zeroizing::new);
            whole.map_err(|_| format!("key {id}: a node's key has 64 hex digits"))?
        }
    };
    Ok(Key { id, holder, secret })
}

/// RFC 5869 §2.2: whatever the secret's length, 32 bytes of its strength.
fn extract(secret: &[u8]) -> Zeroizing<[u8; NODE_KEY]> {
    let mut extract = HkdfExtract::<Sha256>::new(Some(SALT));
    extract.input_ikm(secret);
    Zeroizing::new(extract.finalize().0.into())
}

fn node(digits: &str) -> Option<NodeId> {
    let is_id = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let id = u64::from_str_radix(digits, 16).ok().filter(|&id| is_id && id != 0)?;
    Some(NodeId(id))
}

fn bytes(digits: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}
