//! What a datagram is: messages to bytes and back, and nothing else.
//!
//! Every datagram of every type has the same length, [`LEN`]: a poll is as long as its reply, so
//! that serialisation delays both ways alike, and nothing an outsider sends draws a larger answer.
//! It is a fixed header, a body whose layout the type decides, and a trailer for the seal that
//! authenticates both. `docs/protocol.md` draws every field.
//!
//! Decoding checks length, magic and version before it looks at anything else, then every field
//! that has a range. It cannot panic on any input, and it does not allocate.

mod adjust;
mod announce;
mod claim;
mod entry;
mod field;
mod grant;
mod header;
mod join;
mod keys;
mod leave;
mod message;
mod name;
mod poll;
mod reject;
mod reply;
mod seal;
mod welcome;
mod window;

pub use adjust::{Adjust, Standing};
pub use announce::{Announce, Candidate};
pub use claim::{Claim, Request};
pub use entry::Entry;
pub use grant::{Grant, Sighting, Verdict};
pub use header::{BootId, Header, NodeId, Rank, Term};
pub use join::Join;
pub use keys::{Holder, KeyError, KeyId, Keyring, cluster_line};
pub use leave::{Leave, LeaveReason};
pub use message::{Datagram, Message};
pub use name::Name;
pub use poll::Poll;
pub use reject::Reject;
pub use reply::{Correction, Reply};
pub use seal::{Broken, Seal, Sealer, Voice};
pub use welcome::{Admission, Welcome};
pub use window::Window;

/// The length of every datagram in bytes.
pub const LEN: usize = header::LEN + BODY_LEN + TRAILER_LEN;
/// The length of a message's body in bytes. What a type does not use is zero.
pub const BODY_LEN: usize = 128;
/// The length of the trailer, the seal: key id, receiver's boot, 128-bit MAC.
pub const TRAILER_LEN: usize = 24;
/// Version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;
/// The port a master listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7045;

/// A buffer that holds one datagram.
pub type Buffer = [u8; LEN];

const _: () = assert!(LEN == 192, "docs/protocol.md draws 192 bytes");
