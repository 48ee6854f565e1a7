//! Whatever stands for the word of a quorum holds distinct replicas, enough of them, each with its own valid
//! signature. Counted and checked here by the lists of members alone.

use std::collections::BTreeSet;

use quorate_pbft::CommittedBatch;
use quorate_pbft::Context;
use quorate_pbft::certificate::vote_bytes;
use quorate_protocol::{
    AgentId, CheckpointCertificate, Digest, Group, Handover, MembersChange, Sequence, SignatureCheck, domain,
};

use super::receipts::quorum;
use crate::violation::{Verdict, Violation};

/// A group's replicas, ascending.
pub(super) fn replicas(group: &Group) -> Vec<AgentId> {
    group.members.iter().filter(|member| member.flags & 2 != 0).map(|member| member.agent).collect()
}

/// A correct replica holds a checkpoint for stable.
///
/// # Errors
/// When no quorum of its epoch signed it.
pub fn checkpoint(who: &str, groups: &[Group], certificate: &CheckpointCertificate) -> Verdict {
    let checkpoint = &certificate.checkpoint;
    let bad = |detail: String| {
        Err(Violation::new("quorums", format!("{who}: checkpoint of {}: {detail}", checkpoint.sequence)))
    };
    let Some(group) = groups.get(checkpoint.epoch.0 as usize) else {
        return bad(format!("there is no epoch {}", checkpoint.epoch));
    };
    let known = replicas(group);
    let digest = checkpoint.digest(&group.identity);
    let signers: BTreeSet<AgentId> = certificate
        .signatures
        .iter()
        .filter(|signed| signed.signature.recover(&digest) == Some(signed.replica.0))
        .map(|signed| signed.replica)
        .filter(|signer| known.contains(signer))
        .collect();
    let needed = quorum(known.len());
    if signers.len() < needed {
        return bad(format!("{} replicas signed, {needed} must", signers.len()));
    }
    Ok(())
}

/// A correct replica executed a batch with these commits.
///
/// # Errors
/// When no quorum of the epoch committed exactly this batch.
pub fn commits(who: &str, group: &Group, base: Sequence, committed: &CommittedBatch) -> Verdict {
    let context = Context::of(group, base);
    let digest = committed.batch.digest(&context);
    let known = replicas(group);
    let valid: BTreeSet<u16> = committed
        .commits
        .iter()
        .filter(|vote| {
            let member = known
                .get(usize::from(vote.replica.0))
                .and_then(|agent| group.members.iter().find(|member| member.agent == *agent));
            let bytes = vote_bytes(&context, domain::COMMIT, committed.view, committed.sequence, digest);
            member.is_some_and(|member| SignatureCheck::new(&member.key, &bytes, &vote.signature).verify())
        })
        .map(|vote| vote.replica.0)
        .collect();
    let needed = quorum(known.len());
    if valid.len() < needed {
        let sequence = committed.sequence;
        let detail =
            format!("{who} executed {sequence} with {} valid commits, {needed} must be", valid.len());
        return Err(Violation::new("quorums", detail));
    }
    Ok(())
}

/// A correct replica believes how an epoch ended.
///
/// # Errors
/// When the members are not those that a quorum of the old epoch named, or the voters' word for their weights is
/// missing.
pub fn handover(who: &str, groups: &[Group], handover: &Handover) -> Verdict {
    checkpoint(who, groups, &handover.certificate)?;
    let old = &groups[handover.certificate.checkpoint.epoch.0 as usize];
    let next = Group { members: handover.members.clone(), ..old.clone() };
    if Digest(next.members_hash()) != handover.certificate.checkpoint.next_members_hash {
        return Err(Violation::new("quorums", format!("{who} believes members that nobody named")));
    }
    let change = MembersChange { epoch: old.epoch, members: handover.members.clone() };
    if let Err(error) = change.mandated(old, handover.mandate.as_ref()) {
        return Err(Violation::new(
            "quorums",
            format!("{who} believes weights that no voter wants: {error}"),
        ));
    }
    Ok(())
}
