//! Why bytes are refused.

/// Why a datagram is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// It is not [`super::LEN`] bytes long.
    Length,
    /// It does not begin with the protocol's magic number.
    Magic,
    /// It is of a version that this crate does not speak.
    Version,
    /// It is of a type that this version does not know.
    Type,
    /// A field is outside its range.
    Field,
}

impl Reject {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reject; 5] =
        [Reject::Length, Reject::Magic, Reject::Version, Reject::Type, Reject::Field];

    /// The name in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Reject::Length => "length",
            Reject::Magic => "magic",
            Reject::Version => "version",
            Reject::Type => "type",
            Reject::Field => "field",
        }
    }
}
