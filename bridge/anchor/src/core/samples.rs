//! What the unit tests of the core are about: a group of four, and checkpoints that all of it signed.

use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::group::FLAG_REPLICA;
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Checkpoint, CheckpointCertificate, Class, Digest, Epoch, Group, GroupId,
    GroupIdentity, Handover, Member, Sequence, SignedCheckpoint, Terms,
};

/// A group of four replicas with their accounts, in member order.
pub(super) fn sample_group() -> (Group, Vec<AccountKey>) {
    let mut keys: Vec<_> = (1..=4u8)
        .map(|i| (AccountKey::from_secret(&[i; 32]).unwrap(), AgentKey::from_secret(&[i; 32])))
        .collect();
    keys.sort_by_key(|(account, _)| account.address());
    let members = keys
        .iter()
        .map(|(account, key)| Member {
            agent: AgentId(account.address()),
            key: key.public(),
            // Nobody votes, so no change of the replicas alters a weight.
            weight: 0,
            flags: FLAG_REPLICA,
        })
        .collect();
    let identity =
        GroupIdentity { chain_id: 31337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) };
    let terms = Terms::of_class(Class::of_weight(3, 4, 60));
    let account = AgentId::from([0xac; 20]);
    (
        Group { identity, account, epoch: Epoch(0), members, terms, voters_since: Epoch(0) },
        keys.into_iter().map(|(key, _)| key).collect(),
    )
}

/// The root that the sample log has at `log_size`.
pub(super) fn root(log_size: u64) -> Digest {
    Digest::of(&[&log_size.to_be_bytes()])
}

/// A checkpoint that all replicas signed.
pub(super) fn certificate(
    group: &Group,
    keys: &[AccountKey],
    sequence: u64,
    log_size: u64,
) -> CheckpointCertificate {
    signed(group, keys, checkpoint(group, sequence, log_size))
}

/// A checkpoint that all replicas signed, of a log that has taken so many messages of the inbox in.
pub(super) fn certificate_with_inbox(
    group: &Group,
    keys: &[AccountKey],
    (sequence, log_size): (u64, u64),
    inbox_count: u64,
) -> CheckpointCertificate {
    signed(group, keys, Checkpoint { inbox_count, ..checkpoint(group, sequence, log_size) })
}

/// The last checkpoint of the group's epoch, before `next`.
pub(super) fn handover(
    group: &Group,
    keys: &[AccountKey],
    sequence: u64,
    log_size: u64,
    next: &Group,
) -> Handover {
    let next_members_hash = Digest(next.members_hash());
    let last = Checkpoint { next_members_hash, ..checkpoint(group, sequence, log_size) };
    let certificate = signed(group, keys, last);
    Handover { certificate, members: next.members.clone(), mandate: None }
}

/// The group of the epoch after `group`'s, with the last of its keys replaced, and its accounts.
pub(super) fn successor(group: &Group, keys: &[AccountKey], secret: u8) -> (Group, Vec<AccountKey>) {
    let account = AccountKey::from_secret(&[secret; 32]).unwrap();
    let mut next = Group { epoch: Epoch(group.epoch.0 + 1), ..group.clone() };
    let last = next.members.last_mut().unwrap();
    last.agent = AgentId(account.address());
    last.key = AgentKey::from_secret(&[secret; 32]).public();
    next.members.sort_by_key(|member| member.agent);
    let mut keys = keys[..keys.len() - 1].to_vec();
    keys.push(account);
    keys.sort_by_key(AccountKey::address);
    (next, keys)
}

/// A checkpoint of the group's epoch that does not end it.
pub(super) fn checkpoint(group: &Group, sequence: u64, log_size: u64) -> Checkpoint {
    Checkpoint {
        group: group.identity.group,
        epoch: group.epoch,
        sequence: Sequence(sequence),
        log_size,
        log_root: root(log_size),
        state_root: Digest::from([2; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    }
}

fn signed(group: &Group, keys: &[AccountKey], checkpoint: Checkpoint) -> CheckpointCertificate {
    let signatures = keys
        .iter()
        .map(|key| {
            let signed = SignedCheckpoint::sign(&group.identity, checkpoint.clone(), key);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        })
        .collect();
    CheckpointCertificate { checkpoint, signatures }
}
