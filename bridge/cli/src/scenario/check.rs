//! From the file to a scenario without contradictions.

use std::collections::BTreeSet;

use alloy::primitives::U256;
use quorate_protocol::proposal::MAX_DESCRIPTION_BYTES;
use quorate_protocol::{Choice, Class, DecisionStatus, Weights};

use super::{Lane, Organisation, OrganisationIndex, Proposal, ProposalIndex, Scenario, Step, Target, file};
use crate::amount;
use crate::network::layout::slug;

/// The most organisations of a scenario: the nodes of a network on one machine.
const MAX_ORGANISATIONS: usize = 16;
/// The most commands that the latency is measured over.
const MAX_BURST: usize = 10_000;
/// The longest voting period: the demo waits for a proposal to expire.
const MAX_VOTING_PERIOD_S: u32 = 30;
/// The most characters of a name, so that tables stay tables.
const MAX_NAME: usize = 32;

/// Checks `file`. The error names the place and what is wrong with it.
pub(super) fn scenario(file: file::File) -> Result<Scenario, String> {
    let funding = amount::parse(&file.funding).map_err(|cause| format!("funding: {cause}"))?;
    if !(1..=MAX_BURST).contains(&file.burst) {
        return Err(format!("burst: {} is not within 1 and {MAX_BURST}", file.burst));
    }
    let organisations = organisations(file.organisations)?;
    let payees: Vec<String> = file.payees.into_iter().map(|payee| payee.name).collect();
    names("payees", payees.iter())?;
    let class = class(&file.policy, &organisations)?;
    let mut checked = Scenario {
        title: file.title,
        funding,
        burst: file.burst,
        class,
        organisations,
        payees,
        proposals: Vec::new(),
        steps: Vec::new(),
    };
    for (at, step) in file.steps.into_iter().enumerate() {
        checked.add_step(step).map_err(|cause| format!("step {}: {cause}", at + 1))?;
    }
    checked.check_steps()?;
    Ok(checked)
}

fn organisations(listed: Vec<file::Organisation>) -> Result<Vec<Organisation>, String> {
    if !(1..=MAX_ORGANISATIONS).contains(&listed.len()) {
        return Err(format!(
            "organisations: there are {}, allowed are 1 to {MAX_ORGANISATIONS}",
            listed.len()
        ));
    }
    names("organisations", listed.iter().map(|organisation| &organisation.name))?;
    if let Some(idle) = listed.iter().find(|organisation| organisation.weight == 0) {
        return Err(format!("organisations: {:?} has no weight; give it at least 1", idle.name));
    }
    Ok(listed.into_iter().map(|file::Organisation { name, weight }| Organisation { name, weight }).collect())
}

fn names<'a>(list: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!("{list}: {name:?} is not a name of 1 to {MAX_NAME} printable characters"));
        }
        // Names become directories, too.
        if !seen.insert(slug(name)) {
            return Err(format!(
                "{list}: {name:?} is there twice, or another name differs from it in its signs only"
            ));
        }
    }
    Ok(())
}

fn class(policy: &file::Policy, organisations: &[Organisation]) -> Result<Class, String> {
    let threshold = u128::from(policy.threshold);
    let total = total_weight(organisations);
    if threshold <= total / 2 || threshold > total {
        return Err(format!(
            "policy: threshold {threshold} is not above half of the total weight {total}, or is above the total"
        ));
    }
    if !(1..=MAX_VOTING_PERIOD_S).contains(&policy.voting_period_s) {
        return Err(format!(
            "policy: voting_period_s {} is not within 1 and {MAX_VOTING_PERIOD_S}",
            policy.voting_period_s
        ));
    }
    let limit = |name: &str, text: &str| {
        let wei = amount::parse(text).map_err(|cause| format!("policy: {name}: {cause}"))?;
        u128::try_from(wei).map_err(|_| format!("policy: {name}: so much money there is not"))
    };
    let limits = (limit("per_decision", &policy.per_decision)?, limit("per_day", &policy.per_day)?);
    if limits.0 > limits.1 {
        return Err("policy: per_decision is above per_day".into());
    }
    Ok(Class::payments(threshold, total, policy.voting_period_s, limits))
}

fn total_weight(organisations: &[Organisation]) -> u128 {
    organisations.iter().map(|organisation| u128::from(organisation.weight)).sum()
}

impl Scenario {
    fn add_step(&mut self, step: file::Step) -> Result<(), String> {
        let step = match step {
            file::Step::Decide(decide) => {
                let proposal = self.proposal(decide)?;
                self.proposals.push(proposal);
                Step::Decide(self.proposals.len() - 1)
            }
            file::Step::Forge { proposal, voter, signed_by } => self.forge(&proposal, &voter, &signed_by)?,
            file::Step::Repeat { proposal, voter } => self.repeat(&proposal, &voter)?,
            file::Step::Kill { node } if node == "primary" => Step::Kill(Target::Primary),
            file::Step::Kill { node } => Step::Kill(Target::Of(self.organisation(&node)?)),
            file::Step::Restart {} => Step::Restart,
        };
        self.steps.push(step);
        Ok(())
    }

    fn forge(&self, proposal: &str, voter: &str, signed_by: &str) -> Result<Step, String> {
        let (proposal, voter, signed_by) =
            (self.known_proposal(proposal)?, self.organisation(voter)?, self.organisation(signed_by)?);
        if voter == signed_by {
            return Err("a vote that the voter signs itself is no forgery".into());
        }
        Ok(Step::Forge { proposal, voter, signed_by })
    }

    fn repeat(&self, proposal: &str, voter: &str) -> Result<Step, String> {
        let (at, voter_at) = (self.known_proposal(proposal)?, self.organisation(voter)?);
        if !self.proposals[at].votes.iter().any(|(by, _)| *by == voter_at) {
            return Err(format!("{voter:?} did not vote on {proposal:?}, so there is nothing to repeat"));
        }
        Ok(Step::Repeat { proposal: at, voter: voter_at })
    }

    fn proposal(&self, decide: file::Decide) -> Result<Proposal, String> {
        let name = decide.proposal;
        names("proposal", [&name].into_iter())?;
        if self.proposals.iter().any(|earlier| earlier.name == name) {
            return Err(format!("there is a proposal {name:?} already"));
        }
        if decide.description.len() > MAX_DESCRIPTION_BYTES {
            return Err(format!("{name:?}: the description has more than {MAX_DESCRIPTION_BYTES} bytes"));
        }
        let payment = match &decide.pay {
            Some(pay) => {
                let payee = self.payees.iter().position(|payee| *payee == pay.to).ok_or_else(|| {
                    format!("{name:?}: there is no payee {:?}; there are: {}", pay.to, self.payees.join(", "))
                })?;
                Some((payee, amount::parse(&pay.amount).map_err(|cause| format!("{name:?}: {cause}"))?))
            }
            None => None,
        };
        let mut votes = Vec::new();
        for (voters, choice) in [
            (&decide.votes_for, Choice::For),
            (&decide.against, Choice::Against),
            (&decide.abstain, Choice::Abstain),
        ] {
            for voter in voters {
                votes.push((self.organisation(voter)?, choice));
            }
        }
        let lane = match decide.lane {
            file::Lane::Anchored => Lane::Anchored,
            file::Lane::OnChain => Lane::OnChain,
        };
        let proposal = Proposal {
            proposer: self.organisation(&decide.proposer)?,
            name,
            description: decide.description,
            payment,
            votes,
            expect: decide.expect,
            execute: decide.execute,
            lane,
        };
        self.check_outcome(proposal)
    }

    /// Orders the votes so that the one that decides comes last, and refuses an expectation that they cannot meet.
    fn check_outcome(&self, mut proposal: Proposal) -> Result<Proposal, String> {
        let name = &proposal.name;
        let mut seen = BTreeSet::new();
        if let Some((twice, _)) = proposal.votes.iter().find(|(voter, _)| !seen.insert(*voter)) {
            return Err(format!("{name:?}: {:?} votes twice", self.organisations[*twice].name));
        }
        // Votes that do not bring the expected outcome about are cast first, so that none comes too late.
        let last = match proposal.expect {
            DecisionStatus::Approved => Choice::For,
            _ => Choice::Against,
        };
        proposal.votes.sort_by_key(|(_, choice)| *choice == last);
        let found = self.outcome(&proposal.votes);
        if found.0 != Some(proposal.expect)
            && (found.0.is_some() || proposal.expect != DecisionStatus::Expired)
        {
            let found =
                found.0.map_or("leave it open".into(), |status| format!("make it {status:?}").to_lowercase());
            return Err(format!("{name:?}: the votes {found}, so it cannot be {:?}", proposal.expect));
        }
        if found.1 > 0 {
            return Err(format!(
                "{name:?}: {} of its votes come after it is decided; leave them out",
                found.1
            ));
        }
        if proposal.execute && (proposal.expect != DecisionStatus::Approved || proposal.payment.is_none()) {
            return Err(format!("{name:?}: only an approved payment can be executed"));
        }
        if proposal.lane == Lane::OnChain && proposal.expect == DecisionStatus::Expired {
            return Err(format!(
                "{name:?}: a proposal of the on-chain lane is awaited; expect a decision of it"
            ));
        }
        Ok(proposal)
    }

    /// What the votes make of a proposal, and how many of them come after that.
    fn outcome(&self, votes: &[(OrganisationIndex, Choice)]) -> (Option<DecisionStatus>, usize) {
        let mut weights = Weights { total: total_weight(&self.organisations), ..Weights::default() };
        for (at, (voter, choice)) in votes.iter().enumerate() {
            let weight = u128::from(self.organisations[*voter].weight);
            match choice {
                Choice::For => weights.in_favour += weight,
                Choice::Against => weights.against += weight,
                Choice::Abstain => weights.abstain += weight,
            }
            if let Some(status) = self.class.verdict(&weights, false) {
                return (Some(status), votes.len() - at - 1);
            }
        }
        (None, 0)
    }

    /// What holds over all steps: one node is down at a time and all are up at the end; the account can pay.
    fn check_steps(&self) -> Result<(), String> {
        let mut down = false;
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Kill(_) if down => return Err(format!("step {}: a node is down already", at + 1)),
                Step::Restart if !down => return Err(format!("step {}: no node is down", at + 1)),
                Step::Kill(_) => down = true,
                Step::Restart => down = false,
                Step::Decide(_) | Step::Forge { .. } | Step::Repeat { .. } => {}
            }
        }
        if down {
            return Err("steps: the killed node is never restarted".into());
        }
        let executed = |lane| self.proposals.iter().any(|proposal| proposal.execute && proposal.lane == lane);
        if !executed(Lane::Anchored) {
            return Err(
                "steps: no payment is executed by an anchored proof; set execute = true on one".into()
            );
        }
        let mut needed = U256::ZERO;
        for proposal in self.proposals.iter().filter(|proposal| proposal.execute) {
            let amount = proposal.payment.map_or(U256::ZERO, |(_, amount)| amount);
            needed = needed.checked_add(amount).ok_or("steps: the payments are too large to add up")?;
        }
        if needed > self.funding {
            return Err(format!(
                "funding: {} does not cover the payments of {}",
                amount::ether(self.funding),
                amount::ether(needed)
            ));
        }
        Ok(())
    }

    fn organisation(&self, name: &str) -> Result<OrganisationIndex, String> {
        self.organisations.iter().position(|organisation| organisation.name == name).ok_or_else(|| {
            let known: Vec<_> =
                self.organisations.iter().map(|organisation| organisation.name.as_str()).collect();
            format!("there is no organisation {name:?}; there are: {}", known.join(", "))
        })
    }

    /// A proposal of an earlier step, in the log: forged and repeated votes go there.
    fn known_proposal(&self, name: &str) -> Result<ProposalIndex, String> {
        let at = self
            .proposals
            .iter()
            .position(|proposal| proposal.name == name)
            .ok_or_else(|| format!("no earlier step makes a proposal {name:?}"))?;
        if self.proposals[at].lane == Lane::OnChain {
            return Err(format!("{name:?} is in the on-chain lane; name a proposal of the log"));
        }
        Ok(at)
    }
}
