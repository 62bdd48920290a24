//! Numbers with units as they stand in a scenario file: strings, refused without a unit.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::scenario::Draw;
use crate::time::{Offset, Rate, Span};
use crate::units;

/// A century: longer is a slip of the pen.
const LONGEST: Span = Span::from_secs(3_155_760_000);
/// A hundredth: no clock is that far off.
const FASTEST: Rate = Rate::from_ppm(10_000.0);

/// What can stand in a string, and is written as [`Quantity::EXAMPLE`] says.
pub(super) trait Quantity: Sized {
    const EXAMPLE: &'static str;

    fn parse(text: &str) -> Result<Self, String>;
}

impl Quantity for Span {
    const EXAMPLE: &'static str = "a time with its unit in quotes, as in \"50us\"";

    fn parse(text: &str) -> Result<Self, String> {
        units::span(text, Span::ZERO, LONGEST)
    }
}

impl Quantity for Offset {
    const EXAMPLE: &'static str = "an offset with its unit in quotes, as in \"-50ms\"";

    fn parse(text: &str) -> Result<Self, String> {
        units::offset(text, LONGEST)
    }
}

impl Quantity for Rate {
    const EXAMPLE: &'static str = "a rate with its unit in quotes, as in \"40ppm\"";

    fn parse(text: &str) -> Result<Self, String> {
        units::rate(text, -FASTEST, FASTEST)
    }
}

/// A share of the whole: `"20%"` is 0.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share(pub(super) f64);

impl Quantity for Share {
    const EXAMPLE: &'static str = "a share in percent in quotes, as in \"20%\"";

    fn parse(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match percent {
            Some(percent @ 0.0..=100.0) => Ok(Self(percent / 100.0)),
            _ => Err("allowed is 0% to 100%, as in 20%".to_owned()),
        }
    }
}

/// `"±50ms"` or `"+-50ms"` is drawn, `"50ms"` is given.
impl<T: Quantity> Quantity for Draw<T> {
    const EXAMPLE: &'static str = T::EXAMPLE;

    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('±').or_else(|| text.strip_prefix("+-")) {
            Some(limit) if limit.starts_with(|c: char| c.is_ascii_digit()) => {
                T::parse(limit).map(Draw::Within)
            }
            Some(_) => Err("± stands before a plain number, as in ±50ms".to_owned()),
            None => T::parse(text).map(Draw::Exactly),
        }
    }
}

/// A quantity in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct In<T>(pub(super) T);

impl<'de, T: Quantity> Deserialize<'de> for In<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData)).map(In)
    }
}

struct Text<T>(PhantomData<T>);

impl<T: Quantity> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXAMPLE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(|why| E::custom(format!("`{text}`: {why}")))
    }
}
