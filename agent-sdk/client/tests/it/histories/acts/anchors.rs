//! What replicas do: they say what is in the inbox, take checkpoints, and have them anchored; some contradict themselves.

use quorate_contracts::{Fork, Mandate, Taken, words};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::{
    AgentId, Checkpoint, CheckpointCertificate, Digest, Epoch, Sequence, SignedCheckpoint,
};

use super::Kind;
use crate::histories::chain::call;
use crate::histories::log::Stable;
use crate::histories::model::anchors::{Attempt, End};
use crate::histories::model::rules;
use crate::histories::scene::History;

/// What is wrong with an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Nothing,
    FewSignatures,
    EverySignature,
    AnotherInbox,
    NoEntry,
    AnotherLog,
    OtherMembers,
    NoMandate,
}

impl History<'_> {
    /// The replicas take in the inbox, take a checkpoint and anchor it.
    pub(super) async fn serve(&mut self) {
        if self.silent && !self.one_in(8) {
            return;
        }
        if !self.silent && !self.one_in(4) {
            self.observe();
        }
        if !self.silent && !self.one_in(4) {
            self.chain.now += 1;
            self.log.execute(self.chain.now, None).unwrap();
            self.machine.pass_to(self.chain.now);
            self.log.checkpoint();
            self.machine.end_epoch();
            self.note(format!("checkpoint of {} entries", self.log.tree.size()));
        }
        self.anchor().await;
    }

    /// The replicas serve, and somebody carries out what was decided.
    pub(super) async fn carry_out(&mut self) {
        self.serve().await;
        self.execute_anchored().await;
        self.queue_anchored().await;
        self.execute_anchored().await;
    }

    fn said_so_far(&self) -> Vec<quorate_protocol::InboxMessage> {
        self.chain.messages.get(&self.group.identity.group).cloned().unwrap_or_default()
    }

    /// The replicas say what they see, one after the other, until it is taken.
    pub(super) fn observe(&mut self) {
        let replicas: Vec<AgentId> =
            self.machine.group.members.iter().filter(|m| m.is_replica()).map(|m| m.agent).collect();
        // From here on the machine's own commands stay behind what is taken.
        for (said, replica) in (1..).zip(&replicas) {
            let messages = self.said_so_far().split_off(usize::try_from(self.machine.taken).unwrap());
            if messages.is_empty() {
                return;
            }
            let is_quorum = said == rules::quorum(replicas.len());
            self.say(*replica, &messages, is_quorum);
            if is_quorum {
                return;
            }
        }
    }

    fn say(&mut self, replica: AgentId, messages: &[quorate_protocol::InboxMessage], is_quorum: bool) {
        self.chain.now += 1;
        let found = self.log.observe(self.chain.now, self.actor(replica), messages);
        self.machine.pass_to(self.chain.now);
        if is_quorum {
            for message in messages {
                let told = self.contract.messages[usize::try_from(message.index).unwrap()].told.clone();
                self.machine.take(&told);
            }
        }
        self.settle(Kind::Observe, &format!("{replica} {} messages", messages.len()), Ok(()), found);
    }

    /// Somebody who is no replica says what it sees.
    pub(super) fn observe_once(&mut self) {
        let actor = self.anybody();
        let messages = self.said_so_far();
        let is_replica =
            self.machine.group.member(actor.id()).is_some_and(quorate_protocol::Member::is_replica);
        if messages.is_empty() || is_replica {
            return;
        }
        self.chain.now += 1;
        let found = self.log.observe(self.chain.now, actor, &messages);
        self.machine.pass_to(self.chain.now);
        let expected = match self.machine.group.member(actor.id()) {
            Some(_) => "not_a_replica",
            None => "dropped",
        };
        self.settle(Kind::Observe, &actor.id().to_string(), Err(expected), found);
    }

    /// Anchors a checkpoint: mostly that which ends the contract's epoch, or else the newest of it.
    pub(super) async fn anchor(&mut self) {
        let epoch = Epoch(self.contract.epoch);
        let of_epoch = |stable: &&Stable| stable.checkpoint.epoch == epoch;
        let best = self.log.stable.iter().rfind(of_epoch).cloned();
        let any = !self.log.stable.is_empty() && self.one_in(8);
        let stable = match best {
            _ if any => self.random.pick(&self.log.stable),
            Some(best) if best.checkpoint.sequence.0 > self.contract.sequence || self.one_in(6) => best,
            _ => return,
        };
        let flaw = self.flaw(&stable);
        self.anchor_with(&stable, flaw).await;
    }

    /// What is wrong with the anchor of a checkpoint: mostly nothing.
    fn flaw(&mut self, stable: &Stable) -> Flaw {
        let now = self.chain.now + 1;
        let counts = |replica: &AgentId| self.contract.seats.counts(*replica, now);
        let all_count = stable.replicas.iter().all(counts);
        let has_mandate = stable.end.as_ref().is_some_and(|(_, mandate)| mandate.is_some());
        match self.random.below(30) {
            0 => Flaw::FewSignatures,
            1 => Flaw::AnotherInbox,
            2 => Flaw::NoEntry,
            3 => Flaw::AnotherLog,
            4 if stable.end.is_some() => Flaw::OtherMembers,
            5..20 if has_mandate => Flaw::NoMandate,
            20..25 if !all_count => Flaw::EverySignature,
            _ => Flaw::Nothing,
        }
    }

    async fn anchor_with(&mut self, stable: &Stable, flaw: Flaw) {
        let mut checkpoint = stable.checkpoint.clone();
        if flaw == Flaw::AnotherInbox {
            checkpoint.inbox_hash = Digest::from([6; 32]);
        }
        let signers = self.signers(stable, flaw);
        let certificate = self.certify(&checkpoint, &signers);
        let (size, last) = (checkpoint.log_size, self.contract.roots.last().copied().unwrap_or_default());
        let mut consistency = match last {
            1.. if last <= size => self.log.tree.consistency_proof(last, size).unwrap(),
            _ => Vec::new(),
        };
        if flaw == Flaw::AnotherLog {
            consistency.push(Digest::from([7; 32]));
        }
        let taken = self.taken(stable, flaw);
        let attempt = Attempt {
            epoch: checkpoint.epoch.0,
            sequence: checkpoint.sequence.0,
            size,
            inbox_count: checkpoint.inbox_count,
            inbox_agrees: flaw != Flaw::AnotherInbox,
            shows_taken: flaw != Flaw::NoEntry,
            extends: flaw != Flaw::AnotherLog,
            signers,
            end: stable.end.as_ref().map(|(members, mandate)| End {
                members: members.clone(),
                members_agree: flaw != Flaw::OtherMembers,
                mandate: mandate.as_ref().filter(|_| flaw != Flaw::NoMandate).map(|mandate| {
                    (mandate.class, mandate.ballots.iter().map(|ballot| ballot.voter).collect())
                }),
            }),
        };
        let what = format!(
            "{size} entries, epoch {}, {} messages, {flaw:?}",
            checkpoint.epoch, checkpoint.inbox_count
        );
        let (sender, signatures) = (self.anybody().id(), certificate.packed_signatures().into());
        let (checkpoint, consistency) = ((&checkpoint).into(), words(&consistency));
        let (kind, found) = match &stable.end {
            None => {
                let call = call::anchorCall { checkpoint, signatures, consistency, taken };
                (Kind::Anchor, self.chain.send(sender, 0, call).await)
            }
            Some((members, mandate)) => {
                let sent = if flaw == Flaw::OtherMembers { &members[1..] } else { &members[..] };
                let nextMembers = sent.iter().map(Into::into).collect();
                let mandate = mandate.as_ref().filter(|_| flaw != Flaw::NoMandate);
                let mandate = Mandate::from(mandate);
                let call = call::anchorAndRotateCall {
                    checkpoint,
                    signatures,
                    consistency,
                    taken,
                    nextMembers,
                    mandate,
                };
                (Kind::Rotate, self.chain.send(sender, 0, call).await)
            }
        };
        let expected = self.contract.anchor(self.chain.now, &attempt);
        self.settle(kind, &what, expected, found.map(drop));
    }

    /// Those whose signatures are sent along, in ascending order.
    fn signers(&self, stable: &Stable, flaw: Flaw) -> Vec<AgentId> {
        let now = self.chain.now + 1;
        let mut signers = stable.replicas.clone();
        if flaw != Flaw::EverySignature {
            signers.retain(|replica| self.contract.seats.counts(*replica, now));
        }
        if flaw == Flaw::FewSignatures {
            signers.truncate(rules::quorum(stable.replicas.len()) - 1);
        }
        signers
    }

    fn certify(&self, checkpoint: &Checkpoint, signers: &[AgentId]) -> CheckpointCertificate {
        let sign = |signer: &AgentId| {
            let account = &self.actor(*signer).account;
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), account);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        CheckpointCertificate {
            checkpoint: checkpoint.clone(),
            signatures: signers.iter().map(sign).collect(),
        }
    }

    /// The entry by which the log took the last message that the checkpoint counts, if the anchor takes any.
    fn taken(&self, stable: &Stable, flaw: Flaw) -> Taken {
        let mut shown = match &stable.taken {
            Some((taken, entry)) if stable.checkpoint.inbox_count > self.contract.taken => {
                let path = self.log.tree.inclusion_proof(entry.index.0, stable.checkpoint.log_size).unwrap();
                Taken::of(taken, entry, &path)
            }
            _ => Taken::default(),
        };
        if flaw == Flaw::NoEntry {
            shown.path.push(Digest::from([8; 32]).0);
        }
        shown
    }

    /// Somebody shows that an account signed two checkpoints of one sequence.
    pub(super) async fn convict(&mut self) {
        // Rarely a replica that is in good standing: few are enough to stop a group.
        let standing: Vec<AgentId> = self.actors.iter().map(|actor| actor.id()).collect();
        let accused = self.random.pick(&standing);
        let is_sound = self.contract.seats.counts(accused, self.chain.now);
        if is_sound && !self.one_in(3) {
            return;
        }
        let first = Checkpoint {
            group: self.group.identity.group,
            epoch: Epoch(self.contract.epoch),
            sequence: Sequence(1_000_000),
            log_size: 1,
            log_root: Digest::from([1; 32]),
            state_root: Digest::from([2; 32]),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest::default(),
        };
        let second = Checkpoint { state_root: Digest::from([3; 32]), ..first.clone() };
        let account = &self.actor(accused).account;
        let sign = |checkpoint: &Checkpoint| {
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), account);
            alloy::primitives::Bytes::copy_from_slice(&signed.signature.0)
        };
        let call = call::reportContradictionCall {
            firstSignature: sign(&first),
            secondSignature: sign(&second),
            first: (&first).into(),
            second: (&second).into(),
            members: Vec::new(),
            fork: Fork::default(),
        };
        let reporter = self.anybody().id();
        let found = self.chain.send(reporter, 0, call).await.map(drop);
        let expected = self.contract.convict(self.chain.now, reporter, accused);
        self.settle(Kind::Convict, &accused.to_string(), expected, found);
    }
}
