//! What becomes of an exchange that is complete.

use super::Master;
use super::status::found;
use crate::proto::agenda::Place;
use crate::proto::event::{Event, Measured};
use crate::proto::exchange::{Exchange, Source, Stamp};
use crate::proto::roster::Said;
use crate::proto::track::{Finding, Taken};
use crate::time::Offset;
use crate::wire::Reply;

impl Master {
    /// The exchange that was held back goes on, with the better T3 where the reply brings it.
    pub(super) fn release(&mut self, place: Place, reply: &Reply) {
        let Some(member) = self.roster.get_mut(place) else { return };
        member.say(Said { map: reply.map, steps: reply.steps });
        member.told = false;
        let Some(held) = member.held.take() else { return };
        let mut exchange = held.exchange();
        if let Some(better) = reply.correction.filter(|c| c.nonce == held.nonce) {
            exchange.t3 = Stamp { at: better.t3, source: Source::from_number(better.source) };
        }
        self.measure(place, &exchange);
    }

    /// Takes an exchange in, if it is worth that.
    pub(super) fn measure(&mut self, place: Place, exchange: &Exchange) -> Option<Taken> {
        let member = self.roster.get_mut(place)?;
        let round_trip = exchange.round_trip();
        if round_trip < Offset::ZERO || round_trip.abs() > self.settings.max_rtt {
            self.counters.slow += 1;
            return None;
        }
        let round_trip = round_trip.abs();
        let taken = member.track.observe(exchange, &mut self.wheel);
        // What is left out, or was forgotten, says nothing of how far the estimate may be off.
        let least = match taken.finding {
            Finding::Doubted => None,
            Finding::Started | Finding::Stepped(_) => Some(round_trip),
            _ => Some(member.round_trip.get().map_or(round_trip, |r| r.min(round_trip))),
        };
        if least.is_some() {
            member.round_trip = least.into();
        }
        member.stamps.count(exchange.source());
        member.heard = Some(exchange.t4.at).into();
        let noise = taken.noise.forward.max(taken.noise.backward);
        let measured = Measured { id: member.who.id, round_trip, noise };
        let found = found(&member.who, taken.finding);
        self.tell(Event::Exchange(measured));
        if let Some(event) = found {
            self.tell(event);
        }
        Some(taken)
    }
}
