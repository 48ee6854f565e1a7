//! Replicas that contradicted themselves, and whether it is our turn to show that to the contract.
//!
//! What is known is kept by the replica that is accused and the pair of checkpoints. One report of a replica is enough, and
//! only the first is worth its fee. So the replicas take turns here as they do with anchors, and each asks the contract
//! before it sends anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use quorate_contracts::{AgentCoordinator, Fork};
use quorate_protocol::{AgentId, Epoch, GroupIdentity, Member, ReplicaSet, Sequence, SignedCheckpoint};

use super::rotation::rank;

/// The most contradictions of one replica that are kept: one that is recent enough convicts it.
const MAX_OF_REPLICA: usize = 8;
/// The first pause after the contract refused a report, in milliseconds; it doubles with every further one.
const FIRST_PAUSE_MS: u64 = 1_000;
/// The longest such pause, in milliseconds. What is too old stays too old.
const LONGEST_PAUSE_MS: u64 = 3_600_000;

/// Two checkpoints, with one replica's signatures, which are checked, that no correct replica signs both. They may be of
/// different sequences and epochs.
#[derive(Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The earlier of the two.
    first: SignedCheckpoint,
    second: SignedCheckpoint,
}

impl Contradiction {
    /// Nothing unless the two contradict each other, and one replica of the group signed both.
    pub fn of(identity: &GroupIdentity, one: SignedCheckpoint, other: SignedCheckpoint) -> Option<Self> {
        let (first, second) = in_order(one, other);
        let signed = first.checkpoint.contradicts(&second.checkpoint, identity)
            && first.replica == second.replica
            && first.verify(identity)
            && second.verify(identity);
        signed.then_some(Self { first, second })
    }

    /// Who contradicted itself.
    pub fn replica(&self) -> AgentId {
        self.first.replica
    }

    /// The checkpoints' epochs, the later one last.
    pub fn epochs(&self) -> [Epoch; 2] {
        [self.first.checkpoint.epoch, self.second.checkpoint.epoch]
    }

    /// The later of the checkpoints' sequences.
    pub fn sequence(&self) -> Sequence {
        self.first.checkpoint.sequence.max(self.second.checkpoint.sequence)
    }

    /// Whether it is of these two checkpoints of this replica, whatever their signatures: of those there can be many.
    fn is_of(&self, first: &SignedCheckpoint, second: &SignedCheckpoint) -> bool {
        self.replica() == first.replica
            && (&self.first.checkpoint, &self.second.checkpoint) == (&first.checkpoint, &second.checkpoint)
    }

    /// The data of the call that reports it, with the members of a past epoch by which the contract knows the replica.
    pub fn call(&self, members: &[Member]) -> Bytes {
        let signature = |signed: &SignedCheckpoint| Bytes::copy_from_slice(&signed.signature.0);
        let call = AgentCoordinator::reportContradictionCall {
            first: (&self.first.checkpoint).into(),
            firstSignature: signature(&self.first),
            second: (&self.second.checkpoint).into(),
            secondSignature: signature(&self.second),
            members: members.iter().map(quorate_contracts::Member::from).collect(),
            fork: Fork::default(),
        };
        call.abi_encode().into()
    }
}

/// One pair has one order, whoever found it: by epoch and sequence, and by what else the checkpoints say.
fn in_order(one: SignedCheckpoint, other: SignedCheckpoint) -> (SignedCheckpoint, SignedCheckpoint) {
    let place = |signed: &SignedCheckpoint| {
        let checkpoint = &signed.checkpoint;
        (checkpoint.epoch, checkpoint.sequence, checkpoint.clone())
    };
    if place(&other) < place(&one) { (other, one) } else { (one, other) }
}

/// What is known against one replica.
#[derive(Debug, Default)]
struct Accusation {
    contradictions: Vec<Arc<Contradiction>>,
    /// Whether the contract said that it has convicted the replica.
    convicted: bool,
    /// Since when the contract could be told.
    due_since_ms: Option<u64>,
    paused_until_ms: u64,
    refusals: u32,
}

/// What is known against replicas.
#[derive(Debug, Default)]
pub(super) struct Accusations(BTreeMap<AgentId, Accusation>);

impl Accusations {
    /// Takes in what the node holds, as far as it proves anything.
    pub(super) fn learn(
        &mut self,
        identity: &GroupIdentity,
        held: impl IntoIterator<Item = (SignedCheckpoint, SignedCheckpoint)>,
    ) {
        for (one, other) in held {
            let (first, second) = in_order(one, other);
            let known = |contradiction: &Arc<Contradiction>| contradiction.is_of(&first, &second);
            let of_replica = self.0.get(&first.replica);
            if of_replica.is_some_and(|accusation| accusation.contradictions.iter().any(known)) {
                continue;
            }
            let Some(contradiction) = Contradiction::of(identity, first, second) else { continue };
            let accusation = self.0.entry(contradiction.replica()).or_default();
            let place = |known: &Arc<Contradiction>| (known.epochs()[1], known.sequence());
            accusation.contradictions.push(Arc::new(contradiction));
            accusation.contradictions.sort_by_key(place);
            if accusation.contradictions.len() > MAX_OF_REPLICA {
                // The newest count for longest.
                accusation.contradictions.remove(0);
            }
        }
    }

    /// What the contract, which is in epoch `chain`, is to be told of by replica `me`, if its turn has come.
    pub(super) fn turn(
        &mut self,
        now_ms: u64,
        (identity, replicas): (&GroupIdentity, &ReplicaSet),
        me: AgentId,
        (chain, takeover_ms): (Epoch, u64),
    ) -> Option<Arc<Contradiction>> {
        let my_place = replicas.index_of(me)?;
        for (accused, accusation) in
            self.0.iter_mut().filter(|(accused, known)| **accused != me && !known.convicted)
        {
            let told = accusation.contradictions.iter().rfind(|known| known.epochs()[1] <= chain);
            let Some(newest) = told else { continue };
            let since_ms = *accusation.due_since_ms.get_or_insert(now_ms);
            // The order is another one for each replica that is accused, and does not change with what is found later.
            let first = Sequence(u64::from_be_bytes(
                *accused.as_bytes().first_chunk().expect("an address has twenty bytes"),
            ));
            let rank = rank(identity.group, first, my_place, replicas.len());
            let turn_ms = since_ms.saturating_add(rank.saturating_mul(takeover_ms));
            if now_ms >= turn_ms.max(accusation.paused_until_ms) {
                return Some(Arc::clone(newest));
            }
        }
        None
    }

    /// How many contradictions are known.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.values().map(|accusation| accusation.contradictions.len()).sum()
    }

    /// The contract has convicted the replica.
    pub(super) fn convicted(&mut self, replica: AgentId) {
        if let Some(accusation) = self.0.get_mut(&replica) {
            accusation.convicted = true;
        }
    }

    /// The contract does not take the report; it is made again later.
    pub(super) fn refused(&mut self, now_ms: u64, replica: AgentId) {
        if let Some(accusation) = self.0.get_mut(&replica) {
            let pause_ms =
                FIRST_PAUSE_MS.saturating_mul(1 << accusation.refusals.min(16)).min(LONGEST_PAUSE_MS);
            accusation.refusals = accusation.refusals.saturating_add(1);
            accusation.paused_until_ms = now_ms.saturating_add(pause_ms);
        }
    }

    /// The chain was reorganised: what it said of convictions may be over.
    pub(super) fn ask_again(&mut self) {
        for accusation in self.0.values_mut() {
            let contradictions = std::mem::take(&mut accusation.contradictions);
            *accusation = Accusation { contradictions, ..Accusation::default() };
        }
    }
}
