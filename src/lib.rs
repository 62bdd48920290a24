//! campanile
pub mod clock;
pub mod net;
#[allow(unsafe_code)]
mod os;
pub mod proto;
pub mod report;
pub mod sim;
pub mod time;
pub mod wire;
