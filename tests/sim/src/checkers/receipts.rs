//! What clients were promised: every receipt proves itself, and what was acknowledged is never lost.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::{AgentId, Digest, Epoch, Group, Receipt, SignedCommand};

use super::reference::Reference;
use super::tree::{self, Hash};
use crate::violation::{Verdict, Violation};

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Receipts {
    acknowledged: BTreeMap<Digest, (u64, Hash)>,
}

/// The fewest of `n` replicas that share a correct one with any other as many: written again, as all here.
pub fn quorum(n: usize) -> usize {
    let faulty = (n - 1) / 3;
    (n + faulty) / 2 + 1
}

/// Whether these replicas of `group` are a quorum of the epoch before, under the keys of before.
fn made_it_too(before: &Group, group: &Group, signers: &BTreeSet<AgentId>) -> bool {
    let key = |group: &Group, signer: &AgentId| {
        let member = group.members.iter().find(|member| member.agent == *signer && member.flags & 2 != 0);
        member.map(|member| member.key)
    };
    let stayed =
        |signer: &AgentId| key(before, signer).is_some() && key(before, signer) == key(group, signer);
    let replicas = before.members.iter().filter(|member| member.flags & 2 != 0).count();
    signers.iter().all(stayed) && signers.len() >= quorum(replicas)
}

impl Receipts {
    /// A client got a receipt for its command.
    ///
    /// # Errors
    /// When the receipt proves something else, or nothing.
    pub fn acknowledged(
        &mut self,
        reference: &Reference,
        groups: &[Group],
        command: &SignedCommand,
        receipt: &Receipt,
    ) -> Verdict {
        let bad = |detail: String| Err(Violation::new("receipts", format!("{command:?}: {detail}")));
        let entry = &receipt.record.entry;
        if entry.subject != command.digest() {
            return bad("the receipt is for another command".into());
        }
        let leaf = tree::leaf(&entry.leaf());
        if reference.leaf(entry.index.0) != Some(leaf) {
            return bad(format!("entry {} is not the group's", entry.index));
        }
        let head = &receipt.certificate.head;
        if reference.root(head.size) != Some(head.root.0.0) {
            return bad(format!("the certified root of size {} is not the group's", head.size));
        }
        let proof: Vec<Hash> = receipt.proof.iter().map(|hash| hash.0.0).collect();
        if tree::root_of_proof(leaf, entry.index.0, head.size, &proof) != Some(head.root.0.0) {
            return bad("the inclusion proof leads elsewhere".into());
        }
        let Some(group) = groups.get(receipt.epoch.0 as usize) else {
            return bad(format!("there is no epoch {}", receipt.epoch));
        };
        let replicas: BTreeSet<_> =
            group.members.iter().filter(|member| member.flags & 2 != 0).map(|member| member.agent).collect();
        let signers: BTreeSet<_> =
            receipt.certificate.attestations.iter().map(|attestation| attestation.replica).collect();
        let (found, needed) = (signers.intersection(&replicas).count(), quorum(replicas.len()));
        if found < needed {
            return bad(format!("{found} replicas attest, {needed} must"));
        }
        let begin = reference.beginning(receipt.epoch).unwrap_or(u64::MAX);
        let end = reference.beginning(Epoch(receipt.epoch.0 + 1)).unwrap_or(u64::MAX);
        if head.size < begin || head.size > end {
            return bad(format!(
                "size {} is not of epoch {}, from {begin} to {end}",
                head.size, receipt.epoch
            ));
        }
        let before = receipt.epoch.0.checked_sub(1).map(|before| &groups[before as usize]);
        if let Some(before) = before.filter(|_| head.size == begin)
            && made_it_too(before, group, &signers)
        {
            return bad(format!("it says epoch {}, and a quorum of the one before made it", receipt.epoch));
        }
        self.acknowledged.insert(command.digest(), (entry.index.0, leaf));
        Ok(())
    }

    /// At the end: all that was acknowledged is where the receipts said, in the group's log, which every
    /// correct replica was compared with.
    ///
    /// # Errors
    /// When something is lost.
    pub fn finish(&self, reference: &Reference, size_everywhere: u64) -> Verdict {
        for (command, (index, leaf)) in &self.acknowledged {
            if *index >= size_everywhere || reference.leaf(*index) != Some(*leaf) {
                let detail = format!("command {command} was acknowledged as entry {index} and is lost");
                return Err(Violation::new("durability", detail));
            }
        }
        Ok(())
    }

    /// How many commands were acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_quorums_share_a_correct_replica_and_the_correct_make_one() {
        for n in 4..40 {
            let faulty = (n - 1) / 3;
            assert!(2 * quorum(n) - n > faulty && quorum(n) <= n - faulty, "n = {n}");
        }
    }
}
