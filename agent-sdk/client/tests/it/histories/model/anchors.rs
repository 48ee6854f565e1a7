//! The model of anchors: which checkpoints the contract takes.

use quorate_protocol::{AgentId, Member};

use super::contract::ContractModel;
use super::machine::weights_of;
use super::{Refused, rules};

/// An anchor takes so many messages, or none may be overdue behind it.
const PROGRESS: u64 = 64;

/// A checkpoint that somebody sends to the contract, by what tells.
#[derive(Debug)]
pub(in crate::histories) struct Attempt {
    pub(in crate::histories) epoch: u64,
    pub(in crate::histories) sequence: u64,
    pub(in crate::histories) size: u64,
    pub(in crate::histories) inbox_count: u64,
    /// Whether the hash of the inbox is the contract's at that count.
    pub(in crate::histories) inbox_agrees: bool,
    /// Whether the entry of the last message is shown if any is taken, and none if not.
    pub(in crate::histories) shows_taken: bool,
    /// Whether the log extends the one of the last anchor.
    pub(in crate::histories) extends: bool,
    /// Who signed, in ascending order.
    pub(in crate::histories) signers: Vec<AgentId>,
    pub(in crate::histories) end: Option<End>,
}

/// The end of an epoch.
#[derive(Debug)]
pub(in crate::histories) struct End {
    pub(in crate::histories) members: Vec<Member>,
    /// Whether these members are sent along.
    pub(in crate::histories) members_agree: bool,
    /// The class of the voters' mandate, and who signed it.
    pub(in crate::histories) mandate: Option<(u8, Vec<AgentId>)>,
}

impl ContractModel {
    pub(in crate::histories) fn anchor(&mut self, now: u64, attempt: &Attempt) -> Result<(), Refused> {
        if attempt.end.as_ref().is_some_and(|end| !end.members_agree) {
            return Err("MembersMismatch");
        }
        self.succeeds(attempt)?;
        self.takes(now, attempt)?;
        self.is_signed(now, attempt)?;
        if !attempt.extends {
            return Err("NotConsistent");
        }
        if let Some(end) = &attempt.end {
            self.is_mandated(end)?;
        }
        if attempt.inbox_count > self.taken {
            (self.taken, self.served_at) = (attempt.inbox_count, now);
        }
        self.roots.insert(attempt.size);
        (self.sequence, self.anchored_at) = (attempt.sequence, Some(now));
        if let Some(end) = &attempt.end {
            let alters = weights_of(&end.members) != weights_of(&self.seats.members);
            self.seats.rotate(&end.members);
            self.begin_epoch(now, attempt.size, alters);
        }
        Ok(())
    }

    fn succeeds(&self, attempt: &Attempt) -> Result<(), Refused> {
        match () {
            () if attempt.epoch != self.epoch => Err("EpochMismatch"),
            () if attempt.sequence <= self.sequence => Err("StaleSequence"),
            () if self.roots.last().is_some_and(|size| attempt.size < *size) => Err("LogShrunk"),
            () => Ok(()),
        }
    }

    fn takes(&self, now: u64, attempt: &Attempt) -> Result<(), Refused> {
        let Attempt { inbox_count, inbox_agrees, shows_taken, .. } = *attempt;
        if inbox_count < self.taken || inbox_count > self.messages.len() as u64 {
            return Err("InvalidInboxCount");
        }
        if !inbox_agrees {
            return Err("InboxHashMismatch");
        }
        let terms = &self.group.terms;
        let left_out = self.messages.get(usize::try_from(inbox_count).unwrap());
        let overdue = |second: u64| now > second + u64::from(terms.inbox_deadline_s);
        if inbox_count - self.taken < PROGRESS && left_out.is_some_and(|message| overdue(message.second)) {
            let since = self.anchored_at.unwrap_or(self.starts[0].second);
            let is_held_up = now >= since + u64::from(terms.stall_time_s);
            if attempt.end.is_none() || !is_held_up {
                return Err("InboxOverdue");
            }
        }
        if !shows_taken { Err("InboxEntryNotIncluded") } else { Ok(()) }
    }

    fn is_signed(&self, now: u64, attempt: &Attempt) -> Result<(), Refused> {
        let replicas = self.seats.members.iter().filter(|member| member.is_replica()).count();
        if attempt.signers.len() < rules::quorum(replicas) {
            return Err("NotEnoughSignatures");
        }
        let all = attempt.signers.iter().all(|signer| self.seats.counts(*signer, now));
        if all { Ok(()) } else { Err("SignatureDoesNotCount") }
    }

    /// Voters are changed by voters.
    fn is_mandated(&self, end: &End) -> Result<(), Refused> {
        if weights_of(&end.members) == weights_of(&self.seats.members) {
            return Ok(());
        }
        let Some((class, voters)) = &end.mandate else { return Err("NoMandate") };
        let class = &self.group.terms.classes[usize::from(*class)];
        let weight =
            |voter: &AgentId| self.seats.member(*voter).map_or(0, |member| u128::from(member.weight));
        let weight = voters.iter().map(weight).sum();
        let carried = class.changes_weights() && rules::reaches(weight, class.threshold, self.seats.total());
        if carried { Ok(()) } else { Err("NoMandate") }
    }
}
