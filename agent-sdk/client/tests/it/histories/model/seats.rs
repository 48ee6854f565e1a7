//! The model of seats and bonds on-chain.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::{AgentId, Group, InboxEvent, Member, OnChainStatus, ProposalId};

use super::Refused;
use super::contract::ContractModel;

/// Until when the signature of a replica counts that wants its bond.
const NOTICE_S: u64 = 14 * 24 * 3600;
/// How much longer than evidence a bond is kept.
const MARGIN_S: u64 = 24 * 3600;

/// A bond.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::histories) struct Bond {
    pub(in crate::histories) amount: u128,
    /// When its owner's signature ceases to count, and when it is paid out.
    pub(in crate::histories) exit: Option<(u64, u64)>,
}

/// Who sits in the current epoch.
pub(in crate::histories) struct Seats {
    pub(in crate::histories) members: Vec<Member>,
    pub(in crate::histories) left: BTreeSet<AgentId>,
    pub(in crate::histories) convicted: BTreeSet<AgentId>,
    pub(in crate::histories) bonds: BTreeMap<AgentId, Bond>,
    /// What a replica has to deposit.
    bond: u128,
    evidence_s: u64,
    reporter_share: u128,
}

impl Seats {
    pub(in crate::histories) fn new(group: &Group) -> Self {
        Self {
            members: group.members.clone(),
            left: BTreeSet::new(),
            convicted: BTreeSet::new(),
            bonds: BTreeMap::new(),
            bond: group.terms.bond,
            evidence_s: u64::from(group.terms.evidence_window_s),
            reporter_share: u128::from(group.terms.reporter_share),
        }
    }

    pub(in crate::histories) fn member(&self, account: AgentId) -> Option<&Member> {
        self.members.iter().find(|member| member.agent == account)
    }

    /// The weight with which an account votes.
    pub(in crate::histories) fn weight(&self, account: AgentId) -> u64 {
        let member = self.member(account).filter(|_| !self.left.contains(&account));
        member.map_or(0, |member| member.weight)
    }

    pub(in crate::histories) fn total(&self) -> u128 {
        self.members.iter().map(|member| u128::from(member.weight)).sum()
    }

    pub(in crate::histories) fn is_replica(&self, account: AgentId) -> bool {
        self.member(account).is_some_and(Member::is_replica)
    }

    /// Whether the account's signature on a checkpoint counts.
    pub(in crate::histories) fn counts(&self, account: AgentId, now: u64) -> bool {
        let bond = self.bonds.get(&account).copied().unwrap_or_default();
        let held = bond.amount >= self.bond && bond.exit.is_none_or(|(exit_at, _)| now < exit_at);
        self.is_replica(account) && !self.convicted.contains(&account) && (self.bond == 0 || held)
    }

    /// What all bonds come to.
    pub(in crate::histories) fn deposited(&self) -> u128 {
        self.bonds.values().map(|bond| bond.amount).sum()
    }

    /// The members of the next epoch sit down. Who stays has left as before.
    pub(in crate::histories) fn rotate(&mut self, members: &[Member]) {
        self.members = members.to_vec();
        self.left.retain(|account| members.iter().any(|member| member.agent == *account));
    }
}

impl ContractModel {
    pub(in crate::histories) fn leave(&mut self, now: u64, account: AgentId) -> Result<(), Refused> {
        if self.seats.member(account).is_none() {
            return Err("NotMember");
        }
        if !self.seats.left.insert(account) {
            return Err("AlreadyLeft");
        }
        self.tell(now, account, InboxEvent::MemberLeft { member: account });
        Ok(())
    }

    pub(in crate::histories) fn deposit(&mut self, account: AgentId, wei: u128) -> Result<(), Refused> {
        let seats = &mut self.seats;
        let exits = seats.bonds.get(&account).is_some_and(|bond| bond.exit.is_some());
        match () {
            () if seats.bond == 0 => Err("NoBonds"),
            () if wei == 0 => Err("NothingDeposited"),
            () if seats.convicted.contains(&account) => Err("AlreadyConvicted"),
            () if exits => Err("WithdrawalAskedFor"),
            () => {
                seats.bonds.entry(account).or_default().amount += wei;
                Ok(())
            }
        }
    }

    pub(in crate::histories) fn request_withdrawal(
        &mut self,
        now: u64,
        account: AgentId,
    ) -> Result<(), Refused> {
        let is_replica = self.seats.is_replica(account);
        let evidence_s = self.seats.evidence_s;
        let bond = self.seats.bonds.get_mut(&account).ok_or("NoBond")?;
        if bond.exit.is_some() {
            return Err("WithdrawalAskedFor");
        }
        let exit_at = now + if is_replica { NOTICE_S } else { 0 };
        bond.exit = Some((exit_at, exit_at + evidence_s + MARGIN_S));
        if is_replica {
            self.tell(now, account, InboxEvent::ReplicaLeaving { replica: account, exit_at });
        }
        Ok(())
    }

    pub(in crate::histories) fn stay(&mut self, account: AgentId) -> Result<(), Refused> {
        let bond = self.seats.bonds.get_mut(&account).filter(|bond| bond.exit.is_some());
        bond.ok_or("WithdrawalNotAskedFor")?.exit = None;
        Ok(())
    }

    pub(in crate::histories) fn withdraw(&mut self, now: u64, account: AgentId) -> Result<(), Refused> {
        let exit = self.seats.bonds.get(&account).and_then(|bond| bond.exit);
        let (_, released_at) = exit.ok_or("WithdrawalNotAskedFor")?;
        if now < released_at {
            return Err("BondNotReleased");
        }
        self.seats.bonds.remove(&account);
        Ok(())
    }

    /// Somebody shows two checkpoints of the current epoch that a replica signed and that contradict each other.
    pub(in crate::histories) fn convict(
        &mut self,
        now: u64,
        reporter: AgentId,
        replica: AgentId,
    ) -> Result<(), Refused> {
        let seats = &mut self.seats;
        let bond = seats.bonds.get(&replica).copied().unwrap_or_default();
        let full = seats.bond != 0 && bond.amount >= seats.bond;
        if !full && !seats.is_replica(replica) {
            return Err("NotConvictable");
        }
        if !seats.convicted.insert(replica) {
            return Err("AlreadyConvicted");
        }
        seats.bonds.remove(&replica);
        self.balance += bond.amount - bond.amount * seats.reporter_share / 10_000;
        self.tell(now, reporter, InboxEvent::ReplicaConvicted { replica });
        Ok(())
    }

    /// The message that a proposal is closed.
    pub(super) fn tell_closed(
        &mut self,
        now: u64,
        sender: AgentId,
        proposal: ProposalId,
        status: OnChainStatus,
    ) {
        self.tell(now, sender, InboxEvent::ProposalClosedOnChain { proposal, status });
    }
}
