//! campanile
pub mod proto;
pub mod time;
