//! Any bytes: no panic, and what decodes is stable.
#![no_main]

use campanile::wire::{Datagram, LEN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Datagram::outline(bytes);
    if let Ok(once) = Datagram::decode(bytes) {
        let mut again = [0; LEN];
        once.encode(&mut again);
        assert_eq!(Datagram::decode(&again).as_ref(), Ok(&once));
    }
});
