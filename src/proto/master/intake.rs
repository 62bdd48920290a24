//! Replies that were let in, until all that came with them were, too.
//!
//! From a datagram to a slave's next deadline is more code than a processor keeps next to it. So that is gone
//! through in parts, each for all that came at once: first every reply is let in, then every exchange is
//! measured, then every slot that is complete is closed. Nobody sees a difference but the clock.

use super::{Exchange, Held, Local, Master, Place, Stamp, Time};
use crate::proto::exchange::Source;
use crate::proto::roster::Said;
use crate::proto::track::Taken;
use crate::wire::{Correction, Reply};

/// More than come at once do not wait.
const MOST: usize = 32;

/// What of a reply is used later.
#[derive(Debug)]
pub(super) struct LetIn {
    place: Place,
    exchange: Exchange,
    nonce: u64,
    said: Said,
    /// A better T3 may follow, and that of an earlier reply does.
    t3_follows: bool,
    correction: Option<Correction>,
    /// It was the last that its slot waited for.
    ends: bool,
    /// What its exchange told.
    taken: Option<Taken>,
}

impl LetIn {
    pub(super) fn new(place: Place, exchange: Exchange, reply: &Reply, ends: bool) -> Self {
        Self {
            place,
            exchange,
            nonce: reply.nonce,
            said: Said { map: reply.map, steps: reply.steps },
            t3_follows: reply.t3_follows,
            correction: reply.correction,
            ends,
            taken: None,
        }
    }
}

impl Master {
    /// Has a reply wait until what came with it was let in.
    pub(super) fn let_in(&mut self, now: Time<Local>, reply: LetIn) {
        if self.replies.len() == MOST {
            self.use_replies(now);
        }
        self.replies.push(reply);
    }

    /// Uses the replies that wait. Whatever else happens to a member happens after that.
    pub(super) fn use_replies(&mut self, now: Time<Local>) {
        if self.replies.is_empty() {
            return;
        }
        let mut replies = std::mem::take(&mut self.replies);
        for reply in &mut replies {
            reply.taken = self.use_reply(reply);
        }
        for reply in replies.iter().filter(|reply| reply.ends) {
            self.finish(now, reply.place, reply.taken.as_ref());
        }
        // The room is kept.
        replies.clear();
        self.replies = replies;
    }

    fn use_reply(&mut self, reply: &LetIn) -> Option<Taken> {
        self.release(reply);
        if reply.t3_follows {
            let member = self.roster.get_mut(reply.place)?;
            member.held = Some(Held::new(reply.nonce, &reply.exchange));
            return None;
        }
        self.measure(reply.place, &reply.exchange)
    }

    /// The exchange that was held back goes on, with the better T3 where the reply brings it.
    fn release(&mut self, reply: &LetIn) {
        let Some(member) = self.roster.get_mut(reply.place) else { return };
        member.say(reply.said);
        member.told = false;
        let Some(held) = member.held.take() else { return };
        let mut exchange = held.exchange();
        if let Some(better) = reply.correction.filter(|c| c.nonce == held.nonce) {
            exchange.t3 = Stamp { at: better.t3, source: Source::from_number(better.source) };
        }
        self.measure(reply.place, &exchange);
    }
}
