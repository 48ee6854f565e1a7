//! The contract's refusals in words, with what to do about them.

use alloy::primitives::hex;
use alloy::sol_types::{Revert, SolError as _};
use quorate_contracts::AgentCoordinator::AgentCoordinatorErrors as E;
use quorate_contracts::GroupAccount::GroupAccountErrors;
use quorate_contracts::{ProposalStatus, Refusal};

/// What a refusal of the contracts says.
pub(super) fn of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Coordinator(error) => of_groups(error)
            .or_else(|| of_proposals(error))
            .or_else(|| of_anchors(error))
            .or_else(|| of_bonds(error))
            .unwrap_or_else(|| "a condition that this version does not know".into()),
        Refusal::Account(GroupAccountErrors::CallFailed(e)) => {
            format!("call {} to {} failed: {}", e.position, e.target, of_foreign(&e.reason))
        }
        Refusal::Account(GroupAccountErrors::NotSelf(e)) => {
            format!("{} is not the account itself, in a call that the group decided on", e.caller)
        }
        Refusal::Account(GroupAccountErrors::NotCoordinator(e)) => {
            format!("{} is not the coordinator that drives the group's account", e.caller)
        }
    }
}

/// What the revert data of another contract says.
pub(super) fn of_foreign(data: &[u8]) -> String {
    /// More bytes of a reason are not shown.
    const SHOWN: usize = 68;
    match Revert::abi_decode(data) {
        Ok(revert) => revert.reason.chars().filter(|c| !c.is_control()).take(300).collect(),
        Err(_) if data.is_empty() => "without a reason".into(),
        Err(_) => {
            let more = if data.len() > SHOWN { "…" } else { "" };
            format!("{}{more}", hex::encode_prefixed(&data[..data.len().min(SHOWN)]))
        }
    }
}

fn of_groups(error: &E) -> Option<String> {
    Some(match error {
        E::ZeroKey(_) => "a key must not be zero".into(),
        E::UnknownGroup(e) => format!("there is no group {}", e.groupId),
        E::GroupExists(e) => format!("group {} exists already; choose another salt", e.groupId),
        E::TooManyMembers(e) => format!("{} members, at most {} are allowed", e.count, e.maximum),
        E::TooFewReplicas(e) => format!("{} replicas, at least {} are needed", e.count, e.minimum),
        E::MembersNotAscending(e) => {
            format!("members must be in ascending order, {} comes after {}", e.account, e.previous)
        }
        E::NotRegistered(e) => format!("{} has not registered a key; it must register first", e.account),
        E::KeyMismatch(e) => {
            format!("{} has registered the key {}, not {}", e.account, e.registered, e.given)
        }
        E::DuplicateKey(e) => format!("two members share the key {}", e.key),
        E::InvalidFlags(e) => format!("{} must be voter, replica or both, not {}", e.account, e.flags),
        E::InvalidWeight(e) => {
            format!("weight {} of {}: a voter has weight, and nobody else has", e.weight, e.account)
        }
        E::InvalidClassCount(e) => {
            format!("{} classes of decisions, 1 to {} are allowed", e.count, e.maximum)
        }
        E::InvalidName(e) => format!("class {} has no name, or that of another", e.class),
        E::InvalidThreshold(e) => format!(
            "class {}: threshold {} is not above 5000 basis points, or is above 10000",
            e.class, e.threshold
        ),
        E::InvalidTurnout(e) => {
            format!("class {}: turnout {} is above 10000, or 0 where votes cast decide", e.class, e.turnout)
        }
        E::InvalidVeto(e) => format!("class {}: veto {} is above 10000 basis points", e.class, e.veto),
        E::InvalidVotingPeriod(e) => {
            format!("class {}: a voting period of {} seconds; 1 to a year's", e.class, e.votingPeriod)
        }
        E::InvalidTimelock(e) => format!("class {}: a timelock of {} s, above a year", e.class, e.timelock),
        E::InvalidExpiry(e) => format!("class {}: an expiry of {} s, above a year", e.class, e.expiry),
        E::InvalidEscape(e) => format!(
            "class {}: the escape lane needs a threshold of all weight, and neither turnout, nor veto, nor votes that change",
            e.class
        ),
        E::InvalidStallTime(e) => format!("a stall time of {} s; 1 to a year's are allowed", e.stallTime),
        E::InvalidInboxDeadline(e) => {
            format!("an inbox deadline of {} s; 1 to a year's are allowed", e.inboxDeadline)
        }
        E::InvalidEvidenceWindow(e) => format!("an evidence window of {} s, above a year", e.evidenceWindow),
        E::InvalidReporterShare(e) => {
            format!("a reporter's share of {} basis points, at most 5000 are allowed", e.reporterShare)
        }
        E::NotDelegated(_) => "this is the registry's own address; use the coordinator's".into(),
        E::InvalidCommandLength(e) => {
            format!("a command of {} bytes, 1 to {} are allowed", e.length, e.maximum)
        }
        E::NotMember(e) => format!("{} is not a member of group {}", e.account, e.groupId),
        E::NotVoter(e) => format!("{} is not a voter of group {}, or has left", e.account, e.groupId),
        E::AlreadyLeft(e) => format!("{} has left group {} before", e.account, e.groupId),
        _ => return None,
    })
}

fn of_proposals(error: &E) -> Option<String> {
    Some(match error {
        E::UnknownProposal(e) => format!("there is no proposal {} in the on-chain lane", e.proposalId),
        E::ProposalExists(e) => {
            format!("proposal {} exists already; propose with another salt", e.proposalId)
        }
        E::ProposalNotOpen(e) => {
            format!("proposal {} takes no more votes, it is {}", e.proposalId, status(e.status))
        }
        E::ProposalNotApproved(e) => {
            format!("proposal {} is {}, not approved", e.proposalId, status(e.status))
        }
        E::NotProposer(e) => format!("{} did not make proposal {}", e.account, e.proposalId),
        E::AlreadyVoted(e) => format!("{} has voted on proposal {} already", e.voter, e.proposalId),
        E::InvalidChoice(e) => format!("choice {}: 0 is against, 1 for, 2 abstain", e.choice),
        E::InvalidVoteSignature(e) => format!("the signature is not the vote of {}", e.voter),
        E::ActionsMismatch(e) => {
            format!("the calls hash to {}, decided were those that hash to {}", e.given, e.expected)
        }
        E::TimelockNotOver(e) => format!(
            "proposal {} may be executed from {} seconds since the Unix epoch on",
            e.proposalId, e.readyAt
        ),
        E::ExecutionExpired(e) => format!(
            "proposal {} could be executed until {} seconds since the Unix epoch",
            e.proposalId, e.until
        ),
        E::UnknownClass(e) => format!("the group has no class {}", e.class),
        E::LaneClosed(e) => {
            format!("proposals of class {} are made off-chain, unless anchors have stalled", e.class)
        }
        E::CallNotPermitted(e) => format!("call {} is not of a kind that the class permits", e.position),
        E::ValueNotPermitted(e) => {
            format!("call {} sends more than the {} wei that the class' limit leaves", e.position, e.left)
        }
        E::NoEscape(e) => format!("class {} does not allow the escape lane", e.class),
        E::NotStalled(e) => format!("the anchors of group {} have not stalled", e.groupId),
        E::VotingOver(e) => format!("the voting ended at {} seconds since the Unix epoch", e.votingEnds),
        E::VotersNotAscending(e) => {
            format!(
                "votes must be in ascending order of their voters, {} comes after {}",
                e.voter, e.previous
            )
        }
        E::NotEnoughWeight(e) => format!("the votes weigh {}, less than the threshold", e.weight),
        E::AlreadyExecuted(e) => format!("proposal {} has been executed already", e.proposalId),
        E::InsufficientBalance(e) => {
            format!("the group's account has {} wei, the call needs {}", e.balance, e.needed)
        }
        E::ReentrancyGuardReentrantCall(_) => "a call tried to execute another proposal meanwhile".into(),
        _ => return None,
    })
}

fn of_bonds(error: &E) -> Option<String> {
    Some(match error {
        E::NoBonds(e) => format!("group {} has no bonds", e.groupId),
        E::NothingDeposited(_) => "a deposit must be above zero".into(),
        E::NoBond(e) => format!("{} has no bond in the group", e.account),
        E::WithdrawalAskedFor(e) => format!("{} has asked for its bond, which takes no more", e.account),
        E::WithdrawalNotAskedFor(e) => format!("{} has to ask for its bond first", e.account),
        E::BondNotReleased(e) => {
            format!("the bond can be withdrawn from {} seconds since the Unix epoch on", e.releasedAt)
        }
        E::StillReplica(e) => format!("{} is a replica of the current epoch", e.account),
        E::NoContradiction(_) => {
            "the two checkpoints are not different ones of one group, epoch and sequence".into()
        }
        E::DifferentSigners(e) => format!("{} signed one checkpoint and {} the other", e.first, e.second),
        E::EvidenceTooOld(e) => {
            format!("evidence of epoch {} counted until {} seconds since the Unix epoch", e.epoch, e.until)
        }
        E::AlreadyConvicted(e) => format!("{} was convicted before", e.replica),
        _ => return None,
    })
}

fn of_anchors(error: &E) -> Option<String> {
    Some(match error {
        E::EpochMismatch(e) => {
            format!("the checkpoint is of epoch {}, the group is in {}", e.epoch, e.current)
        }
        E::StaleSequence(e) => format!("sequence {} is not above the last anchor's, {}", e.sequence, e.last),
        E::LogShrunk(e) => format!("{} entries, the last anchor has {}", e.logSize, e.last),
        E::LogRootMismatch(e) => {
            format!("root {} for {} entries, anchored is {}", e.given, e.logSize, e.anchored)
        }
        E::ZeroLogRoot(_) => "no log has the root zero".into(),
        E::InvalidInboxCount(e) => format!(
            "the checkpoint took {} inbox messages in; {} were taken before, and there are {}",
            e.count, e.taken, e.length
        ),
        E::InboxOverdue(e) => format!(
            "the log had to take inbox message {} in by {} seconds since the Unix epoch",
            e.index, e.dueAt
        ),
        E::NextMembersMissing(_) => {
            "the checkpoint ends its epoch; it is anchored with the next members".into()
        }
        E::EpochGoesOn(e) => format!("the checkpoint of sequence {} does not end its epoch", e.sequence),
        E::MembersMismatch(e) => {
            format!("the members hash to {}, the checkpoint names {}", e.given, e.expected)
        }
        E::InvalidSignaturesLength(e) => format!("{} bytes of signatures, each has 65", e.length),
        E::NotEnoughSignatures(e) => format!("{} signatures, a quorum is {}", e.count, e.quorum),
        E::InvalidSignature(e) => format!("signature {} is malformed", e.position),
        E::SignersNotAscending(e) => {
            format!("signers must be in ascending order, {} comes after {}", e.signer, e.previous)
        }
        E::NotReplica(e) => format!("{} is not a replica of group {}", e.signer, e.groupId),
        E::UnknownAnchor(e) => {
            format!("no log of {} entries is anchored; wait for the next anchor", e.logSize)
        }
        E::EntryNotIncluded(e) => {
            format!("the proof does not lead from entry {} to the root of {} entries", e.index, e.logSize)
        }
        E::EntriesNotIncluded(e) => {
            format!("the proof does not lead from these entries to the root of {} entries", e.logSize)
        }
        _ => return None,
    })
}

fn status(number: u8) -> &'static str {
    match ProposalStatus::try_from(number) {
        Ok(ProposalStatus::Open) => "open",
        Ok(ProposalStatus::Approved) => "approved",
        Ok(ProposalStatus::Rejected) => "rejected",
        Ok(ProposalStatus::Expired) => "expired",
        Ok(ProposalStatus::Cancelled) => "cancelled",
        Ok(ProposalStatus::Executed) => "executed",
        Err(_) => "in a state that this version does not know",
    }
}
