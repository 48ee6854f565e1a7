//! What replicas signed about the state, kept to be compared with what they sign later.
//!
//! All that a correct replica signs is a chain by [`Checkpoint::precedes`], so what is kept of one replica is a
//! chain too: what does not fit into it is evidence, and is not kept. The order is transitive; so of what lies at
//! or below the stable checkpoint the newest stands for all before it, but for the ends of epochs, which alone
//! forbid what would follow them in theirs. Above it the lowest are kept: whoever invents checkpoints far ahead
//! pushes out only those, and never one that the group will come to.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use quorate_protocol::{AgentId, Checkpoint, Digest, GroupIdentity, ReplicaSet, Sequence, SignedCheckpoint};

/// How many checkpoints above the stable one are kept of each replica.
pub(super) const MAX_AHEAD: usize = 8;
/// How many ends of epochs are kept of each replica.
const MAX_ENDS: usize = 8;
/// How many contradictions of one replica are reported. One is enough to convict it, and more of the same must
/// not crowd out what there is against another.
const MAX_REPORTED: usize = 4;

/// What each replica signed, over epochs.
#[derive(Clone, Debug, Default)]
pub struct Words(BTreeMap<AgentId, Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    /// The newest at or below the stable checkpoint.
    settled: Option<SignedCheckpoint>,
    /// The lowest above it.
    ahead: BTreeMap<Sequence, SignedCheckpoint>,
    /// Those that ended an epoch: at most one of each, or they would contradict each other.
    ends: BTreeMap<Sequence, SignedCheckpoint>,
    /// What contradicted these, and was reported.
    reported: Vec<Checkpoint>,
}

impl Words {
    /// Compares what a replica signed with what is kept of it, and keeps it if it fits. Returns what it
    /// contradicts, where that is worth a report. `low` is the sequence of the stable checkpoint.
    pub(super) fn hear(
        &mut self,
        identity: &GroupIdentity,
        low: Sequence,
        signed: &SignedCheckpoint,
    ) -> Option<SignedCheckpoint> {
        let kept = self.0.entry(signed.replica).or_default();
        let contradicted =
            kept.all().find(|earlier| earlier.checkpoint.contradicts(&signed.checkpoint, identity)).cloned();
        match contradicted {
            Some(earlier) => kept.is_worth_a_report(&signed.checkpoint).then_some(earlier),
            None => {
                kept.keep(low, signed);
                None
            }
        }
    }

    /// The stable checkpoint moved to `low`.
    pub(super) fn settle(&mut self, low: Sequence) {
        for kept in self.0.values_mut() {
            let above = kept.ahead.split_off(&low.next());
            let newest = std::mem::replace(&mut kept.ahead, above).pop_last();
            kept.settled = newest.map(|(_, newest)| newest).or(kept.settled.take());
        }
    }

    /// Forgets who is no replica any more: nothing that it signs comes here.
    pub(super) fn retain(&mut self, replicas: &ReplicaSet) {
        self.0.retain(|agent, _| replicas.index_of(*agent).is_some());
    }

    /// Feeds `hasher` with what decides which evidence is reported next.
    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        for (agent, kept) in &self.0 {
            let said = kept.all().map(|signed| &signed.checkpoint).chain(&kept.reported);
            (agent, said.collect::<Vec<_>>()).hash(hasher);
        }
    }
}

impl Kept {
    fn all(&self) -> impl Iterator<Item = &SignedCheckpoint> {
        self.settled.iter().chain(self.ahead.values()).chain(self.ends.values())
    }

    fn keep(&mut self, low: Sequence, signed: &SignedCheckpoint) {
        let sequence = signed.checkpoint.sequence;
        if signed.checkpoint.next_members_hash != Digest::default() {
            self.ends.insert(sequence, signed.clone());
            if self.ends.len() > MAX_ENDS {
                self.ends.pop_first();
            }
        }
        if sequence > low {
            self.ahead.insert(sequence, signed.clone());
            if self.ahead.len() > MAX_AHEAD {
                self.ahead.pop_last();
            }
        } else if self.settled.as_ref().is_none_or(|newest| newest.checkpoint.sequence < sequence) {
            self.settled = Some(signed.clone());
        }
    }

    fn is_worth_a_report(&mut self, checkpoint: &Checkpoint) -> bool {
        let news = self.reported.len() < MAX_REPORTED && !self.reported.contains(checkpoint);
        if news {
            self.reported.push(checkpoint.clone());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{AccountSignature, Epoch, GroupId};

    use super::*;

    const LIAR: AgentId = AgentId(quorate_protocol::Address::repeat_byte(3));

    fn identity() -> GroupIdentity {
        GroupIdentity { chain_id: 1, contract: AgentId::from([1; 20]), group: GroupId::from([7; 32]) }
    }

    fn signed(sequence: u64, change: impl FnOnce(&mut Checkpoint)) -> SignedCheckpoint {
        let mut checkpoint = Checkpoint {
            group: identity().group,
            epoch: Epoch(0),
            sequence: Sequence(sequence),
            log_size: sequence,
            log_root: Digest::of(&[&sequence.to_be_bytes()]),
            state_root: Digest::default(),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest::default(),
        };
        change(&mut checkpoint);
        SignedCheckpoint { checkpoint, replica: LIAR, signature: AccountSignature([0; 65]) }
    }

    fn hears(words: &mut Words, low: u64, said: &SignedCheckpoint) -> Option<u64> {
        let earlier = words.hear(&identity(), Sequence(low), said);
        earlier.map(|earlier| earlier.checkpoint.sequence.0)
    }

    #[test]
    fn h1_invented_checkpoints_far_ahead_push_out_none_that_the_group_comes_to() {
        let mut words = Words::default();
        assert_eq!(hears(&mut words, 0, &signed(8, |_| {})), None);
        for invented in 1_000..1_100 {
            assert_eq!(hears(&mut words, 0, &signed(invented, |_| {})), None);
        }
        let other = signed(8, |checkpoint| checkpoint.log_root = Digest::default());
        assert_eq!(hears(&mut words, 0, &other), Some(8), "it is still known");
        assert!(words.0[&LIAR].ahead.len() <= MAX_AHEAD);
    }

    #[test]
    fn the_newest_settled_one_stands_for_all_before_it() {
        let mut words = Words::default();
        for sequence in [8, 16, 24] {
            assert_eq!(hears(&mut words, 0, &signed(sequence, |_| {})), None);
        }
        words.settle(Sequence(16));
        assert_eq!(words.0[&LIAR].all().count(), 2);
        let shrunk = signed(32, |checkpoint| checkpoint.log_size = 15);
        assert_eq!(hears(&mut words, 16, &shrunk), Some(16));
        let late = signed(8, |_| {});
        assert_eq!(hears(&mut words, 16, &late), None, "what it said before is said again");
        assert_eq!(words.0[&LIAR].settled.as_ref().unwrap().checkpoint.sequence, Sequence(16));
    }

    #[test]
    fn the_end_of_an_epoch_is_remembered_in_the_next() {
        let mut words = Words::default();
        let end = signed(8, |checkpoint| checkpoint.next_members_hash = Digest::from([9; 32]));
        assert_eq!(hears(&mut words, 0, &end), None);
        let next = |sequence| signed(sequence, |checkpoint| checkpoint.epoch = Epoch(1));
        for sequence in [16, 24] {
            assert_eq!(hears(&mut words, 8, &next(sequence)), None);
            words.settle(Sequence(sequence));
        }
        let beyond = signed(9, |_| {});
        assert_eq!(hears(&mut words, 24, &beyond), Some(8), "it goes on in an epoch that it ended");
    }

    #[test]
    fn one_replica_is_reported_a_few_times_and_once_for_each_word() {
        let mut words = Words::default();
        assert_eq!(hears(&mut words, 0, &signed(8, |_| {})), None);
        let lie = |byte: u8| signed(8, |checkpoint| checkpoint.state_root = Digest::from([byte; 32]));
        assert_eq!(hears(&mut words, 0, &lie(1)), Some(8));
        assert_eq!(hears(&mut words, 0, &lie(1)), None, "the same again");
        let reported = (1..100).filter(|byte| hears(&mut words, 0, &lie(*byte)).is_some());
        assert_eq!(1 + reported.count(), MAX_REPORTED);
    }
}
