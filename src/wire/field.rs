//! Reading and writing the fields of a body, in order, big-endian.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use byteorder::{BigEndian, ByteOrder};

use super::reject::Reject;
use crate::time::{Offset, Rate, Remote, Scale, Span, Time};

/// Rates travel as whole parts in 10^15, so that they are exact, finite and have a fraction.
const PER_PPB: f64 = 1e6;
/// No oscillator is a tenth off; what claims to be is an error or a lie.
const RATE_LIMIT: i64 = 100_000_000_000_000;

/// Takes fields off the front of a body whose length is known to suffice.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8; super::BODY_LEN]) -> Self {
        Self(body)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_at(N);
        self.0 = rest;
        head.try_into().expect("split_at gives N bytes")
    }

    pub(super) fn u8(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        BigEndian::read_u16(&self.bytes::<2>())
    }

    pub(super) fn u32(&mut self) -> u32 {
        BigEndian::read_u32(&self.bytes::<4>())
    }

    pub(super) fn u64(&mut self) -> u64 {
        BigEndian::read_u64(&self.bytes::<8>())
    }

    fn i64(&mut self) -> i64 {
        BigEndian::read_i64(&self.bytes::<8>())
    }

    pub(super) fn time<S: Scale>(&mut self) -> Time<S> {
        Time::from_nanos(self.i64())
    }

    pub(super) fn local(&mut self) -> Time<Remote> {
        self.time()
    }

    pub(super) fn offset(&mut self) -> Offset {
        Offset::from_nanos(self.i64())
    }

    pub(super) fn span(&mut self) -> Result<Span, Reject> {
        match self.i64() {
            nanos @ 0.. => Ok(Span::from_nanos(nanos as u64)),
            _ => Err(Reject::Field),
        }
    }

    pub(super) fn rate(&mut self) -> Result<Rate, Reject> {
        let parts = self.i64();
        if (-RATE_LIMIT..=RATE_LIMIT).contains(&parts) {
            Ok(Rate::from_ppb(parts as f64 / PER_PPB))
        } else {
            Err(Reject::Field)
        }
    }

    /// An address; none where the port is 0.
    pub(super) fn address(&mut self) -> Option<SocketAddr> {
        let (ip, port) = (Ipv6Addr::from(self.bytes::<16>()), self.u16());
        let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
        (port != 0).then_some(SocketAddr::new(ip, port))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Reject> {
        match self.u8() {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Reject::Field),
        }
    }
}

/// Puts fields into a body one after the other; the rest of the body stays zero.
pub(super) struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    pub(super) fn new(body: &'a mut [u8; super::BODY_LEN]) -> Self {
        body.fill(0);
        Self(body)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (head, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        self.0 = rest;
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn time<S: Scale>(&mut self, time: Time<S>) {
        self.bytes(&time.as_nanos().to_be_bytes());
    }

    pub(super) fn offset(&mut self, offset: Offset) {
        self.bytes(&offset.as_nanos().to_be_bytes());
    }

    pub(super) fn span(&mut self, span: Span) {
        self.u64(span.as_nanos());
    }

    /// A rate beyond what a receiver accepts is sent as the nearest that it does.
    pub(super) fn rate(&mut self, rate: Rate) {
        let parts = (rate.as_ppb() * PER_PPB).round() as i64;
        self.bytes(&parts.clamp(-RATE_LIMIT, RATE_LIMIT).to_be_bytes());
    }

    /// IPv4 goes as it is mapped into IPv6. A scope of a link-local address stays here: it means
    /// nothing to another machine.
    pub(super) fn address(&mut self, addr: Option<SocketAddr>) {
        let ip = addr.map_or(Ipv6Addr::UNSPECIFIED, |addr| match addr.ip() {
            IpAddr::V4(four) => four.to_ipv6_mapped(),
            IpAddr::V6(six) => six,
        });
        self.bytes(&ip.octets());
        self.u16(addr.map_or(0, |addr| addr.port()));
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.u8(u8::from(flag));
    }
}
