//! The one log that the correct replicas share, as they first showed it: what they execute is compared with it
//! and with each other. Checkers: agreement, prefix, authenticity, exactly once.

use std::collections::{BTreeMap, BTreeSet};

use quorate_pbft::CommittedBatch;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    AgentId, CheckpointCertificate, Digest, EntryBody, EntryRecord, EntryStatus, Epoch, LogHead, Nonce,
    Sequence, SignedCommand, codec,
};
use sha2::{Digest as _, Sha256};

use super::inbox::Inbox;
use super::tree::{self, Hash, Tree};
use crate::violation::{Verdict, Violation};

/// What the group did, as far as any correct replica showed.
#[derive(Debug, Default)]
pub struct Reference {
    batches: BTreeMap<Sequence, Hash>,
    /// How many entries there were after each sequence.
    sizes: BTreeMap<Sequence, u64>,
    leaves: Vec<Hash>,
    /// `roots[k]` is the root over the first k + 1 leaves.
    roots: Vec<Hash>,
    tree: Tree,
    states: BTreeMap<Sequence, Digest>,
    issued: BTreeMap<Digest, SignedCommand>,
    entry_of: BTreeMap<Digest, u64>,
    /// Which nonces of an agent, and of its node, have had their effect.
    applied: BTreeSet<(AgentId, bool, Nonce)>,
    /// Where each epoch began.
    epochs: BTreeMap<Epoch, u64>,
    /// The contract's inbox.
    pub inbox: Inbox,
}

impl Reference {
    /// An agent signed a command.
    pub fn issued(&mut self, command: &SignedCommand) {
        self.issued.insert(command.digest(), command.clone());
    }

    /// A correct replica executed a batch, which made `records`.
    ///
    /// # Errors
    /// When another one executed another batch there, or the log comes out differently, or an entry is not
    /// what it should be.
    pub fn executed(
        &mut self,
        who: &str,
        sequence: Sequence,
        batch: &[u8],
        records: &[EntryRecord],
    ) -> Verdict {
        if !batch.is_empty() {
            self.compare_batch(who, sequence, batch)?;
        }
        for record in records {
            self.entry(who, sequence, record)?;
        }
        let after = match records.last() {
            Some(last) => last.entry.index.0 + 1,
            None => match self.sizes.range(..=sequence).next_back() {
                Some((_, size)) => *size,
                None => 0,
            },
        };
        let first = *self.sizes.entry(sequence).or_insert(after);
        if first != after {
            let detail = format!("{who} has {after} entries after {sequence}, another replica {first}");
            return Err(Violation::new("prefix", detail));
        }
        Ok(())
    }

    /// View and commits may differ from one replica to the next; what is ordered may not.
    fn compare_batch(&mut self, who: &str, sequence: Sequence, bytes: &[u8]) -> Verdict {
        let committed = CommittedBatch::decode(bytes)
            .map_err(|error| Violation::new("agreement", format!("{who} stores no batch: {error}")))?;
        let hash: Hash = Sha256::digest(codec::encode(&committed.batch)).into();
        let first = *self.batches.entry(sequence).or_insert(hash);
        if committed.sequence != sequence || first != hash {
            let detail = format!("{who} executed another batch at {sequence} than the first who did");
            return Err(Violation::new("agreement", detail));
        }
        Ok(())
    }

    fn entry(&mut self, who: &str, sequence: Sequence, record: &EntryRecord) -> Verdict {
        let index = record.entry.index.0;
        let leaf = tree::leaf(&record.entry.leaf());
        if let Some(known) = self.leaves.get(index as usize) {
            if *known != leaf {
                let detail = format!("{who} has another entry {index}: {:?}", record.entry);
                return Err(Violation::new("prefix", detail));
            }
            return Ok(());
        }
        if index != self.leaves.len() as u64 || record.entry.sequence != sequence {
            let detail =
                format!("{who} appends entry {index} of {} to {}", record.entry.sequence, self.leaves.len());
            return Err(Violation::new("prefix", detail));
        }
        self.tree.push(leaf);
        self.leaves.push(leaf);
        self.roots.push(self.tree.root());
        self.inbox.entry(who, index, &record.body)?;
        match &record.body {
            EntryBody::Command(command) => self.command(who, index, command, record.entry.status),
            EntryBody::Decision(_) => Ok(()),
            EntryBody::System(SystemEvent::Genesis { .. }) => {
                self.epochs.insert(Epoch(0), index);
                Ok(())
            }
            EntryBody::System(SystemEvent::EpochStarted { epoch, .. }) => {
                self.epochs.insert(*epoch, index);
                Ok(())
            }
            EntryBody::System(SystemEvent::InboxTaken(_) | SystemEvent::OnChain(_)) => Ok(()),
        }
    }

    fn command(&mut self, who: &str, index: u64, command: &SignedCommand, status: EntryStatus) -> Verdict {
        let digest = command.digest();
        let forged = || {
            let detail = format!("{who}: entry {index} holds a command that nobody signed: {command:?}");
            Err(Violation::new("authenticity", detail))
        };
        // Nodes sign what they saw of the inbox with their agents' keys, whom nobody asks.
        let is_word = self.inbox.said(command) && command.signature_check().verify();
        // What agents sign is known. A faulty replica may also sign commands as an agent of its own making.
        match self.issued.get(&digest) {
            Some(issued) if issued.encode() == command.encode() => {}
            _ if !is_word && self.is_honest_agent(command.command().agent) => return forged(),
            _ => {}
        }
        if let Some(before) = self.entry_of.insert(digest, index) {
            let detail = format!("{who}: command {digest} is entry {before} and entry {index}");
            return Err(Violation::new("exactly_once", detail));
        }
        let (agent, nonce) = (command.command().agent, command.command().nonce);
        // What a node says of the inbox is counted apart from what its agent does.
        let is_word = command.command().operations.iter().all(|operation| operation.service == "inbox");
        if status == EntryStatus::Applied && !self.applied.insert((agent, is_word, nonce)) {
            let detail = format!("{who}: entry {index} applies nonce {nonce} of {agent} again");
            return Err(Violation::new("exactly_once", detail));
        }
        Ok(())
    }

    fn is_honest_agent(&self, agent: AgentId) -> bool {
        self.issued.values().any(|command| command.command().agent == agent)
    }

    /// A correct replica's log has this head.
    ///
    /// # Errors
    /// When it is not a prefix of the group's.
    pub fn head(&self, who: &str, head: &LogHead) -> Verdict {
        match self.root(head.size) {
            Some(root) if root == head.root.0.0 => Ok(()),
            Some(_) => {
                let detail = format!("{who} has another root at size {}", head.size);
                Err(Violation::new("prefix", detail))
            }
            None => {
                let detail =
                    format!("{who} has {} entries, only {} were executed", head.size, self.leaves.len());
                Err(Violation::new("prefix", detail))
            }
        }
    }

    /// A checkpoint that a correct replica signed or holds for stable.
    ///
    /// # Errors
    /// When its log or its state is not the group's.
    pub fn checkpoint(&mut self, who: &str, certificate: &CheckpointCertificate) -> Verdict {
        let checkpoint = &certificate.checkpoint;
        let sequence = checkpoint.sequence;
        let state = *self.states.entry(sequence).or_insert(checkpoint.state_root);
        // Whoever holds it may be behind it; the first who executed up to it is compared with it then.
        let size_fits = self.sizes.get(&sequence).is_none_or(|size| *size == checkpoint.log_size);
        let root_fits = self.root(checkpoint.log_size).is_none_or(|root| root == checkpoint.log_root.0.0);
        let inbox_fits = self.size() < checkpoint.log_size
            || checkpoint.inbox_count == self.inbox.taken_within(checkpoint.log_size);
        if state == checkpoint.state_root && size_fits && root_fits && inbox_fits {
            return Ok(());
        }
        let detail = format!("{who} holds a stable checkpoint of {sequence} that is not the group's");
        Err(Violation::new("agreement", detail))
    }

    /// The root over the first `size` entries.
    pub fn root(&self, size: u64) -> Option<Hash> {
        let at = usize::try_from(size).ok()?.checked_sub(1)?;
        self.roots.get(at).copied()
    }

    /// The hash of the entry at `index`.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.leaves.get(usize::try_from(index).ok()?).copied()
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// How many batches were executed.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// The entry of a command.
    pub fn entry_of(&self, command: &Digest) -> Option<u64> {
        self.entry_of.get(command).copied()
    }

    /// How many entries the log had when the epoch began: its beginning is the last entry of the one before.
    pub fn beginning(&self, epoch: Epoch) -> Option<u64> {
        let start = self.epochs.get(&epoch).copied()?;
        Some(if epoch == Epoch(0) { 0 } else { start + 1 })
    }

    /// The epoch that the entry at `index` belongs to.
    pub fn epoch_at(&self, index: u64) -> Epoch {
        let begun = self.epochs.iter().filter(|(_, start)| **start <= index);
        begun.map(|(epoch, _)| *epoch).max().unwrap_or_default()
    }
}
