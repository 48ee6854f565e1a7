//! From the bytes of a peer to a verified event: decode, check the structure, check the signatures.
//!
//! One thread decodes; the verify pool checks signatures in batches. Whoever sends what a correct replica
//! would not send is counted and cut off.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, RwLock};

use quorate_pbft::{Context, Message, verify};
use quorate_protocol::{AgentId, ReplicaIndex, SignatureCheck, SignedCommand, Verified};
use quorate_services::Admission;

use super::core::{CoreEvent, wall_clock};
use crate::frame::Frame;
use crate::ledger::{Ledger, SignedHead};
use crate::transport::Transport;
use crate::verify_pool::VerifyPool;

/// Turns frames of peers into events for the core.
#[derive(Clone)]
pub(super) struct Inbound {
    pub(super) context: Arc<Context>,
    pub(super) ledger: Arc<RwLock<Ledger>>,
    pub(super) pool: VerifyPool,
    pub(super) core: SyncSender<CoreEvent>,
    /// Cuts off whoever sends what a correct replica would not send.
    pub(super) transport: Transport,
}

impl Inbound {
    /// Takes one frame from the link of `from`.
    pub(super) fn take(&self, from: AgentId, bytes: &[u8]) {
        // A peer of another roster than the context's has nothing to say in this epoch.
        let Some(from) = self.context.replicas.index_of(from) else { return };
        match Frame::decode(bytes) {
            Ok(Frame::Consensus(message)) => self.take_message(from, message),
            Ok(Frame::Attestation(signed)) => self.take_attestation(from, signed),
            Ok(Frame::Certificate(certificate)) => self.give(CoreEvent::Certificate(certificate)),
            Ok(Frame::CertificateWanted(size)) => self.give(CoreEvent::CertificateWanted { from, size }),
            Err(error) => self.blame(from, &error.to_string()),
        }
    }

    fn blame(&self, from: ReplicaIndex, reason: &str) {
        if let Some(member) = self.context.replicas.at(from) {
            self.transport.blame(member.agent, reason);
        }
    }

    fn take_message(&self, from: ReplicaIndex, message: Message) {
        let message = match message {
            Message::Forward(mut forward) => {
                forward.commands.retain(|command| self.is_admissible(command));
                Message::Forward(forward)
            }
            other => other,
        };
        let checks = match verify::checks(&self.context, from, &message) {
            Ok(checks) => checks,
            Err(error) => return self.blame(from, &error.to_string()),
        };
        let commands: Vec<SignedCommand> =
            checks.commands.into_iter().filter(|command| !self.pool.knows(command)).collect();
        let mut signatures = checks.signatures;
        signatures.extend(commands.iter().map(SignedCommand::signature_check));
        let inbound = self.clone();
        self.check(signatures, move |all_hold| {
            if !all_hold {
                return inbound.blame(from, "a signature does not verify");
            }
            for command in &commands {
                inbound.pool.remember(command);
            }
            // The structure was checked by `verify::checks`, which named the signatures checked just now.
            inbound.give(CoreEvent::Message { from, message: Verified::vouch(message) });
        });
    }

    /// Whether a command that another replica forwards is worth ordering, as far as this replica has executed.
    /// The one that forwards it asks its own state again from time to time, and forgets it when the answer is
    /// no there too.
    fn is_admissible(&self, command: &SignedCommand) -> bool {
        let ledger = self.ledger.read().expect(super::NOT_POISONED);
        matches!(ledger.admit(wall_clock(), command), Admission::Order)
    }

    fn take_attestation(&self, from: ReplicaIndex, signed: SignedHead) {
        let check = {
            let ledger = self.ledger.read().expect(super::NOT_POISONED);
            if !ledger.wants_attestation(&signed) {
                return;
            }
            signed.signature_check(&self.context.identity, &self.context.replicas)
        };
        let inbound = self.clone();
        self.check(check.into_iter().collect(), move |all_hold| {
            if all_hold {
                // The only signature was checked just now.
                inbound.give(CoreEvent::Attestation(Verified::vouch(signed)));
            } else {
                inbound.blame(from, "an attestation does not verify");
            }
        });
    }

    fn check(&self, signatures: Vec<SignatureCheck>, done: impl FnOnce(bool) + Send + 'static) {
        if signatures.is_empty() {
            return done(true);
        }
        self.pool.submit(signatures, move |verdicts| done(verdicts.iter().all(|holds| *holds)));
    }

    /// Waits while the core is busy: the peers' queues fill up then, not this node's memory.
    fn give(&self, event: CoreEvent) {
        // The core is gone only when the node stops.
        let _ = self.core.send(event);
    }
}
