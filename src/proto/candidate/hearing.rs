//! What a candidate does with what it hears.

use std::net::SocketAddr;

use super::{Candidate, Drop, Opened, Pending, Receiver, Role, Slave, Stamp};
use crate::time::{Local, Time};
use crate::wire::{Admission, Datagram, Header, Join, Message, Welcome};

impl Candidate {
    pub(super) fn on_election(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        opened: &Opened,
    ) -> Result<(), Drop> {
        let datagram = &opened.datagram;
        let header = &datagram.header;
        if let Message::Announce(announce) = &datagram.message
            && matches!(self.role(), Role::Standby(_))
        {
            // Whom it obeys is for the slave to say; that somebody reigns is for the election.
            if opened.proven {
                let _ = self.take(now, from, at, datagram);
            } else if let Role::Standby(slave) = self.role_mut() {
                // It may be a recording: the one that it is of is asked.
                slave.wonder(now, from, Drop::Unproven);
            }
            if self.obeyed(from, header).is_ok() {
                self.inheritance.brief(now, announce);
            }
            self.observe(now);
        }
        self.election.hear(now, from, header, &datagram.message);
        self.call_court();
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        datagram: &Datagram,
    ) -> Result<(), Drop> {
        let header = &datagram.header;
        match self.role_mut() {
            Role::Standby(slave) => slave.take(now, from, at, datagram),
            Role::Master(master) => {
                master.take(now, from, at, datagram)?;
                if let Message::Reply(reply) = &datagram.message
                    && reply.standby
                {
                    self.election.enrol(from, header.sender, header.rank);
                    self.election.support(now, from, header.term);
                    self.call_court();
                }
                Ok(())
            }
        }
    }

    /// Somebody takes us for a master: tells it where there is one.
    pub(super) fn redirect(
        &mut self,
        from: SocketAddr,
        header: &Header,
        join: &Join,
    ) -> Result<(), Drop> {
        let master = self.standby().and_then(Slave::obeyed).ok_or(Drop::WrongRole)?;
        let welcome = Welcome {
            nonce: join.nonce,
            admission: Admission::Elsewhere(master.addr),
            interval: master.interval,
            name: self.settings.master.identity.name.clone(),
            challenge: 0,
        };
        let receiver = Receiver::sender_of(header);
        self.pending.push_back(Pending::Send(from, receiver, Message::Welcome(welcome)));
        Ok(())
    }
}
