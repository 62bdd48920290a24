//! campanile
pub mod clock;
pub mod proto;
pub mod time;
pub mod wire;
