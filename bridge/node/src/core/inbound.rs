//! From the bytes of a peer to a verified event: decode, check the structure, check the signatures.
//!
//! Nothing in here waits. [`Inbound::examine`] does everything but the signatures and names those that remain,
//! so that a node may check them in batches on other threads.

use std::fmt;
use std::sync::{Arc, RwLock};

use quorate_pbft::{Context, Message, verify};
use quorate_protocol::{AgentId, Epoch, SignatureCheck, SignedCommand, TimestampMs, Verified};
use quorate_services::Admission;
use tokio::sync::watch;

use super::{CoreEvent, NOT_POISONED};
use crate::frame::Frame;
use crate::ledger::{Ledger, SignedHead};

/// Why a frame is refused: it is one that a correct replica would not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame(String);

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns frames of peers into events for the core.
#[derive(Clone)]
pub struct Inbound {
    context: watch::Receiver<Arc<Context>>,
    ledger: Arc<RwLock<Ledger>>,
}

/// A frame whose structure is sound and whose signatures are still to be checked.
#[derive(Debug)]
pub struct Unverified {
    claim: Claim,
    signatures: Vec<SignatureCheck>,
    commands: Vec<SignedCommand>,
}

#[derive(Debug)]
enum Claim {
    Message(AgentId, Epoch, Message),
    Attestation(Epoch, SignedHead),
    /// Nothing to be checked here.
    Settled(CoreEvent),
}

impl Inbound {
    pub(super) fn new(context: watch::Receiver<Arc<Context>>, ledger: Arc<RwLock<Ledger>>) -> Self {
        Self { context, ledger }
    }

    /// Examines one frame from the link of `from`. Nothing, if it is sound but of no use.
    ///
    /// # Errors
    /// When a correct replica would not send the frame.
    pub fn examine(
        &self,
        wall: TimestampMs,
        from: AgentId,
        bytes: &[u8],
    ) -> Result<Option<Unverified>, Blame> {
        let event = match Frame::decode(bytes).map_err(|error| Blame(error.to_string()))? {
            Frame::Consensus { epoch, message } => {
                return self.examine_message(wall, from, epoch, message);
            }
            Frame::Attestation { epoch, signed } => return Ok(self.examine_attestation(epoch, signed)),
            Frame::Certificate(certificate) => CoreEvent::Certificate(certificate),
            Frame::CertificateWanted(size) => CoreEvent::CertificateWanted { from, size },
            Frame::HandoversWanted(epoch) => CoreEvent::HandoversWanted { from, epoch },
            Frame::Handovers(handovers) => CoreEvent::Handovers { from, handovers },
            Frame::Transfer(message) => CoreEvent::Transfer { from, message: Box::new(message) },
        };
        Ok(Some(Unverified::new(Claim::Settled(event))))
    }

    /// A message means something in its own epoch only. Of another epoch it tells who is behind.
    fn examine_message(
        &self,
        wall: TimestampMs,
        from: AgentId,
        epoch: Epoch,
        message: Message,
    ) -> Result<Option<Unverified>, Blame> {
        let context = self.context.borrow().clone();
        if epoch != context.epoch {
            let event = if epoch < context.epoch {
                CoreEvent::Straggler { from, epoch, message }
            } else {
                CoreEvent::Ahead { from }
            };
            return Ok(Some(Unverified::new(Claim::Settled(event))));
        }
        // A node that is yet to fetch the group's state takes part in nothing, and may not know yet where its
        // epoch begins, which it would judge view changes by.
        if self.ledger.read().expect(NOT_POISONED).is_closed() {
            return Ok(None);
        }
        // A peer of an earlier roster has nothing to say in this epoch.
        let Some(index) = context.replicas.index_of(from) else { return Ok(None) };
        let message = match message {
            Message::Forward(mut forward) => {
                forward.commands.retain(|command| self.is_admissible(wall, command));
                Message::Forward(forward)
            }
            other => other,
        };
        let checks = verify::checks(&context, index, &message).map_err(|error| Blame(error.to_string()))?;
        let claim = Claim::Message(from, epoch, message);
        Ok(Some(Unverified { claim, signatures: checks.signatures, commands: checks.commands }))
    }

    /// Whether a command that another replica forwards is worth ordering, as far as this replica has executed.
    /// The one that forwards it asks its own state again from time to time, and forgets it when the answer is
    /// no there too.
    fn is_admissible(&self, wall: TimestampMs, command: &SignedCommand) -> bool {
        let ledger = self.ledger.read().expect(NOT_POISONED);
        matches!(ledger.admit(wall, command), Admission::Order)
    }

    /// An attestation of another epoch may hold under a key that is not the signer's in this one. Whoever enters
    /// an epoch attests the whole log again, so nothing is lost without it.
    fn examine_attestation(&self, epoch: Epoch, signed: SignedHead) -> Option<Unverified> {
        let context = self.context.borrow().clone();
        let ledger = self.ledger.read().expect(NOT_POISONED);
        if epoch != context.epoch || !ledger.wants_attestation(&signed) {
            return None;
        }
        let signatures = vec![signed.signature_check(&context.identity, &context.replicas)?];
        let claim = Claim::Attestation(context.epoch, signed);
        Some(Unverified { claim, signatures, commands: Vec::new() })
    }
}

impl Unverified {
    fn new(claim: Claim) -> Self {
        Self { claim, signatures: Vec::new(), commands: Vec::new() }
    }

    /// Forgets the commands that `is_known` says were checked before, their signatures included.
    #[must_use]
    pub fn without_commands(mut self, is_known: impl Fn(&SignedCommand) -> bool) -> Self {
        self.commands.retain(|command| !is_known(command));
        self
    }

    /// The commands whose signatures are among [`Self::checks`].
    pub fn commands(&self) -> &[SignedCommand] {
        &self.commands
    }

    /// All signatures that must hold.
    pub fn checks(&self) -> Vec<SignatureCheck> {
        let commands = self.commands.iter().map(SignedCommand::signature_check);
        self.signatures.iter().cloned().chain(commands).collect()
    }

    /// The event, given whether each of [`Self::checks`] holds: the caller guarantees the verdict.
    ///
    /// # Errors
    /// When a signature does not hold.
    pub fn judge(self, all_hold: bool) -> Result<CoreEvent, Blame> {
        match self.claim {
            Claim::Settled(event) => Ok(event),
            // The structure was checked by `verify::checks`, which named the signatures that hold.
            Claim::Message(from, epoch, message) if all_hold => {
                Ok(CoreEvent::Message { from, epoch, message: Verified::vouch(message) })
            }
            // The only signature holds.
            Claim::Attestation(epoch, signed) if all_hold => {
                Ok(CoreEvent::Attestation(epoch, Verified::vouch(signed)))
            }
            Claim::Message(..) => Err(Blame("a signature does not verify".into())),
            Claim::Attestation(..) => Err(Blame("an attestation does not verify".into())),
        }
    }
}
