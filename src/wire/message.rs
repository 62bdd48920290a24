//! A whole datagram: the header and one of the messages.

use super::field::{Reader, Writer};
use super::reject::Reject;
use super::{
    Adjust, Announce, BODY_LEN, Buffer, Claim, Entry, Grant, Header, Join, LEN, Leave, NodeId,
    Poll, Reply, TRAILER_LEN, Voice, Welcome, header,
};

/// The kind of a reply.
const REPLY: u8 = 5;

/// The messages, by duty. The field layouts are with each type.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A slave asks to be polled.
    Join(Join),
    /// A master's answer to a join.
    Welcome(Welcome),
    /// A node goes.
    Leave(Leave),
    /// The master asks for the time.
    Poll(Poll),
    /// The slave answers a poll.
    Reply(Reply),
    /// The master's delta for one slave.
    Adjust(Adjust),
    /// A master says that it reigns.
    Announce(Announce),
    /// A candidate asks for the mastership.
    Claim(Claim),
    /// The answer to a claim.
    Grant(Grant),
    /// A line of the master's table, for its standbys.
    Entry(Entry),
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Message::Join(_) => 1,
            Message::Welcome(_) => 2,
            Message::Leave(_) => 3,
            Message::Poll(_) => 4,
            Message::Reply(_) => REPLY,
            Message::Adjust(_) => 6,
            Message::Announce(_) => 7,
            Message::Claim(_) => 8,
            Message::Grant(_) => 9,
            Message::Entry(_) => 10,
        }
    }

    /// As what it may be spoken alone; `None`: as either.
    pub const fn voice(&self) -> Option<Voice> {
        match self {
            // Whoever is asked grants, or refuses, and that may be a slave.
            Message::Join(_) | Message::Reply(_) | Message::Grant(_) => Some(Voice::Slave),
            Message::Welcome(_)
            | Message::Poll(_)
            | Message::Adjust(_)
            | Message::Announce(_)
            | Message::Claim(_)
            | Message::Entry(_) => Some(Voice::Master),
            Message::Leave(_) => None,
        }
    }
}

/// One datagram.
#[derive(Debug, Clone, PartialEq)]
pub struct Datagram {
    /// Who speaks, to whom.
    pub header: Header,
    /// What is said.
    pub message: Message,
}

impl Datagram {
    /// Writes the datagram into `out`. The trailer is zero.
    pub fn encode(&self, out: &mut Buffer) {
        let (head, rest) = out.split_first_chunk_mut::<{ header::LEN }>().expect("LEN covers it");
        self.header.encode(self.message.kind(), head);
        let (body, trailer) = rest.split_first_chunk_mut::<BODY_LEN>().expect("LEN covers it");
        let writer = &mut Writer::new(body);
        match &self.message {
            Message::Join(m) => m.encode(writer),
            Message::Welcome(m) => m.encode(writer),
            Message::Leave(m) => m.encode(writer),
            Message::Poll(m) => m.encode(writer),
            Message::Reply(m) => m.encode(writer),
            Message::Adjust(m) => m.encode(writer),
            Message::Announce(m) => m.encode(writer),
            Message::Claim(m) => m.encode(writer),
            Message::Grant(m) => m.encode(writer),
            Message::Entry(m) => m.encode(writer),
        }
        debug_assert_eq!(trailer.len(), TRAILER_LEN);
        trailer.fill(0);
    }

    /// Reads the header alone, and nothing that is not needed to judge the seal.
    ///
    /// # Errors
    /// As [`Datagram::decode`]; type and body are not looked at.
    pub fn outline(bytes: &[u8]) -> Result<(Header, &Buffer), Reject> {
        let (bytes, head, _) = parts(bytes)?;
        Header::decode(head).map(|(header, _)| (header, bytes))
    }

    /// Sender and nonce of what looks like a reply. Neither seal nor fields were checked: they are good
    /// for guesses alone.
    pub fn glance(bytes: &[u8]) -> Option<(NodeId, u64)> {
        let (_, head, body) = parts(bytes).ok()?;
        let (header, kind) = Header::decode(head).ok()?;
        (kind == REPLY).then(|| (header.sender, Reader::new(body).u64()))
    }

    /// Reads a datagram, but for its seal.
    ///
    /// # Errors
    /// The first thing that is wrong with it, in the order length, magic, version, sender, type,
    /// fields.
    pub fn decode(bytes: &[u8]) -> Result<Self, Reject> {
        let (_, head, body) = parts(bytes)?;
        let (header, kind) = Header::decode(head)?;
        let reader = &mut Reader::new(body);
        let message = match kind {
            1 => Message::Join(Join::decode(reader)?),
            2 => Message::Welcome(Welcome::decode(reader)?),
            3 => Message::Leave(Leave::decode(reader)?),
            4 => Message::Poll(Poll::decode(reader)?),
            REPLY => Message::Reply(Reply::decode(reader)?),
            6 => Message::Adjust(Adjust::decode(reader)?),
            7 => Message::Announce(Announce::decode(reader)?),
            8 => Message::Claim(Claim::decode(reader)?),
            9 => Message::Grant(Grant::decode(reader)?),
            10 => Message::Entry(Entry::decode(reader)?),
            _ => return Err(Reject::Type),
        };
        Ok(Self { header, message })
    }
}

/// The whole of what is of the right length, the bytes of its header, and those of its body.
fn parts(bytes: &[u8]) -> Result<(&Buffer, &[u8; header::LEN], &[u8; BODY_LEN]), Reject> {
    let bytes: &Buffer = bytes.try_into().map_err(|_| Reject::Length)?;
    let (head, rest) = bytes.split_first_chunk().ok_or(Reject::Length)?;
    Ok((bytes, head, rest.first_chunk().ok_or(Reject::Length)?))
}

const _: () = assert!(LEN == header::LEN + BODY_LEN + TRAILER_LEN);
