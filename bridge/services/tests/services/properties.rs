//! What holds for every history. The checkers work on the records alone, as an auditor would, and share
//! no code with the machine.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};
use quorate_protocol::operations::proposals::ProposalsOperation;
use quorate_protocol::{
    AgentId, Choice, Decision, DecisionStatus, Digest, EntryBody, EntryIndex, EntryRecord, EntryStatus,
    Group, ProposalId, Refusal, codec,
};
use quorate_services::{Disposition, DropReason, ProposalStatus};

use crate::fixture::*;
use crate::history::{Batch, Plan, agents, every_proposal};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 96,
        rng_seed: RngSeed::Fixed(9),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Plays all batches on a new machine.
fn play(group: &Group, batches: &[Batch]) -> (Machine, Vec<EntryRecord>, Vec<Disposition>) {
    let mut machine = Machine::new(group);
    let (mut records, mut dispositions) = (Vec::new(), Vec::new());
    for (time, commands) in batches {
        let executed = machine.batch(*time, commands);
        records.extend(executed.records);
        dispositions.extend(executed.dispositions);
    }
    (machine, records, dispositions)
}

proptest! {
    #![proptest_config(config())]

    /// Also when one computes its root after every batch and the other once, and when the third crashes,
    /// comes back from what it saved at its last checkpoint and executes the batches after that again.
    #[test]
    fn replicas_agree(plan in Plan::any(), interval in 1usize..8, crash in any::<prop::sample::Index>()) {
        let (group, agents) = agents();
        let batches = plan.play(&group, &agents);
        let crash = crash.index(batches.len());
        let (mut eager, mut crashing) = (Machine::new(&group), Machine::new(&group));
        let mut store = Store::default();
        store.save(crashing.machine.take_changes());
        let mut saved_at = 0;
        for (at, (time, commands)) in batches.iter().enumerate() {
            let expected = eager.batch(*time, commands);
            eager.machine.state_root();
            prop_assert_eq!(crashing.batch(*time, commands), expected);
            if (at + 1) % interval == 0 {
                store.save(crashing.machine.take_changes());
                saved_at = at + 1;
            }
            if at == crash {
                crashing.machine = store.restore(&group);
                crashing.sequence = saved_at as u64;
                for (time, commands) in &batches[saved_at..=at] {
                    crashing.batch(*time, commands);
                }
            }
        }
        let (mut lazy, _, _) = play(&group, &batches);
        let root = eager.machine.state_root();
        prop_assert_eq!(lazy.machine.state_root(), root);
        prop_assert_eq!(crashing.machine.state_root(), root);

        store.save(crashing.machine.take_changes());
        prop_assert!(store.0.iter().map(|(key, value)| (&key[..], &value[..])).eq(lazy.machine.pairs()));
        prop_assert_eq!(store.restore(&group).state_root(), root);
    }

    #[test]
    fn a_command_is_executed_once(plan in Plan::any()) {
        let (group, agents) = agents();
        let batches = plan.play(&group, &agents);
        let (mut machine, records, dispositions) = play(&group, &batches);
        let mut entries: BTreeMap<Digest, EntryIndex> = BTreeMap::new();
        let commands: Vec<_> = batches.iter().flat_map(|(_, commands)| commands).cloned().collect();
        for (command, disposition) in commands.iter().zip(&dispositions) {
            let known = entries.get(&command.digest()).copied();
            match *disposition {
                Disposition::Recorded(entry) => {
                    prop_assert_eq!(known, None, "a second entry for {:?}", command);
                    entries.insert(command.digest(), entry);
                    let record = &records[usize::try_from(entry.0 - 1).unwrap()];
                    prop_assert_eq!(record.entry.subject, command.digest());
                }
                Disposition::Duplicate(entry) => prop_assert_eq!(known, Some(entry)),
                Disposition::Dropped(DropReason::NonceTooOld { .. }) => {}
                Disposition::Dropped(reason) => prop_assert_eq!(known, None, "dropped: {}", reason),
            }
        }
        let applied = records.iter().filter(|record| matches!(record.body, EntryBody::Command(_))).count();
        prop_assert_eq!(applied, entries.len());

        // Everything that made an entry comes again: nothing of it has a second effect.
        let again: Vec<_> =
            commands.into_iter().filter(|command| entries.contains_key(&command.digest())).collect();
        let executed = machine.batch(1, &again);
        for (command, disposition) in again.iter().zip(executed.dispositions) {
            match disposition {
                Disposition::Duplicate(entry) => prop_assert_eq!(entry, entries[&command.digest()]),
                Disposition::Dropped(DropReason::NonceTooOld { .. }) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(decisions(&executed.records).len() == executed.records.len());
    }

    #[test]
    fn tallies_equal_the_votes_and_a_proposal_has_one_decision(plan in Plan::any()) {
        let (group, agents) = agents();
        let batches = plan.play(&group, &agents);
        let (machine, records, _) = play(&group, &batches);
        let audited = audit(&group, &records)?;
        for id in every_proposal(&agents) {
            let view = machine.machine.proposal(&id);
            let Some(poll) = audited.get(&id) else {
                prop_assert_eq!(view, None);
                continue;
            };
            let view = view.unwrap();
            let votes: BTreeMap<_, _> = view.votes.iter().map(|vote| (vote.voter, vote.choice)).collect();
            prop_assert_eq!(&votes, &poll.votes);
            prop_assert_eq!(votes.len(), view.votes.len());
            let weights = (view.for_weight, view.against_weight, view.abstain_weight);
            prop_assert_eq!(weights, poll.weights(&group));
            prop_assert_eq!(view.decision, poll.decision.map(|(entry, _)| entry));
            let status = poll.decision.map_or(ProposalStatus::Open, |(_, status)| status.into());
            prop_assert_eq!(view.status, status);
        }
    }
}

/// The properties above say nothing about what no history contains.
#[test]
fn the_histories_reach_every_way_that_a_command_and_a_proposal_can_end() {
    let (group, agents) = agents();
    let mut runner = TestRunner::new(config());
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    let mut count = |end| *ends.entry(end).or_default() += 1;
    for _ in 0..config().cases {
        let plan = Plan::any().new_tree(&mut runner).unwrap().current();
        let (_, records, dispositions) = play(&group, &plan.play(&group, &agents));
        for disposition in dispositions {
            count(match disposition {
                Disposition::Recorded(_) => "recorded",
                Disposition::Duplicate(_) => "duplicate",
                Disposition::Dropped(DropReason::UnknownAgent) => "unknown agent",
                Disposition::Dropped(DropReason::NonceTooOld { .. }) => "nonce too old",
                Disposition::Dropped(DropReason::NonceReused { .. }) => "too many rivals",
                Disposition::Dropped(_) => "other",
            });
        }
        for record in records {
            count(match (&record.body, record.outcome.refusal()) {
                (EntryBody::Decision(decided), _) => match decided.decision.status {
                    DecisionStatus::Approved => "approved",
                    DecisionStatus::Rejected => "rejected",
                    DecisionStatus::Expired => "expired",
                    DecisionStatus::Cancelled => "cancelled",
                },
                (_, Some(Refusal::WrongKey)) => "wrong key",
                (_, Some(Refusal::Expired { .. })) => "expired command",
                (_, Some(Refusal::NonceReused { .. })) => "nonce reused",
                (_, Some(Refusal::MalformedOperation { .. })) => "malformed",
                (_, Some(Refusal::Service { operation: 1.., .. })) => "undone",
                (_, Some(_)) => "refused",
                (_, None) => "applied",
            });
        }
    }
    let expected = [
        "applied",
        "approved",
        "cancelled",
        "duplicate",
        "expired",
        "expired command",
        "malformed",
        "nonce reused",
        "nonce too old",
        "recorded",
        "refused",
        "rejected",
        "undone",
        "unknown agent",
        "wrong key",
    ];
    let rare = |end: &&str| ends.get(end).is_none_or(|count| *count < config().cases / 8);
    let rare: Vec<_> = expected.into_iter().filter(rare).collect();
    assert!(rare.is_empty(), "too rare: {rare:?} in {ends:?}");
}

/// A proposal as the records tell it.
#[derive(Default)]
struct Poll {
    closes: u64,
    votes: BTreeMap<AgentId, Choice>,
    cancelled: bool,
    decision: Option<(EntryIndex, DecisionStatus)>,
}

impl Poll {
    /// For, against, abstain.
    fn weights(&self, group: &Group) -> (u128, u128, u128) {
        let sum = |choice| {
            let voters = self.votes.iter().filter(|(_, voted)| **voted == choice);
            voters.map(|(voter, _)| u128::from(group.member(*voter).unwrap().weight)).sum()
        };
        (sum(Choice::For), sum(Choice::Against), sum(Choice::Abstain))
    }

    /// How the rules say that it stands, time aside.
    fn verdict(&self, group: &Group) -> Option<DecisionStatus> {
        let (approving, against, abstaining) = self.weights(group);
        let undecided = group.total_weight() - approving - against - abstaining;
        let part = u128::from(group.terms.classes[0].threshold);
        let threshold = (part * group.total_weight()).div_ceil(10_000);
        match () {
            () if self.cancelled => Some(DecisionStatus::Cancelled),
            () if approving >= threshold => Some(DecisionStatus::Approved),
            () if approving + undecided < threshold => Some(DecisionStatus::Rejected),
            () => None,
        }
    }
}

/// Reads the log from its beginning and checks every proposal's course by the rules.
fn audit(group: &Group, records: &[EntryRecord]) -> Result<BTreeMap<ProposalId, Poll>, TestCaseError> {
    let mut polls: BTreeMap<ProposalId, Poll> = BTreeMap::new();
    for record in records {
        match &record.body {
            EntryBody::Command(command) if record.entry.status == EntryStatus::Applied => {
                let agent = command.command().agent;
                let operations = command.command().operations.iter();
                for operation in operations.filter(|operation| operation.service == "proposals") {
                    let operation = codec::decode(&operation.body, 1 << 16).unwrap();
                    follow(group, &mut polls, record, agent, &operation)?;
                }
            }
            EntryBody::Command(_) => {}
            EntryBody::Decision(decided) => {
                let Decision { proposal, status, .. } = decided.decision;
                let poll = polls.get_mut(&proposal).unwrap();
                prop_assert_eq!(poll.decision, None, "a second decision on {}", proposal);
                let time = record.entry.timestamp.0;
                let expected = poll.verdict(group).unwrap_or(DecisionStatus::Expired);
                prop_assert_eq!(status, expected);
                prop_assert_eq!(status == DecisionStatus::Expired, time >= poll.closes);
                let decision = &decided.decision;
                let weights = (decision.for_weight, decision.against_weight, decision.abstain_weight);
                prop_assert_eq!(weights, poll.weights(group));
                poll.decision = Some((record.entry.index, status));
            }
            EntryBody::System(event) => prop_assert!(false, "no command makes {:?}", event),
        }
    }
    for (id, poll) in &polls {
        prop_assert!(poll.decision.is_some() || poll.verdict(group).is_none(), "{} is not closed", id);
    }
    Ok(polls)
}

fn follow(
    group: &Group,
    polls: &mut BTreeMap<ProposalId, Poll>,
    record: &EntryRecord,
    agent: AgentId,
    operation: &ProposalsOperation,
) -> Result<(), TestCaseError> {
    let time = record.entry.timestamp.0;
    let (id, choice) = match operation {
        ProposalsOperation::Propose(proposal) => {
            let id = quorate_protocol::proposal::proposal_id(
                &group.identity.group,
                agent,
                proposal.salt,
                0,
                &proposal.calls,
                &proposal.description,
            );
            let poll = Poll { closes: time.div_ceil(1000) * 1000 + PERIOD_MS, ..Poll::default() };
            prop_assert!(polls.insert(id, poll).is_none(), "{} is proposed twice", id);
            return Ok(());
        }
        ProposalsOperation::Vote(vote) => (vote.proposal, Some(vote.choice)),
        ProposalsOperation::Cancel(withdrawal) => (withdrawal.proposal, None),
    };
    let poll = polls.get_mut(&id).unwrap();
    prop_assert!(poll.decision.is_none() && poll.verdict(group).is_none(), "{} is closed", id);
    prop_assert!(time < poll.closes);
    match choice {
        Some(choice) => prop_assert_eq!(poll.votes.insert(agent, choice), None, "a second vote"),
        None => poll.cancelled = true,
    }
    Ok(())
}
