//! Who is master, as JSON.

use serde::Serialize;

use super::{Node, node};
use crate::proto::{Cause, Event, Surrender};

/// What a line about the succession says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::cli) enum Succession<'a> {
    Nothing {},
    Inherited {
        members: u32,
    },
    StandingBy {
        #[serde(flatten)]
        node: Node<'a>,
        rank: u8,
    },
    Claimed {
        term: u32,
        why: &'static str,
    },
    StoodBack {
        #[serde(flatten)]
        node: Node<'a>,
        told_by: &'a str,
    },
    Elected {
        term: u32,
        votes: u32,
        why: &'static str,
    },
    Outbid {
        #[serde(flatten)]
        node: Node<'a>,
        term: u32,
        size: u32,
        than: u32,
    },
    Yielded {
        term: u32,
        why: &'static str,
        to: Option<Node<'a>>,
    },
    OutOfSight {
        members: u32,
        missing: u32,
    },
    Resigned {
        term: u32,
        heir: Option<Node<'a>>,
    },
}

/// The name of the line and what it says; none where the event is about something else.
pub(super) fn succession(event: &Event) -> Option<(&'static str, Succession<'_>)> {
    Some(match event {
        Event::StandingBy { who, rank } => {
            ("standing_by", Succession::StandingBy { node: node(who), rank: rank.0 })
        }
        Event::Claimed { term, why } => {
            ("claimed", Succession::Claimed { term: term.0, why: cause(*why) })
        }
        Event::StoodBack { by, master } => {
            ("stood_back", Succession::StoodBack { node: node(master), told_by: by.name.as_str() })
        }
        Event::Elected { term, votes, why } => {
            ("elected", Succession::Elected { term: term.0, votes: *votes, why: cause(*why) })
        }
        Event::Inherited { members } => {
            ("inherited", Succession::Inherited { members: members.len() as u32 + 1 })
        }
        Event::Outbid { rival, term, size, than } => {
            let (node, term) = (node(rival), term.0);
            ("outbid", Succession::Outbid { node, term, size: *size, than: *than })
        }
        Event::Yielded { term, to, why } => {
            let why = match why {
                Surrender::Outranked => "outranked",
                Surrender::Minority => "minority",
            };
            ("yielded", Succession::Yielded { term: term.0, why, to: to.as_ref().map(node) })
        }
        Event::Resigned { term, heir } => {
            ("resigned", Succession::Resigned { term: term.0, heir: heir.as_ref().map(node) })
        }
        Event::OutOfSight { members, missing } => {
            ("out_of_sight", Succession::OutOfSight { members: *members, missing: *missing })
        }
        Event::InSight => ("in_sight", Succession::Nothing {}),
        Event::Unfit => ("unfit", Succession::Nothing {}),
        Event::Unkept => ("unkept", Succession::Nothing {}),
        Event::Forgetful => ("forgetful", Succession::Nothing {}),
        _ => return None,
    })
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Started => "started",
        Cause::Silence => "silence",
        Cause::Resigned => "resigned",
    }
}
