//! What people call a node.

use std::fmt;

use super::reject::Reject;

/// A node's name: 1 to 32 bytes of printable UTF-8 without white space at the ends; for people,
/// never an identity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Zeros behind it, of which a name itself has none: so these alone decide the order.
    bytes: [u8; Name::MAX],
    len: u8,
}

impl Name {
    /// The longest name in bytes.
    pub const MAX: usize = 32;

    /// Checks a name.
    ///
    /// # Errors
    /// [`Reject::Field`] where it is empty, too long, or holds what a terminal would obey.
    pub fn new(name: &str) -> Result<Self, Reject> {
        let fits = (1..=Self::MAX).contains(&name.len());
        if fits && name.trim() == name && !name.chars().any(char::is_control) {
            let mut bytes = [0; Self::MAX];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            Ok(Self { bytes, len: name.len() as u8 })
        } else {
            Err(Reject::Field)
        }
    }

    /// The nearest allowed name to `name`: control characters left out, cut at 32 bytes; `node`
    /// where nothing is left.
    pub fn nearest(name: &str) -> Self {
        let mut kept = String::new();
        for c in name.trim().chars().filter(|c| !c.is_control()) {
            if kept.len() + c.len_utf8() > Self::MAX {
                break;
            }
            kept.push(c);
        }
        Self::new(kept.trim()).or_else(|_| Self::new("node")).expect("a good name")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("it was a str")
    }

    pub(super) fn to_field(&self) -> [u8; Self::MAX] {
        self.bytes
    }

    pub(super) fn from_field(field: &[u8; Self::MAX]) -> Result<Self, Reject> {
        let end = field.iter().position(|&b| b == 0).unwrap_or(Self::MAX);
        if field[end..].iter().any(|&b| b != 0) {
            return Err(Reject::Field);
        }
        Self::new(std::str::from_utf8(&field[..end]).map_err(|_| Reject::Field)?)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_carry_terminal_escapes() {
        assert!(Name::new("rack-3 left").is_ok());
        assert!(Name::new("\x1b[2Jgone").is_err());
        assert!(Name::new("").is_err());
        assert!(Name::new(&"x".repeat(33)).is_err());
        assert_eq!(Name::nearest("\x1b[2Jgone").as_str(), "[2Jgone");
        assert_eq!(Name::nearest(&"ü".repeat(20)).as_str(), "ü".repeat(16));
        assert_eq!(Name::nearest("\n").as_str(), "node");
    }
}
