//! Bytes from the network, before anybody believes them.

use std::sync::LazyLock;

use campanile::wire::{BootId, Buffer, Datagram, KeyId, Keyring, LEN, Sealer, Voice};

use super::driver;

/// Any bytes: no panic, and what decodes is stable.
pub fn decode(bytes: &[u8]) {
    let _ = Datagram::outline(bytes);
    if let Ok(once) = Datagram::decode(bytes) {
        let mut again = [0; LEN];
        once.encode(&mut again);
        assert_eq!(Datagram::decode(&again).as_ref(), Ok(&once));
    }
}

/// Any bytes, and good seals that are damaged: nothing but the very bytes that were sealed opens.
pub fn unseal(data: &[u8]) {
    static KEYS: LazyLock<Keyring> = LazyLock::new(driver::keys);
    let mut sealer = Sealer::new(KEYS.clone());
    let Some((bytes, damage)) = data.split_first_chunk::<LEN>() else { return };
    assert!(sealer.open(bytes).is_err(), "nobody guesses a seal");
    let mut sealed: Buffer = *bytes;
    // The flags are the seal's own.
    sealed[4..6].fill(0);
    let voice = if bytes[0] & 1 == 0 { Voice::Slave } else { Voice::Master };
    sealer.seal(&mut sealed, voice, BootId(9));
    let seal = sealer.open(&sealed).expect("our own seal is good");
    assert_eq!((seal.key, seal.voice, seal.receiver_boot), (KeyId(1), voice, BootId(9)));
    let mut damaged = sealed;
    for pair in damage.chunks_exact(2) {
        damaged[usize::from(pair[0]) % LEN] ^= pair[1];
    }
    if damaged != sealed {
        assert!(sealer.open(&damaged).is_err(), "a changed byte breaks it");
    }
}
