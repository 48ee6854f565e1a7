//! Anchoring from outside of the group: a node's package, checked against what the contract has, and sent by anybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_contracts::reader::{CoordinatorReader, LatestAnchor};
use quorate_protocol::api::{AnchorPackage, CBOR, MAX_ANCHOR_BYTES, NextMembers, TakenPackage};
use quorate_protocol::group::members_hash;
use quorate_protocol::merkle::{verify_consistency, verify_inclusion};
use quorate_protocol::{AgentId, Checkpoint, Digest, Epoch, GroupIdentity};

use super::node::{Lie, NodeFailure};
use super::{Client, Node};
use crate::chain::{ChainAgent, Included};
use crate::error::SdkError;

/// What was anchored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The transaction.
    pub included: Included,
}

/// What the contract has of the group: what an anchor is checked against.
#[derive(Clone, Debug)]
struct Ground {
    identity: GroupIdentity,
    epoch: Epoch,
    last: Option<LatestAnchor>,
    /// How many messages of the inbox are taken.
    taken: u64,
    /// The replicas whose signatures count.
    counted: Vec<AgentId>,
    quorum: usize,
}

impl Client {
    /// Anchors what the group has: asks the nodes for the next stable checkpoint that the contract can take, with its proofs,
    /// checks all of it against the contract, and sends it from `account`, which need not be a member's. Where the group is
    /// epochs ahead of the contract, each call anchors one epoch's end.
    ///
    /// # Errors
    /// [`SdkError::NothingToAnchor`] when no node has a checkpoint beyond the last anchor; [`SdkError::Reader`],
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`]; [`SdkError::Configuration`] for a client that was built without a
    /// chain; and as [`ChainAgent::register`], for instance when somebody else was faster.
    pub async fn anchor(&self, account: &ChainAgent) -> Result<Anchored, SdkError> {
        let package = self.anchor_package().await?;
        let included = account.anchor(&package).await?;
        Ok(Anchored { checkpoint: package.certificate.checkpoint, included })
    }

    /// What [`Self::anchor`] sends: checked against the contract, with exactly a quorum of the signatures that count there.
    ///
    /// # Errors
    /// As [`Self::anchor`], but for what sending can fail with.
    pub async fn anchor_package(&self) -> Result<AnchorPackage, SdkError> {
        let reader = self.reader()?;
        let ground = Arc::new(Ground::read(reader, self.inner.group.identity).await?);
        let Ground { epoch, last, taken, .. } = &*ground;
        let (sequence, size) = last.map_or((0, 0), |last| (last.sequence.0, last.log_size));
        let path = format!("/anchor?epoch={epoch}&sequence={sequence}&size={size}&taken={taken}");
        let timeout = self.inner.policy.request_timeout;
        let ask = |node: Arc<Node>| {
            let (ground, path) = (ground.clone(), path.clone());
            async move {
                let bytes = node.get(&path, CBOR, timeout, MAX_ANCHOR_BYTES).await?;
                let package = AnchorPackage::decode(&bytes)
                    .map_err(|error| NodeFailure::Malformed(error.to_string()))?;
                ground.check(package)
            }
        };
        let package = super::calls::present(self.inner.ask_nodes(self.inner.query(), ask).await)?;
        let package = package.ok_or(SdkError::NothingToAnchor { epoch: *epoch, sequence })?;
        let checkpoint = &package.certificate.checkpoint;
        // The contract's own hash of the inbox, which no node is believed for.
        if let Some(index) = checkpoint.inbox_count.checked_sub(1) {
            let mark = reader.inbox_message(checkpoint.group, index).await?;
            if mark.is_none_or(|mark| mark.hash != checkpoint.inbox_hash) {
                return Err(SdkError::OtherInbox { count: checkpoint.inbox_count });
            }
        }
        Ok(package)
    }

    /// Where the contract is read.
    pub(super) fn reader(&self) -> Result<&CoordinatorReader, SdkError> {
        let missing =
            || SdkError::Configuration("the client was built without a chain; use Client::connect".into());
        self.inner.reader.as_ref().ok_or_else(missing)
    }
}

impl Ground {
    async fn read(reader: &CoordinatorReader, identity: GroupIdentity) -> Result<Self, SdkError> {
        let group = identity.group;
        Ok(Self {
            identity,
            epoch: reader.epoch(group).await?,
            last: reader.latest_anchor(group).await?,
            taken: reader.inbox(group).await?.taken,
            counted: reader.counted_replicas(group).await?,
            quorum: reader.quorum(group).await?,
        })
    }

    /// The package with a quorum of the signatures that count, once everything in it is what the contract asks for.
    fn check(&self, mut package: AnchorPackage) -> Result<AnchorPackage, NodeFailure> {
        self.check_parts(&package).map_err(|reason| NodeFailure::Lied(Lie::Anchor { reason }))?;
        let certificate = &mut package.certificate;
        let digest = certificate.checkpoint.digest(&self.identity);
        // By signer, in the contract's order; what does not count there is left out, and so is what nobody asked for.
        let signed: BTreeMap<_, _> = certificate
            .signatures
            .iter()
            .filter(|signed| self.counted.binary_search(&signed.replica).is_ok())
            .filter(|signed| signed.signature.recover(&digest) == Some(signed.replica.0))
            .map(|signed| (signed.replica, *signed))
            .collect();
        if signed.len() < self.quorum {
            let reason = format!("{} signatures that count, a quorum is {}", signed.len(), self.quorum);
            return Err(NodeFailure::TooFewSignatures(reason));
        }
        certificate.signatures = signed.into_values().take(self.quorum).collect();
        Ok(package)
    }

    fn check_parts(&self, package: &AnchorPackage) -> Result<(), String> {
        let AnchorPackage { certificate, consistency, taken, next } = package;
        let checkpoint = &certificate.checkpoint;
        if checkpoint.group != self.identity.group || checkpoint.epoch != self.epoch {
            return Err(format!("a checkpoint of epoch {} of {}", checkpoint.epoch, checkpoint.group));
        }
        if self.last.is_some_and(|last| checkpoint.sequence <= last.sequence) {
            return Err(format!("sequence {} is anchored", checkpoint.sequence));
        }
        let (size, root) = (checkpoint.log_size, checkpoint.log_root);
        match self.last {
            Some(last) => verify_consistency(last.log_size, size, &last.log_root, &root, consistency)
                .map_err(|error| format!("the log does not extend the anchored one: {error}"))?,
            None if consistency.is_empty() => {}
            None => return Err("a proof of consistency with nothing".into()),
        }
        match (taken, checkpoint.inbox_count.checked_sub(1).filter(|last| *last >= self.taken)) {
            (Some(taken), Some(last)) => self.check_taken(checkpoint, taken, last)?,
            (None, None) => {}
            (Some(_), None) => return Err("the entry of a message that is taken".into()),
            (None, Some(last)) => return Err(format!("the entry of message {last} is missing")),
        }
        let named = match next {
            Some(NextMembers { members, .. }) => Digest(members_hash(members)),
            None => Digest::default(),
        };
        if named != checkpoint.next_members_hash {
            return Err("the next members are not those that the checkpoint names".into());
        }
        Ok(())
    }

    fn check_taken(&self, checkpoint: &Checkpoint, taken: &TakenPackage, last: u64) -> Result<(), String> {
        let TakenPackage { message, entry, path } = taken;
        if (message.index, message.hash) != (last, checkpoint.inbox_hash) {
            return Err(format!("message {} instead of {last}", message.index));
        }
        if message.entry(&self.identity, entry.index, entry.sequence, entry.timestamp) != *entry {
            return Err(format!("an entry that does not say that message {last} was taken"));
        }
        let (leaf, size) = (entry.leaf_hash(), checkpoint.log_size);
        verify_inclusion(&leaf, entry.index.0, size, path, &checkpoint.log_root)
            .map_err(|error| format!("the entry of message {last}: {error}"))
    }
}
