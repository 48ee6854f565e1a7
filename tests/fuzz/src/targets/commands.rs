//! What agents send: signed commands, and the operations within them.

use std::collections::HashSet;
use std::sync::LazyLock;

use quorate_protocol::codec;
use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::inbox::{InboxOperation, InboxOutcome};
use quorate_protocol::operations::members::{MembersOperation, MembersOutcome};
use quorate_protocol::operations::proposals::{ProposalsOperation, ProposalsOutcome};
use quorate_protocol::{InboxContent, MembersChange, SignedCommand};

use super::{Format, PLAIN, QUICK, Target, canonical, canonical_as, genuine};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "commands",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

static GENUINE: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| genuine(seeds()));

fn seeds() -> Vec<Seed> {
    let commands = WORLD.batches.iter().flat_map(|committed| &committed.batch.commands);
    let mut seeds: Vec<_> = commands
        .enumerate()
        .map(|(at, command)| Seed::new(format!("command-{at}"), command.encode()))
        .collect();
    seeds.push(Seed::new("observation", WORLD.observation().encode()));
    seeds
}

fn check(bytes: &[u8]) {
    let identity = &WORLD.group.identity;
    let Some(command) = canonical(bytes, SignedCommand::decode(bytes), SignedCommand::encode) else { return };
    let content = command.command().clone();
    for operation in &content.operations {
        canonical_as::<MembersOperation>(&operation.body, MAX_COMMAND_BYTES);
        canonical_as::<MembersOutcome>(&operation.body, MAX_COMMAND_BYTES);
        canonical_as::<ProposalsOutcome>(&operation.body, MAX_COMMAND_BYTES);
        canonical_as::<InboxOutcome>(&operation.body, MAX_COMMAND_BYTES);
        if let Some(InboxOperation::Observe(observe)) = canonical_as(&operation.body, MAX_COMMAND_BYTES) {
            // Whatever stands in a message is somebody else's.
            for message in &observe.messages {
                if let InboxContent::Command(bytes) = message.content() {
                    canonical(bytes, SignedCommand::decode(bytes), SignedCommand::encode);
                }
            }
        }
        if let Some(ProposalsOperation::Propose(propose)) = canonical_as(&operation.body, MAX_COMMAND_BYTES) {
            // Any proposal may turn out to be a change of members.
            let _ = MembersChange::of(identity, &propose.calls);
        }
    }
    // A signature of a key that is not a member's proves nothing: whoever sends a command chooses its key.
    let members = &WORLD.group.members;
    let is_member = members.iter().any(|member| member.key == content.key);
    if command.verify(&identity.group).is_ok() && is_member {
        assert!(GENUINE.contains(bytes), "a command verifies that its agent did not sign");
    }
    assert!(codec::encode(&content).len() <= bytes.len(), "the content is a part of the bytes");
}
