//! The steps of a scenario that happen in the log: deciding, forging, repeating.

use std::time::Duration;

use quorate_protocol::api::ErrorCode;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose, Vote};
use quorate_protocol::{Choice, DecisionStatus, Epoch, SignedCommand, codec, domain};
use quorate_sdk::{Decided, SdkError};

use super::report::RefusalRow;
use super::stage::{Made, Stage};
use crate::error::CliError;
use crate::scenario::{Lane, OFF_CHAIN_CLASS, OrganisationIndex, ProposalIndex, Step};

/// How long a decision may take once its votes are cast: a view change is in it when a node was killed.
const DECISION_LIMIT: Duration = Duration::from_secs(20);

impl Stage<'_> {
    /// Takes all steps, and awaits what is to expire.
    pub(super) async fn take_steps(&mut self) -> Result<(), CliError> {
        let scenario = self.scenario;
        for step in &scenario.steps {
            self.network.check()?;
            match *step {
                Step::Decide(index) if scenario.proposals[index].lane == Lane::OnChain => {
                    self.decide_on_chain(index).await?;
                }
                Step::Decide(index) => self.decide_in_log(index).await?,
                Step::Forge { proposal, voter, signed_by } => self.forge(proposal, voter, signed_by).await?,
                Step::Repeat { proposal, voter } => self.repeat(proposal, voter).await?,
                Step::Kill(target) => self.kill(target).await?,
                Step::Restart => self.restart().await?,
            }
        }
        Ok(())
    }

    /// Awaits the proposals that nothing but time closes.
    pub(super) async fn await_expiries(&mut self) -> Result<(), CliError> {
        let limit = Duration::from_secs(self.scenario.class.voting_period_s.into()) + DECISION_LIMIT;
        for at in 0..self.made.len() {
            if self.made[at].row.is_none() {
                let name = &self.scenario.proposals[self.made[at].index].name;
                self.progress.waiting(format!("waiting until the voting period of {name:?} is over"));
                self.progress.tell(&format!("  The voting period of {name:?} ends."));
                self.await_decision(at, limit).await?;
            }
        }
        Ok(())
    }

    async fn decide_in_log(&mut self, index: ProposalIndex) -> Result<(), CliError> {
        let proposal = &self.scenario.proposals[index];
        let proposer = self.name(proposal.proposer);
        self.progress.tell(&format!("  {proposer} proposes {:?}: {}.", proposal.name, proposal.description));
        self.progress.waiting(format!("deciding on {:?}", proposal.name));
        let operation = Propose {
            salt: rand::random(),
            description: proposal.description.clone(),
            calls: self.calls(proposal),
            class: OFF_CHAIN_CLASS,
        };
        let proposed = self.client.propose(self.agent(proposal.proposer), operation).await?;
        self.note_recovery();
        let mut made = Made { index, id: proposed.proposal, votes: Vec::new(), row: None };
        for (voter, choice) in &proposal.votes {
            let vote = ProposalsOperation::Vote(Vote { proposal: made.id, choice: *choice, signature: None })
                .to_operation();
            let command = self.client.sign(self.agent(*voter), vec![vote]).await?;
            let receipt = self.client.submit(command.clone()).await?;
            made.votes.push((*voter, command, receipt.record.entry.index.0));
        }
        self.made.push(made);
        if proposal.expect == DecisionStatus::Expired {
            self.progress.tell(&format!("    {}: too few to decide anything yet.", self.votes_text(index)));
            return Ok(());
        }
        self.await_decision(self.made.len() - 1, DECISION_LIMIT).await
    }

    /// Awaits a decision, and that it is the expected one.
    async fn await_decision(&mut self, at: usize, limit: Duration) -> Result<(), CliError> {
        let Made { index, id, .. } = self.made[at];
        let Decided { record, receipt } = self.client.wait(id, limit).await?;
        let mut row = self.row(index, id);
        let decision = record.decision;
        row.status = decision.status;
        row.for_weight = decision.for_weight;
        row.against_weight = decision.against_weight;
        row.abstain_weight = decision.abstain_weight;
        row.entry = Some(receipt.record.entry.index.0);
        let expected = self.scenario.proposals[index].expect;
        if decision.status != expected {
            return Err(CliError::Verification(format!(
                "{:?} was to be {expected:?} and is {:?}",
                row.name, decision.status
            )));
        }
        let status = format!("{:?}", decision.status).to_lowercase();
        self.progress.tell(&format!(
            "    {}: {status}, in entry {} of the log, whose receipt verified.",
            self.votes_text(index),
            receipt.record.entry.index
        ));
        self.made[at].row = Some(row);
        Ok(())
    }

    /// The votes on a proposal in words.
    pub(super) fn votes_text(&self, index: ProposalIndex) -> String {
        let votes = &self.scenario.proposals[index].votes;
        let named = |wanted: Choice, word: &str| {
            let names: Vec<_> = votes
                .iter()
                .filter(|(_, choice)| *choice == wanted)
                .map(|(voter, _)| self.name(*voter))
                .collect();
            (!names.is_empty()).then(|| format!("{} {word}", names.join(", ")))
        };
        let parts: Vec<_> = [
            named(Choice::For, "for"),
            named(Choice::Against, "against"),
            named(Choice::Abstain, "abstaining"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() { "nobody votes".into() } else { parts.join("; ") }
    }

    /// Sends a vote in the name of one organisation that another signed. It must be refused and leave no entry.
    async fn forge(
        &mut self,
        proposal: ProposalIndex,
        voter: OrganisationIndex,
        signed_by: OrganisationIndex,
    ) -> Result<(), CliError> {
        let id = self.made(proposal).id;
        let vote = ProposalsOperation::Vote(Vote { proposal: id, choice: Choice::For, signature: None })
            .to_operation();
        let command = self.client.sign(self.agent(voter), vec![vote]).await?.command().clone();
        let bytes =
            domain::signing_bytes(domain::COMMAND, &command.group, Epoch(0), &codec::encode(&command));
        let signature = self.agent(signed_by).key.sign(&bytes);
        let forged = SignedCommand::from_parts(command, signature);
        let digest = forged.digest();
        let what = format!("{} signs a vote in the name of {}", self.name(signed_by), self.name(voter));
        let refusal = match self.client.submit(forged).await {
            Err(SdkError::Rejected { code: ErrorCode::BadSignature, message, nodes, .. }) => {
                format!("{nodes} nodes refuse it: {message}")
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(CliError::Verification("a forged vote was accepted".into())),
        };
        if self.client.receipt(digest).await?.is_some() {
            return Err(CliError::Verification("a forged vote is in the log".into()));
        }
        self.progress.tell(&format!("  {what}. {refusal}; nothing is in the log."));
        self.refusals.push(RefusalRow { what, outcome: refusal });
        Ok(())
    }

    /// Sends a vote a second time. It must be answered with the entry that it made, and make no other.
    async fn repeat(&mut self, proposal: ProposalIndex, voter: OrganisationIndex) -> Result<(), CliError> {
        let made = self.made(proposal);
        let (_, command, entry) = made
            .votes
            .iter()
            .find(|(by, ..)| *by == voter)
            .expect("the scenario's steps were checked for votes that there are")
            .clone();
        let again = self.client.submit(command).await?.record.entry.index.0;
        if again != entry {
            return Err(CliError::Verification(format!(
                "a vote of entry {entry} was sent again and made entry {again}"
            )));
        }
        let what = format!(
            "{} sends its vote on {:?} a second time",
            self.name(voter),
            self.scenario.proposals[proposal].name
        );
        let outcome = format!("the same entry {entry}, no second effect");
        self.progress.tell(&format!("  {what}: {outcome}."));
        self.refusals.push(RefusalRow { what, outcome });
        Ok(())
    }
}
