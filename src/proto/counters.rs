//! What a node counts of its datagrams.

use crate::wire::Reject;

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// It does not decode.
    Rejected(Reject),
    /// It carries our own id: a reflection, or two nodes of one id.
    Own,
    /// It is meant for another node.
    NotForUs,
    /// A poll that was answered already: the network doubled it.
    Duplicate,
    /// A reply to no open poll: late, doubled or invented.
    Unasked,
    /// From a node that is not in the roster.
    Stranger,
    /// From a master that we do not obey.
    NotOurMaster,
    /// An adjust of a round or term that is past.
    Stale,
    /// An adjust that cannot be meant for this moment of this clock.
    Implausible,
    /// An adjust that contradicts all that the master said before.
    Insane,
    /// From a node with the identity of another that lives.
    Twin,
    /// A join that the full roster has no room for.
    Full,
    /// A message for the other role.
    WrongRole,
    /// Its address is in none of the networks that are heard.
    NotAllowed,
    /// Its address has sent too much that was useless.
    RateLimited,
    /// It is not sealed, and we hold keys.
    Unsigned,
    /// It is sealed with a key that we do not hold, or that is not for its sender to use.
    UnknownKey,
    /// Its seal does not fit.
    BadMac,
    /// Its seal fits, but it came before, or its sender has been restarted since.
    Replayed,
    /// Its seal fits, but it was meant for an earlier process of ours.
    OtherBoot,
    /// Its seal fits, but its sender has not proven yet to be alive.
    Unproven,
    /// A key of a slave was used for a master's words, or the other way round.
    NotEntitled,
    /// A join while too many others have not answered a poll yet.
    Pending,
}

impl Drop {
    const COUNT: usize = Reject::ALL.len() + 22;

    /// All reasons, in the order of the counters.
    pub const ALL: [Drop; Self::COUNT] = [
        Drop::Rejected(Reject::Length),
        Drop::Rejected(Reject::Magic),
        Drop::Rejected(Reject::Version),
        Drop::Rejected(Reject::Type),
        Drop::Rejected(Reject::Field),
        Drop::Own,
        Drop::NotForUs,
        Drop::Duplicate,
        Drop::Unasked,
        Drop::Stranger,
        Drop::NotOurMaster,
        Drop::Stale,
        Drop::Implausible,
        Drop::Insane,
        Drop::Twin,
        Drop::Full,
        Drop::WrongRole,
        Drop::NotAllowed,
        Drop::RateLimited,
        Drop::Unsigned,
        Drop::UnknownKey,
        Drop::BadMac,
        Drop::Replayed,
        Drop::OtherBoot,
        Drop::Unproven,
        Drop::NotEntitled,
        Drop::Pending,
    ];

    /// The name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Drop::Rejected(reject) => reject.name(),
            Drop::Own => "own_id",
            Drop::NotForUs => "not_for_us",
            Drop::Duplicate => "duplicate",
            Drop::Unasked => "unasked",
            Drop::Stranger => "stranger",
            Drop::NotOurMaster => "not_our_master",
            Drop::Stale => "stale",
            Drop::Implausible => "implausible",
            Drop::Insane => "insane",
            Drop::Twin => "twin",
            Drop::Full => "full",
            Drop::WrongRole => "wrong_role",
            Drop::NotAllowed => "not_allowed",
            Drop::RateLimited => "rate_limited",
            Drop::Unsigned => "unsigned",
            Drop::UnknownKey => "unknown_key",
            Drop::BadMac => "bad_mac",
            Drop::Replayed => "replayed",
            Drop::OtherBoot => "other_boot",
            Drop::Unproven => "unproven",
            Drop::NotEntitled => "not_entitled",
            Drop::Pending => "pending",
        }
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|&drop| drop == self).expect("ALL is complete")
    }
}

/// Counts since the node started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams that came in, whatever they were.
    pub received: u64,
    /// Datagrams that went out.
    pub sent: u64,
    /// Replies that were in order but took longer than the greatest allowed round trip.
    pub slow: u64,
    dropped: [u64; Drop::COUNT],
}

impl Counters {
    /// How many datagrams were dropped for `reason`.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.dropped[reason.index()]
    }

    /// How many datagrams were dropped for any reason.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        Drop::ALL.into_iter().zip(self.dropped).filter(|&(_, count)| count > 0)
    }

    pub(super) fn drop(&mut self, reason: Drop) {
        self.dropped[reason.index()] += 1;
    }
}
