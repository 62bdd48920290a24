//! Any bytes, and good seals that are damaged: nothing but the very bytes that were sealed opens.
#![no_main]

use std::sync::LazyLock;

use campanile::wire::{BootId, Buffer, KeyId, Keyring, LEN, Sealer, Voice, cluster_line};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::parse(&cluster_line(KeyId(1), &[7; 32])).unwrap());

fuzz_target!(|data: &[u8]| {
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
});
