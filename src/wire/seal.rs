//! Seals: what proves that a datagram was written by who holds a key, and by nobody since.
//!
//! HMAC-SHA256 (RFC 2104, FIPS 198-1), truncated to 128 bits (RFC 4868 §2.6 for the practice), over
//! all bytes before it: type, sender, receiver, the sender's boot, term, sequence, body, number of
//! the key and the receiver's boot.

use byteorder::{BigEndian, ByteOrder};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::keys::{Key, KeyId, Keyring, expanded};
use super::{BootId, Buffer, LEN, NodeId, TRAILER_LEN};

const FLAGS: usize = 4;
const SENDER: usize = 8;
const RECEIVER: usize = 16;
const KEY: usize = LEN - TRAILER_LEN;
const BOOT: usize = KEY + 4;
const CODE: usize = BOOT + 4;
/// Flag: the sender speaks as a master.
const AS_MASTER: u16 = 1;
/// Keys that are kept ready, the last one used of those that share a place: of one node's poll, reply and delta
/// the first mostly makes its key anew, and the others find it. More would be found in memory no sooner than
/// they are made.
const READY: usize = 256;

/// As what a node speaks. It decides whose key is used, so that the key of a slave is worth
/// nothing for a master's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// As a slave, with its own key.
    Slave,
    /// As a master, with the receiver's key, which only that node and the masters have. To a
    /// receiver whose id is not known: with the key of [`NodeId::UNKNOWN`], which is the masters'
    /// alone.
    Master,
}

/// What a good seal proves besides the bytes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The key it was made with.
    pub key: KeyId,
    /// As what the sender speaks.
    pub voice: Voice,
    /// For which process of the receiver it is meant; 0: the sender knows of none.
    pub receiver_boot: BootId,
}

/// Why a seal is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// There is none.
    Unsigned,
    /// It was made with a key that we do not hold, or in whose name it cannot be made.
    UnknownKey,
    /// It does not fit the bytes.
    BadMac,
}

/// Makes and checks seals. Holds the keys; all of it is wiped from memory when it is dropped.
#[derive(Debug, Clone, Default)]
pub struct Sealer {
    keys: Keyring,
    /// Of each key that is the cluster's, what nodes' keys are expanded with.
    expanders: Vec<Option<Hmac<Sha256>>>,
    /// Keyed and ready to use. Each has one place, by node, and gives way there to whoever comes later.
    ready: Vec<Option<Ready>>,
}

#[derive(Debug, Clone)]
struct Ready {
    key: KeyId,
    node: NodeId,
    mac: Hmac<Sha256>,
}

impl PartialEq for Sealer {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Sealer {
    /// A sealer with these keys.
    pub fn new(keys: Keyring) -> Self {
        let expanders = keys.keys().iter().map(Key::expander).collect();
        Self { keys, expanders, ready: Vec::new() }
    }

    /// Whether there are keys, so that what is not sealed is not believed.
    pub fn is_keyed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Seals an encoded datagram; leaves it as it is where no key allows to.
    pub fn seal(&mut self, bytes: &mut Buffer, voice: Voice, receiver_boot: BootId) {
        let node = speaks_for(bytes, voice);
        let Some(key) = self.keys.keys().iter().find(|key| key.serves(node)) else { return };
        let id = key.id;
        if voice == Voice::Master {
            let flags = BigEndian::read_u16(&bytes[FLAGS..]) | AS_MASTER;
            BigEndian::write_u16(&mut bytes[FLAGS..], flags);
        }
        BigEndian::write_u32(&mut bytes[KEY..], id.0);
        BigEndian::write_u32(&mut bytes[BOOT..], receiver_boot.0);
        let Some((mac, is_ready)) = self.keyed(id, node) else { return };
        if !is_ready {
            self.keep(id, node, mac.clone());
        }
        let code = mac.chain_update(&bytes[..CODE]).finalize().into_bytes();
        bytes[CODE..].copy_from_slice(&code[..LEN - CODE]);
    }

    /// Checks the seal of a datagram, of which nothing was believed so far but its length.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn open(&mut self, bytes: &Buffer) -> Result<Seal, Broken> {
        let key = KeyId(BigEndian::read_u32(&bytes[KEY..]));
        if key == KeyId(0) {
            return Err(Broken::Unsigned);
        }
        let as_master = BigEndian::read_u16(&bytes[FLAGS..]) & AS_MASTER != 0;
        let voice = if as_master { Voice::Master } else { Voice::Slave };
        let node = speaks_for(bytes, voice);
        let (mac, is_ready) = self.keyed(key, node).ok_or(Broken::UnknownKey)?;
        let fresh = (!is_ready).then(|| mac.clone());
        let told = mac.chain_update(&bytes[..CODE]);
        // In constant time.
        told.verify_truncated_left(&bytes[CODE..]).map_err(|_| Broken::BadMac)?;
        // Kept only now, so that forgeries push nobody's out.
        if let Some(fresh) = fresh {
            self.keep(key, node, fresh);
        }
        let receiver_boot = BootId(BigEndian::read_u32(&bytes[BOOT..]));
        Ok(Seal { key, voice, receiver_boot })
    }

    /// What makes a node's seals, and whether that was ready.
    fn keyed(&self, id: KeyId, node: NodeId) -> Option<(Hmac<Sha256>, bool)> {
        let ready = self.ready.get(place(id, node)).and_then(Option::as_ref);
        if let Some(ready) = ready.filter(|ready| (ready.key, ready.node) == (id, node)) {
            return Some((ready.mac.clone(), true));
        }
        let mut keys = self.keys.keys().iter().zip(&self.expanders);
        let (key, expander) = keys.find(|(key, _)| key.id == id && key.serves(node))?;
        let key = match expander {
            Some(expander) => expanded(expander.clone(), node),
            None => key.of_node(node),
        };
        Some((Hmac::new_from_slice(&*key).ok()?, false))
    }

    fn keep(&mut self, key: KeyId, node: NodeId, mac: Hmac<Sha256>) {
        self.ready.resize(READY, None);
        self.ready[place(key, node)] = Some(Ready { key, node, mac });
    }
}

/// Where the key of a node is ready, by the upper digits of a product with 2^64 over the golden ratio (Knuth,
/// vol. 3, 6.4). Whoever chooses ids that meet there has keys made, and no more. While keys are replaced a
/// node speaks with one and is spoken to with another: they have places of their own.
fn place(key: KeyId, node: NodeId) -> usize {
    let mixed = node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    (mixed ^ u64::from(key.0)) as usize % READY
}

const _: () = assert!(READY == 1 << 8);

/// Whose key proves it.
fn speaks_for(bytes: &Buffer, voice: Voice) -> NodeId {
    let at = if voice == Voice::Slave { SENDER } else { RECEIVER };
    NodeId(BigEndian::read_u64(&bytes[at..]))
}
