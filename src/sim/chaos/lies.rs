//! Liars: what a node's datagrams say is changed after the core has written them.

use super::super::dice::Dice;
use crate::time::{Offset, Rate, Span};
use crate::wire::{Buffer, Datagram, Message};

/// What is lied about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lie {
    /// A slave's stamps are wrong by up to so much, anew each time.
    Stamps { up_to: Span },
    /// A slave claims to show something else, and to know it exactly.
    Shown { by: Offset },
    /// Every figure of a slave's reply is what the dice say.
    Nonsense,
    /// A master's deltas are wrong by up to so much, anew each time, and their rates as well.
    Deltas { up_to: Span },
}

impl Lie {
    /// Changes a datagram that is about to leave.
    pub(super) fn tell(self, dice: &mut Dice, bytes: &mut Buffer) {
        let Ok(mut datagram) = Datagram::decode(&bytes[..]) else { return };
        let mut within = |span: Span| Offset::from_secs_f64(span.as_secs_f64() * dice.within());
        match (&mut datagram.message, self) {
            (Message::Reply(reply), Lie::Stamps { up_to }) => {
                reply.t2 = reply.t2 + within(up_to);
                reply.t3 = reply.t3 + within(up_to);
            }
            (Message::Reply(reply), Lie::Shown { by }) => {
                reply.map.reads = reply.map.reads + by;
                reply.error = Span::ZERO;
            }
            (Message::Reply(reply), Lie::Nonsense) => {
                let century = Span::from_secs(100 * 31_557_600);
                reply.t2 = reply.t2 + within(century);
                reply.t3 = reply.t3 + within(century);
                reply.map.at = reply.map.at + within(century);
                reply.map.reads = reply.map.reads + within(century);
                reply.map.rate = Rate::from_ppm(1e5 * dice.within());
                reply.rate = Rate::from_ppm(1e5 * dice.within());
                reply.applied = dice.number() as u32;
                reply.steps = dice.number() as u16;
            }
            (Message::Adjust(adjust), Lie::Deltas { up_to }) => {
                adjust.map.reads = adjust.map.reads + within(up_to);
                let rate = adjust.map.rate + Rate::from_ppm(600.0 * dice.within());
                adjust.map.rate = rate;
                adjust.bound = Span::ZERO;
            }
            _ => return,
        }
        datagram.encode(bytes);
    }
}
