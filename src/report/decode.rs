//! One encoded histogram out of an interval log, which may be hostile.
//!
//! The crate's own decoder believes what the header claims: up to 4 GiB of payload. So it is given
//! nothing that was not measured before.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

const PLAIN: u32 = 0x1c84_9313;
const DEFLATED: u32 = 0x1c84_9314;
const HEADER: usize = 40;

/// Longest encoded histogram after decompression, in bytes; the largest honest one, with five
/// digits and millions of values, has some 4 MiB.
const MAX_PLAIN: u64 = 8 << 20;

/// Most counters of one histogram, 32 MiB: five digits from 1 ns to an hour are 3.4 million.
const MAX_BINS: u64 = 4 << 20;

/// Most values in one histogram: beyond this, sums of counts are no longer exact in a double.
pub(super) const MAX_COUNT: u64 = 1 << 53;

/// Why a histogram could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends before its own length says.
    CutOff,
    /// It is not in the encoding V2, or in an unknown variant of it.
    Foreign,
    /// It contradicts itself.
    Damaged,
    /// It claims more than any measurement needs.
    TooLarge,
}

/// The histogram in `encoded`, base64 of the encoding V2, deflated or not.
pub(super) fn decode(encoded: &str) -> Result<Histogram<u64>, Fault> {
    let bytes = STANDARD.decode(encoded).map_err(|_| undecodable(encoded))?;
    let plain = match word(&bytes, 0)? {
        PLAIN => check_header(&bytes).map(|()| bytes)?,
        DEFLATED => {
            let plain = inflate(&bytes)?;
            // What came whole through the checksum was not cut off on its way.
            let cut_is_damage = |f| if f == Fault::CutOff { Fault::Damaged } else { f };
            check_header(&plain).map(|()| plain).map_err(cut_is_damage)?
        }
        _ => return Err(Fault::Foreign),
    };
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut &plain[..]).map_err(|_| Fault::Damaged)?;
    if histogram.len() > MAX_COUNT { Err(Fault::TooLarge) } else { Ok(histogram) }
}

/// The number of counters of a histogram for values up to `high`, as the crate lays it out.
pub(super) fn bins(low: u64, high: u64, digits: u8) -> u64 {
    let single = 2 * 10u64.pow(u32::from(digits.min(5)));
    let magnitude = u64::BITS - (single - 1).leading_zeros();
    let unit = low.max(1).ilog2();
    let buckets = u64::from((high.max(1).ilog2() + 1).saturating_sub(unit + magnitude)) + 1;
    (buckets + 1) << (magnitude - 1)
}

/// Base64 that is cut off has a length that is no multiple of four; other base64 is none.
fn undecodable(encoded: &str) -> Fault {
    let clean = encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let ours = encoded.starts_with("HIST") || "HIST".starts_with(encoded);
    if clean && ours { Fault::CutOff } else { Fault::Foreign }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let length = word(bytes, 4)? as usize;
    let body = bytes.get(8..).unwrap_or(&[]);
    let body = body.get(..length).ok_or(Fault::CutOff)?;
    let mut plain = Vec::new();
    let inflated = ZlibDecoder::new(body).take(MAX_PLAIN + 1).read_to_end(&mut plain);
    inflated.map_err(|_| Fault::Damaged)?;
    if plain.len() as u64 > MAX_PLAIN { Err(Fault::TooLarge) } else { Ok(plain) }
}

fn check_header(plain: &[u8]) -> Result<(), Fault> {
    if word(plain, 0)? != PLAIN {
        return Err(Fault::Foreign);
    }
    let length = word(plain, 4)? as usize;
    let payload = plain.get(HEADER..).ok_or(Fault::CutOff)?;
    let payload = payload.get(..length).ok_or(Fault::CutOff)?;
    let digits = word(plain, 12)?;
    let (low, high) = (long(plain, 16)?, long(plain, 24)?);
    if digits > 5 || low == 0 || high / 2 < low {
        return Err(Fault::Damaged);
    }
    if bins(low, high, digits as u8) > MAX_BINS {
        return Err(Fault::TooLarge);
    }
    // The number the decoder cannot negate: -2^63 zeros, nine bytes with every bit set.
    if payload.windows(9).any(|nine| nine.iter().all(|b| *b == 0xff)) {
        return Err(Fault::Damaged);
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    four.map(u32::from_be_bytes).ok_or(Fault::CutOff)
}

fn long(bytes: &[u8], at: usize) -> Result<u64, Fault> {
    let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    eight.map(u64::from_be_bytes).ok_or(Fault::CutOff)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use proptest::prelude::*;

    use super::*;

    fn plain(values: &[u64]) -> Vec<u8> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 100_000_000_000, 2).unwrap();
        values.iter().for_each(|v| histogram.record(*v).unwrap());
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        bytes
    }

    fn deflated(plain: &[u8]) -> String {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(plain).unwrap();
        let body = zlib.finish().unwrap();
        let mut bytes = DEFLATED.to_be_bytes().to_vec();
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body);
        STANDARD.encode(bytes)
    }

    #[test]
    fn the_layout_is_the_crates_own() {
        for (low, high, digits) in
            [(1, 2, 0), (1, 100_000_000_000, 2), (1, 3_600_000_000_000, 5), (1000, u64::MAX, 3)]
        {
            let histogram = Histogram::<u64>::new_with_bounds(low, high, digits).unwrap();
            assert_eq!(bins(low, high, digits), histogram.distinct_values() as u64);
        }
    }

    #[test]
    fn claims_are_measured_before_they_are_believed() {
        let good = plain(&[5, 500, 5_000_000]);
        assert_eq!(decode(&deflated(&good)).unwrap().len(), 3);
        assert_eq!(decode(&STANDARD.encode(&good)).unwrap().len(), 3);

        let bomb = vec![0; 1 << 28];
        assert_eq!(decode(&deflated(&bomb)).unwrap_err(), Fault::TooLarge);

        let mut long = good.clone();
        long[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(decode(&deflated(&long)).unwrap_err(), Fault::Damaged);

        let mut wide = good.clone();
        wide[12..16].copy_from_slice(&5u32.to_be_bytes());
        wide[24..32].copy_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(decode(&deflated(&wide)).unwrap_err(), Fault::TooLarge);

        let mut negative = good[..HEADER].to_vec();
        negative[4..8].copy_from_slice(&9u32.to_be_bytes());
        negative.extend([0xff; 9]);
        assert_eq!(decode(&deflated(&negative)).unwrap_err(), Fault::Damaged);

        let text = deflated(&good);
        for cut in 1..text.len() {
            assert_eq!(decode(&text[..cut]).unwrap_err(), Fault::CutOff, "{cut}");
        }
        assert_eq!(decode("not base64!").unwrap_err(), Fault::Foreign);
    }

    proptest! {
        /// Also guards the sums inside the crate, which overflow loudly in a debug build.
        #[test]
        fn no_header_and_no_payload_makes_it_panic(
            header in any::<[u8; 32]>(),
            keep in any::<u32>(),
            digits in 0u8..7,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = plain(&[7]);
            for (i, byte) in header.iter().enumerate().filter(|(i, _)| keep >> i & 1 == 0) {
                bytes[8 + i] = *byte;
            }
            bytes[8..16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, digits]);
            bytes[32..40].copy_from_slice(&1f64.to_be_bytes());
            bytes.truncate(HEADER);
            bytes[4..8].copy_from_slice(&(payload.len() as u32).to_be_bytes());
            bytes.extend(payload);
            if let Ok(histogram) = decode(&STANDARD.encode(&bytes)) {
                let top = histogram.value_at_quantile(1.0);
                prop_assert!(histogram.value_at_quantile(0.5) <= top);
                let mut all = histogram.clone();
                all.auto(true);
                all.add(&histogram).unwrap();
            }
        }
    }
}
