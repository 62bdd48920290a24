//! Challenges that need no memory: what a joiner has to echo can be worked out again.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::time::{Local, Span, Time};
use crate::wire::Header;

/// A challenge is good for one to two of these: longer than the longest pause between two joins.
const TURN: Span = Span::from_secs(8);

/// Makes and knows challenges. Each is a truncated HMAC of who asks, from where and when, under a
/// secret of this process, as TCP's SYN cookies are: so an echo of it proves that the asker got it
/// at that address, not long ago.
#[derive(Debug)]
pub(super) struct Cookies {
    secret: Zeroizing<[u8; 32]>,
}

impl Cookies {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret: Zeroizing::new(secret) }
    }

    pub(super) fn make(&self, now: Time<Local>, to: SocketAddr, header: &Header) -> u64 {
        let code = self.mac(turn(now), to, header).finalize().into_bytes();
        code.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }

    pub(super) fn is_good(
        &self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        cookie: u64,
    ) -> bool {
        let turns = [turn(now), turn(now).wrapping_sub(1)];
        let code = cookie.to_be_bytes();
        // 0 says that there is none.
        cookie != 0
            && turns
                .into_iter()
                .any(|turn| self.mac(turn, from, header).verify_truncated_left(&code).is_ok())
    }

    fn mac(&self, turn: i64, addr: SocketAddr, header: &Header) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("any length will do");
        mac.update(&turn.to_be_bytes());
        mac.update(&header.sender.0.to_be_bytes());
        mac.update(&header.boot.0.to_be_bytes());
        mac.update(&addr.port().to_be_bytes());
        match addr.ip() {
            std::net::IpAddr::V4(ip) => mac.update(&ip.octets()),
            std::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac
    }
}

fn turn(now: Time<Local>) -> i64 {
    now.as_nanos().div_euclid(TURN.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{BootId, NodeId, Rank, Term};

    #[test]
    fn a_challenge_is_good_for_its_asker_there_and_then_alone() {
        let cookies = Cookies::new([7; 32]);
        let header = Header {
            sender: NodeId(3),
            receiver: NodeId::UNKNOWN,
            boot: BootId(4),
            term: Term(0),
            rank: Rank(0),
            sequence: 1,
        };
        let at = |secs: u64| Time::from_nanos(0) + Span::from_secs(secs);
        let here: SocketAddr = "10.0.0.3:7045".parse().unwrap();
        let cookie = cookies.make(at(1_000), here, &header);
        let good = |secs, from, header: &Header| cookies.is_good(at(secs), from, header, cookie);
        assert!(good(1_000, here, &header) && good(1_007, here, &header));
        assert!(!good(1_016, here, &header), "too late");
        assert!(!good(991, here, &header), "not made yet");
        assert!(!good(1_000, "10.0.0.3:7046".parse().unwrap(), &header));
        assert!(!good(1_000, "10.0.0.4:7045".parse().unwrap(), &header));
        assert!(!good(1_000, here, &Header { sender: NodeId(5), ..header }));
        assert!(!good(1_000, here, &Header { boot: BootId(5), ..header }));
        assert!(!cookies.is_good(at(1_000), here, &header, cookie ^ 1));
        let others = Cookies::new([8; 32]);
        assert!(!others.is_good(at(1_000), here, &header, cookie));
    }
}
