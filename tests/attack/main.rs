//! Who lacks the key moves no clock; who has the key of one slave moves that one alone.
//!
//! On the table an attacked cluster is compared with the same cluster left in peace: every course
//! that every clock ever had must be the same to the nanosecond. On sockets the attacker sits on
//! the path, records, alters and sends what it likes.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

#[path = "../common/mod.rs"]
mod common;
mod live;
mod outsider;
mod recordings;
mod stolen;
mod succession;
mod table;
