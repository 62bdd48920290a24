//! What a node decides.
mod exchange;
pub use exchange::{Exchange, Source, Stamp};
