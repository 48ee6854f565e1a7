//! The chain's part: the anchor, and payments by proof under it.

use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider as _;
use quorate_protocol::{ProposalId, Receipt};
use quorate_sdk::verify_receipt;

use super::report::AnchoredCost;
use super::stage::{Made, Stage};
use crate::chain::unreachable_chain;
use crate::error::CliError;
use crate::network::wait::{Look, wait_for};
use crate::scenario::Lane;

/// How long the anchor of the whole log may take.
const ANCHOR_LIMIT: Duration = Duration::from_secs(30);

/// The anchors of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchors {
    /// How many there are.
    pub(super) count: u64,
    /// Entries under the last.
    pub(super) entries: u64,
    /// Gas of all their transactions.
    pub(super) gas: u64,
}

impl Stage<'_> {
    /// Waits until the contract has the root of the log as it is now.
    pub(super) async fn await_anchor(&self) -> Result<Anchors, CliError> {
        self.progress.waiting("waiting until a checkpoint of the whole log is anchored");
        let (size, root) = self.same_log_everywhere().await?;
        let group = self.network.founded.identity.group;
        wait_for("an anchor of the whole log", ANCHOR_LIMIT, async || {
            Ok(match self.reader.latest_anchor(group).await? {
                Some(anchor) if anchor.log_size >= size => Look::Found(()),
                Some(anchor) => Look::NotYet(format!("an anchor of {} of {size} entries", anchor.log_size)),
                None => Look::NotYet("no anchor".into()),
            })
        })
        .await?;
        if self.reader.anchored_root(group, size).await? != Some(root) {
            return Err(CliError::Verification(format!(
                "the contract has another root for {size} entries than the nodes"
            )));
        }
        let events = self.reader.anchors(group, 0).await?;
        let mut gas = 0;
        for event in &events {
            gas += self.gas_of(event.tx_hash).await?;
        }
        let last =
            events.last().ok_or_else(|| unreachable_chain("the chain has no event of the anchor".into()))?;
        let anchors = Anchors { count: events.len() as u64, entries: last.log_size, gas };
        self.progress.tell(&format!(
            "  {} anchors, the last of {} entries in block {}; the contract's root is the nodes'.",
            anchors.count, anchors.entries, last.block
        ));
        Ok(anchors)
    }

    async fn gas_of(&self, transaction: B256) -> Result<u64, CliError> {
        let receipt = self.provider.get_transaction_receipt(transaction).await;
        let receipt =
            receipt.map_err(|error| unreachable_chain(format!("ask for a transaction: {error}")))?;
        let receipt = receipt
            .ok_or_else(|| unreachable_chain(format!("the chain forgot transaction {transaction}")))?;
        Ok(receipt.gas_used)
    }

    /// Makes the approved payments of the log, each by the proof that its decision is under an anchored root.
    pub(super) async fn pay_by_proof(&mut self) -> Result<(), CliError> {
        for at in 0..self.made.len() {
            let Made { index, id, .. } = self.made[at];
            let proposal = &self.scenario.proposals[index];
            let (Lane::Anchored, true, Some(payment)) = (proposal.lane, proposal.execute, proposal.payment)
            else {
                continue;
            };
            self.progress.waiting(format!("executing the payment of {:?}", proposal.name));
            let receipt = self.anchored_receipt(id).await?;
            let group = self.network.founded.identity.group;
            let verified = verify_receipt(&self.reader, group, &receipt.encode()).await?;
            let size = verified.anchored_size.expect("a receipt with an anchor proof was awaited");
            self.progress.tell(&format!(
                "  The receipt of {:?}, {} bytes, proves against the contract alone that entry {} is under the root of {size} entries.",
                proposal.name,
                receipt.encode().len(),
                receipt.record.entry.index
            ));
            let before = self.balance(self.payees[payment.0]).await?;
            let execution = self.account_of(proposal.proposer).await?.execute_anchored(&receipt).await?;
            self.note_payment(index, payment, before, execution).await?;
            if let Some(row) = &mut self.made[at].row {
                row.executed = true;
            }
        }
        Ok(())
    }

    /// The receipt of a decision, once a node has the anchor to prove it under.
    async fn anchored_receipt(&self, proposal: ProposalId) -> Result<Receipt, CliError> {
        wait_for("a receipt under the anchor", ANCHOR_LIMIT, async || {
            Ok(match self.client.decision(proposal).await? {
                Some(decided) if decided.receipt.anchor.is_some() => Look::Found(decided.receipt),
                Some(_) => Look::NotYet("the node does not know of the anchor yet".into()),
                None => Look::NotYet("the node has no decision".into()),
            })
        })
        .await
    }

    /// What a decision with its payment cost in the log: its share of the anchors, and its execution.
    pub(super) fn anchored_cost(&self, anchors: &Anchors) -> Option<AnchoredCost> {
        let paid = self.made.iter().find(|made| {
            let proposal = &self.scenario.proposals[made.index];
            proposal.lane == Lane::Anchored && proposal.execute
        })?;
        let name = &self.scenario.proposals[paid.index].name;
        let execution_gas = self.payments.iter().find(|payment| payment.name == *name)?.gas;
        // The proposal, the votes and the decision.
        let entries = paid.votes.len() as u64 + 2;
        let entries_gas = entries * anchors.gas / anchors.entries;
        Some(AnchoredCost { entries, entries_gas, execution_gas, total_gas: entries_gas + execution_gas })
    }
}
