//! What becomes of an exchange that is complete.

use super::Master;
use super::status::found;
use crate::proto::agenda::Place;
use crate::proto::event::{Event, Measured};
use crate::proto::exchange::Exchange;
use crate::proto::track::{Finding, Taken};
use crate::time::Offset;

impl Master {
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
