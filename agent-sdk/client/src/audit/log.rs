//! Checking a log entry by entry, with nothing but the group from the contract.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::keys::verify_each;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::InboxOperation;
use quorate_protocol::operations::members::MembersOperation;
use quorate_protocol::{
    AgentId, Command, DecisionRecord, DecisionStatus, Digest, EntryBody, EntryIndex, EntryRecord, Epoch,
    Group, InboxEvent, LogCertificate, Mandate, MembersChange, Nonce, Outcome, PublicKey, Refusal, Sequence,
    SignatureCheck, SignedCommand, TimestampMs, codec, epoch,
};

use super::Frontier;
use super::ballots::Ballots;
use super::inbox::Inbox;
use super::report::{AuditReport, Counts, Fault, Finding};
use crate::epochs::Epochs;

/// A log in the course of being audited. Keeps the tree's edge and what must not happen twice.
#[derive(Debug)]
pub(super) struct LogAudit {
    /// The members of each epoch, from the contract and by handovers.
    epochs: Epochs,
    /// The group at this point of the log.
    group: Arc<Group>,
    /// The group of the next epoch, once the log has approved it.
    next: Option<Group>,
    /// The contract's root for each anchored size.
    anchors: BTreeMap<u64, Digest>,
    frontier: Frontier,
    /// The keys of plain agents.
    admitted: BTreeMap<AgentId, PublicKey>,
    commands: HashMap<Digest, EntryIndex>,
    /// Apart for what an agent does and what its node says of the inbox, whose nonces are counted by themselves.
    effective: HashSet<(AgentId, bool, Nonce)>,
    ballots: Ballots,
    inbox: Inbox,
    /// The replicas that the contract convicted.
    convicted: BTreeSet<AgentId>,
    /// The replicas that gave notice while a change waited that the voters signed.
    leaving: BTreeSet<AgentId>,
    /// The members that gave up their votes.
    left: BTreeSet<AgentId>,
    last: (Sequence, TimestampMs),
    counts: Counts,
    /// The largest size whose root is the contract's.
    anchored_size: u64,
    anchors_met: u64,
}

impl LogAudit {
    /// The audit of the log of a group that is known in these epochs, and whose anchored roots by size are `anchors`.
    pub(super) fn new(epochs: Epochs, anchors: BTreeMap<u64, Digest>) -> Self {
        let group = epochs.at(Epoch(0)).unwrap_or_else(|| epochs.newest()).clone();
        Self {
            epochs,
            group,
            next: None,
            anchors,
            frontier: Frontier::default(),
            admitted: BTreeMap::new(),
            commands: HashMap::new(),
            effective: HashSet::new(),
            ballots: Ballots::default(),
            inbox: Inbox::default(),
            convicted: BTreeSet::new(),
            leaving: BTreeSet::new(),
            left: BTreeSet::new(),
            last: (Sequence(0), TimestampMs(0)),
            counts: Counts::default(),
            anchored_size: 0,
            anchors_met: 0,
        }
    }

    /// How many entries were found good.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Checks the next records, in order. Their signatures are checked together, first, which is several
    /// times faster than one by one.
    pub(super) fn append(&mut self, records: &[EntryRecord]) -> Result<(), Finding> {
        let checks: Vec<_> = records.iter().map(signature_check).collect();
        let signed: Vec<SignatureCheck> = checks.iter().flatten().cloned().collect();
        let mut verdicts = verify_each(&signed).into_iter();
        for (record, check) in records.iter().zip(&checks) {
            let signed = match check {
                Some(_) => verdicts.next().expect("there is a verdict for each check"),
                None => true,
            };
            self.append_one(record, signed)?;
        }
        Ok(())
    }

    /// The report at the end of the log, which `certificate` is to attest.
    pub(super) fn finish(mut self, certificate: Option<&LogCertificate>) -> AuditReport {
        let finding = self.check_certificate(certificate).err();
        let certified = certificate.filter(|_| {
            !matches!(
                finding,
                Some(Finding { fault: Fault::Certificate(_) | Fault::AttestedRoot { .. }, .. })
            )
        });
        self.report(certified, finding)
    }

    /// The report of a log that `finding` is wrong with.
    pub(super) fn fail(mut self, finding: Finding) -> AuditReport {
        self.report(None, Some(finding))
    }

    fn report(&mut self, certificate: Option<&LogCertificate>, finding: Option<Finding>) -> AuditReport {
        let size = self.frontier.size();
        AuditReport {
            identity: self.group.identity,
            epoch: self.group.epoch,
            entries: size,
            root: self.frontier.root(),
            counts: self.counts,
            certified: certificate.map(|certificate| certificate.head),
            attestations: certificate.map_or(0, |certificate| certificate.attestations.len()),
            anchors: self.anchors_met,
            anchored_size: self.anchored_size,
            anchors_beyond: self.anchors.range(size + 1..).count() as u64,
            finding,
        }
    }

    fn check_certificate(&self, certificate: Option<&LogCertificate>) -> Result<(), Finding> {
        let size = self.frontier.size();
        let found = |index, fault| Err(Finding { index: EntryIndex(index), fault });
        let Some(certificate) = certificate else { return found(size, Fault::NoCertificate) };
        if let Err(error) = self.epochs.verify_certificate(certificate) {
            return found(size, Fault::Certificate(error));
        }
        let (head, computed) = (certificate.head, self.frontier.root());
        if head.size != size {
            let reason = format!("{size} entries, but {} are attested", head.size);
            return found(size.min(head.size), Fault::Withheld(reason));
        }
        if head.root != computed {
            let fault = Fault::AttestedRoot { size, attested: head.root, computed };
            return found(self.anchored_size, fault);
        }
        Ok(())
    }

    fn append_one(&mut self, record: &EntryRecord, signed: bool) -> Result<(), Finding> {
        let index = EntryIndex(self.frontier.size());
        self.check(index, record, signed).map_err(|fault| Finding { index, fault })?;
        self.frontier.append(record.entry.leaf_hash());
        let size = self.frontier.size();
        if let Some(&anchored) = self.anchors.get(&size) {
            let computed = self.frontier.root();
            if computed != anchored {
                let fault = Fault::AnchoredRoot { size, anchored, computed };
                return Err(Finding { index: EntryIndex(self.anchored_size), fault });
            }
            self.anchored_size = size;
            self.anchors_met += 1;
        }
        Ok(())
    }

    fn check(&mut self, index: EntryIndex, record: &EntryRecord, signed: bool) -> Result<(), Fault> {
        let entry = &record.entry;
        if entry.index != index {
            return Err(Fault::OutOfPlace { found: entry.index });
        }
        record.check_unsigned(&self.group.identity)?;
        let now = (entry.sequence, entry.timestamp);
        if now.0 < self.last.0 || now.1 < self.last.1 {
            return Err(Fault::Backwards);
        }
        self.last = now;
        if index.0 == 0 && !matches!(record.body, EntryBody::System(_)) {
            return Err(Fault::Genesis("the first entry of a log is its genesis"));
        }
        self.inbox.follow(&record.body)?;
        match &record.body {
            EntryBody::System(event) => {
                self.counts.system += 1;
                self.check_event(index, event, now)
            }
            EntryBody::Command(command) => {
                self.counts.signatures += 1;
                self.check_command(index, command, &record.outcome, entry.timestamp, signed)
            }
            EntryBody::Decision(decision) => {
                *match decision.decision.status {
                    DecisionStatus::Approved => &mut self.counts.approved,
                    DecisionStatus::Rejected => &mut self.counts.rejected,
                    DecisionStatus::Expired => &mut self.counts.expired,
                    DecisionStatus::Cancelled => &mut self.counts.cancelled,
                } += 1;
                let mandate = self.ballots.close(&self.group, entry.timestamp, decision)?;
                self.note_change(decision, &mandate);
                Ok(())
            }
        }
    }

    /// An approved change of members waits for the end of the epoch, unless another one waits already, it names a
    /// replica that was convicted, or it alters weights and the signed votes for it are no mandate.
    fn note_change(&mut self, record: &DecisionRecord, mandate: &Mandate) {
        if record.decision.status != DecisionStatus::Approved || self.next.is_some() {
            return;
        }
        if let Ok(Some(change)) = MembersChange::of(&self.group.identity, &record.calls)
            && !change
                .members
                .iter()
                .any(|member| member.is_replica() && self.convicted.contains(&member.agent))
            && change.mandated(&self.group, change.alters_weights(&self.group).then_some(mandate)).is_ok()
        {
            self.next = change.apply(&self.group).ok();
        }
    }

    /// Follows what the contract told by its inbox.
    fn note_event(&mut self, event: &InboxEvent) {
        match *event {
            InboxEvent::ProposalOpenedOnChain { proposal, .. }
            | InboxEvent::ProposalClosedOnChain { proposal, .. } => self.ballots.moved(proposal),
            InboxEvent::ReplicaConvicted { replica } => {
                self.convicted.insert(replica);
                self.leave_out(replica);
            }
            InboxEvent::ReplicaLeaving { replica, .. } => {
                let mandated = self.next.as_ref().is_some_and(|next| {
                    let change = MembersChange { epoch: self.group.epoch, members: next.members.clone() };
                    change.alters_weights(&self.group)
                });
                if !self.leave_out(replica) && mandated {
                    self.leaving.insert(replica);
                }
            }
            InboxEvent::MemberLeft { member } => {
                if self.group.member(member).is_some() {
                    self.left.insert(member);
                }
            }
        }
    }

    /// A replica that was convicted or gave notice is none in the next epoch, if enough remain and the voters did not sign
    /// for another one.
    fn leave_out(&mut self, replica: AgentId) -> bool {
        let next = epoch::without_replica(&self.group, self.next.as_ref(), replica);
        let alters = next.is_some();
        self.next = next.or(self.next.take());
        alters
    }

    /// An epoch begins with the members that the log approved: those that are known from elsewhere, at the size that
    /// is known from elsewhere.
    fn check_epoch(&mut self, index: EntryIndex, epoch: Epoch, members_hash: Digest) -> Result<(), Fault> {
        if epoch == self.group.epoch.next_era() {
            return self.check_era(index, epoch, members_hash);
        }
        let fault = |reason: &str| Err(Fault::Epoch { epoch, reason: reason.to_owned() });
        let Some(next) = self.next.take().filter(|next| next.epoch == epoch) else {
            return fault("no change of members that leads there is approved");
        };
        if Digest(next.members_hash()) != members_hash {
            return fault("its members are not those that were approved");
        }
        if self.epochs.at(epoch).is_some_and(|known| known.members != next.members) {
            return fault("the contract, or a handover, has other members");
        }
        if self.epochs.end_of(self.group.epoch).is_some_and(|end| end != index.0 + 1) {
            return fault("the contract, or a handover, has the epoch before end elsewhere");
        }
        self.enter(Arc::new(next));
        Ok(())
    }

    /// An era begins with the members that the contract names, and its first entry comes behind the last anchor.
    fn check_era(&mut self, index: EntryIndex, epoch: Epoch, members_hash: Digest) -> Result<(), Fault> {
        let fault = |reason: &str| Err(Fault::Epoch { epoch, reason: reason.to_owned() });
        let Some(next) = self.epochs.at(epoch).cloned() else {
            return fault("the contract has no such era");
        };
        if Digest(next.members_hash()) != members_hash {
            return fault("the contract has other members");
        }
        // A log of which nothing was anchored goes on behind its genesis.
        if self.epochs.end_of(self.group.epoch).is_some_and(|end| end.max(1) != index.0) {
            return fault("the contract has the era begin elsewhere");
        }
        self.next = None;
        self.enter(next);
        Ok(())
    }

    fn enter(&mut self, group: Arc<Group>) {
        self.group = group;
        self.left.retain(|member| self.group.member(*member).is_some());
        let convicted: Vec<AgentId> = self.convicted.iter().copied().collect();
        for replica in std::mem::take(&mut self.leaving).into_iter().chain(convicted) {
            self.leave_out(replica);
        }
    }

    fn check_event(
        &mut self,
        index: EntryIndex,
        event: &SystemEvent,
        now: (Sequence, TimestampMs),
    ) -> Result<(), Fault> {
        let (identity, members_hash, terms) = match event {
            SystemEvent::Genesis { identity, members_hash, terms } => (identity, members_hash, terms),
            _ if index.0 == 0 => {
                return Err(Fault::Genesis("the first entry of a log is its genesis"));
            }
            SystemEvent::EpochStarted { epoch, members_hash } => {
                return self.check_epoch(index, *epoch, *members_hash);
            }
            SystemEvent::InboxTaken(_) => return Ok(()),
            SystemEvent::OnChain(event) => {
                self.note_event(event);
                return Ok(());
            }
        };
        if index.0 != 0 {
            return Err(Fault::Genesis("a log has one genesis, at its beginning"));
        }
        if *identity != self.group.identity || now != (Sequence(0), TimestampMs(0)) {
            return Err(Fault::Genesis("the genesis is that of another log"));
        }
        if self.group.epoch != Epoch(0) {
            return Err(Fault::Genesis(
                "the members of the first epoch are not known, so nothing can be checked",
            ));
        }
        if *members_hash != Digest(self.group.members_hash()) || *terms != self.group.terms {
            return Err(Fault::Genesis("the genesis has other members or other terms than the contract"));
        }
        Ok(())
    }

    fn check_command(
        &mut self,
        index: EntryIndex,
        signed_command: &SignedCommand,
        outcome: &Outcome,
        time: TimestampMs,
        signed: bool,
    ) -> Result<(), Fault> {
        let command = signed_command.command();
        let agent = command.agent;
        if !signed {
            return Err(Fault::Signature { agent });
        }
        if let Some(&first) = self.commands.get(&signed_command.digest()) {
            return Err(Fault::Repeated { first });
        }
        self.commands.insert(signed_command.digest(), index);
        let member = self.group.member(agent).map(|member| member.key);
        let Some(expected) = member.or_else(|| self.admitted.get(&agent).copied()) else {
            return Err(Fault::UnknownAgent { agent });
        };
        let refused_for_key = outcome.refusal() == Some(&Refusal::WrongKey);
        if (command.key == expected) == refused_for_key {
            return Err(Fault::Key { agent, expected, found: command.key });
        }
        if outcome.refusal().is_some() {
            self.counts.refused += 1;
            return Ok(());
        }
        self.counts.applied += 1;
        self.check_effect(command, time)
    }

    fn check_effect(&mut self, command: &Command, time: TimestampMs) -> Result<(), Fault> {
        let agent = command.agent;
        if command.expires <= time {
            return Err(Fault::Expired);
        }
        let of_node = command.operations.iter().all(|operation| operation.service == InboxOperation::SERVICE);
        if !self.effective.insert((agent, of_node, command.nonce)) {
            return Err(Fault::NonceReused { agent, nonce: command.nonce });
        }
        let has_left = self.left.contains(&agent);
        for (position, operation) in command.operations.iter().enumerate() {
            let unreadable = Fault::Operation { operation: position };
            if operation.service == MembersOperation::SERVICE {
                match codec::decode(&operation.body, MAX_COMMAND_BYTES).map_err(|_| unreadable)? {
                    MembersOperation::Admit(admit) => {
                        self.admitted.entry(admit.agent).or_insert(admit.key);
                    }
                    MembersOperation::Leave => {
                        self.admitted.remove(&agent);
                    }
                }
            } else {
                self.ballots
                    .apply(&self.group, (agent, has_left), time, operation)
                    .map_err(|fault| fault.unwrap_or(unreadable))?;
            }
        }
        Ok(())
    }
}

fn signature_check(record: &EntryRecord) -> Option<SignatureCheck> {
    match &record.body {
        EntryBody::Command(command) => Some(command.signature_check()),
        EntryBody::Decision(_) | EntryBody::System(_) => None,
    }
}
