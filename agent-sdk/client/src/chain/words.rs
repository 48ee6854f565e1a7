//! The contract's refusals in words, with what to do about them.

use alloy::primitives::{Address, U256, hex};
use alloy::sol_types::{Revert, SolError as _, SolInterface as _};
use quorate_contracts::AgentCoordinator::{AgentCoordinatorErrors as E, InvalidTerm};
use quorate_contracts::Directory::DirectoryErrors;
use quorate_contracts::GroupAccount::GroupAccountErrors;
use quorate_contracts::{ProposalStatus, Refusal, Term};

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
        Refusal::Account(GroupAccountErrors::NotEnoughGas(e)) => format!(
            "call {} names more gas than the {} that are left for it; send the transaction with more",
            e.position, e.left
        ),
        Refusal::Account(GroupAccountErrors::InvalidApprovalEnd(e)) => {
            format!("an approval until {} seconds since the Unix epoch; at most {}", e.until, e.latest)
        }
        Refusal::Account(GroupAccountErrors::InvalidTypedData(e)) => {
            format!("{} bytes of typed data, which is words of 32 bytes", e.length)
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
        Err(_) => DirectoryErrors::abi_decode(data).map_or_else(
            |_| {
                let more = if data.len() > SHOWN { "…" } else { "" };
                format!("{}{more}", hex::encode_prefixed(&data[..data.len().min(SHOWN)]))
            },
            |error| of_directory(&error),
        ),
    }
}

/// What a refusal of the directory says.
fn of_directory(error: &DirectoryErrors) -> String {
    use DirectoryErrors as D;
    match error {
        D::NoCoordinator(e) => format!("there is no coordinator at {}", e.given),
        D::NotGroupAccount(e) => format!("{} is not the account of group {}", e.caller, e.groupId),
        D::NotMember(e) => format!("{} is no member of group {}", e.caller, e.groupId),
        D::HasLeft(e) => format!("{} has left group {}", e.caller, e.groupId),
        D::NotCurrentEpoch(e) => {
            format!(
                "epoch {} is not the current one of group {}: see its members, and agree to those",
                e.epoch, e.groupId
            )
        }
        D::NotAccepted(e) => format!("{} has not said that it agrees to be in group {}", e.caller, e.groupId),
        D::TooLong(e) => format!("{} bytes, at most {} are kept", e.bytes_, e.most),
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
        E::InvalidTerm(e) => invalid_term(e),
        E::ReplicaHasCode(e) => {
            format!("{} is a contract, which signs no checkpoints, and cannot be a replica", e.account)
        }
        E::NotDelegated(_) => "this is a module's own address; use the coordinator's".into(),
        E::NoCode(e) => format!("there is no code at {}, the coordinator's module", e.module),
        E::WrongFee(e) => format!("{} wei were sent, the fee is {} wei", e.given, e.fee),
        E::InboxClosed(e) => {
            format!("the inbox takes messages of members alone, and {} is none", e.account)
        }
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
        E::WrongStatus(e) => format!("proposal {} is {}", e.proposalId, status(e.status)),
        E::RefusedInLog(e) => format!("an anchored log refused proposal {}", e.proposalId),
        E::NotRefusal(e) => format!("status {} of proposal {} is none that refuses", e.status, e.proposalId),
        E::NotGroupAccount(e) => {
            format!("{} is not the group's account; this takes a decision of the group", e.caller)
        }
        E::NotDead(e) => format!(
            "no message of group {} has waited for the recovery time, or the group has none",
            e.groupId
        ),
        E::SequencerDown(e) => format!(
            "the chain's sequencer is down, or was within the last hour, by its feed {}",
            e.uptimeFeed
        ),
        E::NotEnoughGasForFeed(e) => {
            format!("{} gas is too little to ask the uptime feed; send more", e.left)
        }
        E::NotProposer(e) => format!("{} did not make proposal {}", e.account, e.proposalId),
        E::AlreadyVoted(e) => format!("{} has voted on proposal {} already", e.voter, e.proposalId),
        E::InvalidChoice(e) => format!("choice {}: 0 is against, 1 for, 2 abstain", e.choice),
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
            format!("proposals of class {} are made off-chain, unless the group has stalled", e.class)
        }
        E::CallNotPermitted(e) => format!("call {} is not of a kind that the class permits", e.position),
        E::TooManyCalls(e) => format!("{} calls, at most {} are allowed", e.count, e.maximum),
        E::TooMuchData(e) => {
            format!("call {} has {} bytes of data, at most {} are allowed", e.position, e.length, e.maximum)
        }
        E::GasNotNamed(e) => format!("call {} has data or may fail, so it has to name its gas", e.position),
        E::TooMuchGas(e) => format!("the calls name {} gas, at most {} are allowed", e.total, e.maximum),
        E::AboveLimit(e) => {
            format!(
                "the calls take {} of {}, the class' limit is {} a decision",
                e.amount,
                asset(e.asset),
                e.limit
            )
        }
        E::AboveWindow(e) => format!(
            "the calls take {} of {}, the class' window leaves {} at this moment; execute it later",
            e.amount,
            asset(e.asset),
            e.left
        ),
        E::HasTimelock(e) => {
            format!(
                "class {} has a timelock; the decision has to be queued, and executed when that is over",
                e.class
            )
        }
        E::NoTimelock(e) => {
            format!("class {} has no timelock; the decision can be executed at once", e.class)
        }
        E::NotInEpoch(e) => format!("entry {} is none of epoch {}", e.index, e.epoch),
        E::NoEscape(e) => format!("class {} does not allow the escape lane", e.class),
        E::NotStalled(e) => {
            format!("group {} has not stalled: no message of its inbox has waited that long", e.groupId)
        }
        E::VotingOver(e) => format!("the voting ended at {} seconds since the Unix epoch", e.votingEnds),
        E::NotEnoughWeight(e) => format!("the votes weigh {}, less than the threshold", e.weight),
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
        E::NoContradiction(_) => {
            "one correct replica may have signed both checkpoints: they do not contradict each other".into()
        }
        E::NotConvictable(e) => format!(
            "{} had no replica's seat in the epochs of the checkpoints, and has no full bond",
            e.account
        ),
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
            format!("it is of epoch {}, the group is in {}, or its voters are of that", e.epoch, e.current)
        }
        E::StaleSequence(e) => format!("sequence {} is not above the last anchor's, {}", e.sequence, e.last),
        E::LogTooLarge(e) => format!("{} entries are more than a log can have", e.logSize),
        E::LogShrunk(e) => format!("{} entries, the last anchor has {}", e.logSize, e.last),
        E::NotConsistent(e) => {
            format!(
                "the log of {} entries is not shown to extend the anchored one of {}",
                e.logSize, e.lastSize
            )
        }
        E::InboxHashMismatch(e) => {
            format!("the inbox hashes to {}, the checkpoint says {}", e.expected, e.given)
        }
        E::InboxEntryNotIncluded(e) => {
            format!("the log is not shown to have taken inbox message {} in", e.index)
        }
        E::NoMandate(e) => format!(
            "the weight of {} changes, and votes of {} weight mandate it, less than the threshold",
            e.account, e.weight
        ),
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
        E::SignatureDoesNotCount(e) => format!(
            "the signature of {} does not count: no replica, convicted, without its bond, or on its way out",
            e.signer
        ),
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

fn invalid_term(e: &InvalidTerm) -> String {
    let of = match e.class {
        class if class == U256::from(u8::MAX) => "the group's".to_owned(),
        class => format!("class {class}'s"),
    };
    let term = Term::try_from(e.term).map_or_else(|unknown| unknown.to_string(), |term| term.to_string());
    match (e.least, e.most) {
        (U256::ZERO, U256::ZERO) => format!("{of} {term} is none that a group can have"),
        (least, most) => format!("{of} {term} is {}; {least} to {most} are allowed", e.found),
    }
}

fn asset(asset: Address) -> String {
    if asset.is_zero() { "wei".into() } else { format!("the token {asset}") }
}

fn status(number: u8) -> String {
    ProposalStatus::try_from(number).map_or_else(|unknown| unknown.to_string(), |status| status.to_string())
}
