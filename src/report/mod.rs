//! What is told afterwards: histograms, percentile tables and interval logs.
//!
//! A driver keeps one [`Book`], feeds it every exchange and every offset, and at each report
//! interval hands it to a [`LogWriter`], prints [`Book::interval`] and calls [`Book::roll`]. The
//! end of a run prints [`Book::total`]; [`read`] brings a log back. All three give a [`Report`],
//! which prints as tables for people and serialises in SI units for programs; [`page`] draws a log
//! as a page for a browser.
//!
//! Memory is bounded by [`Book::memory_limit`], whatever comes in.

mod book;
mod decode;
mod histogram;
mod history;
mod human;
mod latency;
mod log;
mod merge;
mod page;
mod reader;
mod table;

pub use book::{Book, MAX_SUBJECTS};
pub use histogram::{CLUSTER_DIGITS, Extent, GREATEST, Magnitudes, Offsets, SUBJECT_DIGITS, Signs};
pub use history::{Course, Happening, History, Point};
pub use human::{human, human_count, human_offset, human_rate};
pub use latency::Metrics;
pub use log::{LogError, LogWriter};
pub use merge::following;
pub use page::page;
pub use reader::{Log, ReadError, TagLog, read, read_all, read_from};
pub use table::{OffsetSummary, OtherRow, Report, Row, Summary};
