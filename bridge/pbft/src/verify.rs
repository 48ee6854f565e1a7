//! Everything that makes a message from outside believable, named in one place.

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{
    CheckpointCertificate, ReplicaIndex, SignatureCheck, SignedCheckpoint, SignedCommand, domain,
};

use crate::batch::Batch;
use crate::certificate::{SignedVote, check_voters, vote_checks};
use crate::config::{Config, Context};
use crate::message::{Message, MessageError, NewView, PrePrepare, ViewChange, Vote};
use crate::replica::reproposals;

/// The ed25519 checks that remain of a message whose structure is sound.
#[derive(Debug, Default)]
pub struct Checks {
    /// Signatures of replicas.
    pub signatures: Vec<SignatureCheck>,
    /// Commands whose agents' signatures are to be checked. A caller that has checked one before need not
    /// do it again.
    pub commands: Vec<SignedCommand>,
}

impl Checks {
    /// All checks, the commands' included.
    pub fn all(self) -> Vec<SignatureCheck> {
        let mut checks = self.signatures;
        checks.extend(self.commands.iter().map(SignedCommand::signature_check));
        checks
    }
}

/// Checks the structure of `message`, which came over the link of `from`, and every secp256k1 signature in
/// it; returns the ed25519 checks that must all hold before the message is verified.
///
/// # Errors
/// The first rule that does not hold. A correct replica never sends such a message.
pub fn checks(context: &Context, from: ReplicaIndex, message: &Message) -> Result<Checks, MessageError> {
    let mut out = Checks::default();
    match message {
        Message::PrePrepare(pre_prepare) => check_pre_prepare(context, pre_prepare, &mut out)?,
        Message::Prepare(vote) => check_vote(context, from, domain::PREPARE, vote, &mut out)?,
        Message::Commit(vote) => check_vote(context, from, domain::COMMIT, vote, &mut out)?,
        Message::Checkpoint(signed) => check_checkpoint(context, from, signed)?,
        Message::Stable(certificate) => check_stable(context, certificate)?,
        Message::ViewChange(view_change) => {
            speaks_for_itself(from, view_change.replica)?;
            if faults::is_on(Fault::BadViewChangeKept) {
                return Ok(out);
            }
            check_view_change(context, view_change, false, &mut out)?;
        }
        Message::NewView(new_view) => check_new_view(context, new_view, &mut out)?,
        Message::CatchUp(catch_up) => {
            for committed in &catch_up.batches {
                let voters = committed.commits.iter().map(|vote| vote.replica);
                check_voters(context, voters, context.replicas.quorum())?;
                let digest = committed.batch.digest(context);
                let (view, sequence) = (committed.view, committed.sequence);
                out.signatures.extend(vote_checks(
                    context,
                    domain::COMMIT,
                    view,
                    sequence,
                    digest,
                    &committed.commits,
                ));
            }
        }
        Message::BatchReply(batch) => check_batch(context, batch, &mut out)?,
        Message::Forward(forward) => check_commands(context, &forward.commands, &mut out)?,
        Message::Status(_) | Message::CatchUpRequest(_) | Message::BatchRequest(_) => {}
    }
    Ok(out)
}

fn speaks_for_itself(from: ReplicaIndex, signer: ReplicaIndex) -> Result<(), MessageError> {
    if from == signer { Ok(()) } else { Err(MessageError::Impersonation { from, signer }) }
}

fn check_commands(
    context: &Context,
    commands: &[SignedCommand],
    out: &mut Checks,
) -> Result<(), MessageError> {
    for command in commands {
        command.check_shape(&context.identity.group)?;
        if !faults::is_on(Fault::CommandsUnverified) {
            out.commands.push(command.clone());
        }
    }
    Ok(())
}

fn check_batch(context: &Context, batch: &Batch, out: &mut Checks) -> Result<(), MessageError> {
    let (commands, bytes) = (batch.commands.len(), batch.payload_bytes());
    if commands > Config::MAX_BATCH_COMMANDS || bytes > Config::MAX_BATCH_BYTES {
        return Err(MessageError::BatchTooLarge { commands, bytes });
    }
    check_commands(context, &batch.commands, out)
}

fn check_pre_prepare(
    context: &Context,
    pre_prepare: &PrePrepare,
    out: &mut Checks,
) -> Result<(), MessageError> {
    let PrePrepare { view, sequence, digest, signature, ref batch } = *pre_prepare;
    if batch.digest(context) != digest {
        return Err(MessageError::WrongDigest(sequence));
    }
    check_batch(context, batch, out)?;
    let proposal = [SignedVote { replica: view.primary(context.replicas.len()), signature }];
    out.signatures.extend(vote_checks(context, domain::PRE_PREPARE, view, sequence, digest, &proposal));
    Ok(())
}

fn check_vote(
    context: &Context,
    from: ReplicaIndex,
    domain: &str,
    vote: &Vote,
    out: &mut Checks,
) -> Result<(), MessageError> {
    speaks_for_itself(from, vote.replica)?;
    let signed = [SignedVote { replica: vote.replica, signature: vote.signature }];
    check_voters(context, signed.iter().map(|vote| vote.replica), 1)?;
    out.signatures.extend(vote_checks(context, domain, vote.view, vote.sequence, vote.digest, &signed));
    Ok(())
}

fn check_checkpoint(
    context: &Context,
    from: ReplicaIndex,
    signed: &SignedCheckpoint,
) -> Result<(), MessageError> {
    let checkpoint = &signed.checkpoint;
    if checkpoint.group != context.identity.group || checkpoint.epoch != context.epoch {
        return Err(MessageError::ForeignCheckpoint);
    }
    let signer = context.replicas.index_of(signed.replica);
    if signer != Some(from) || !signed.verify(&context.identity) {
        return Err(MessageError::Checkpoint(checkpoint.sequence));
    }
    Ok(())
}

fn check_stable(context: &Context, stable: &CheckpointCertificate) -> Result<(), MessageError> {
    let checkpoint = &stable.checkpoint;
    if checkpoint.group != context.identity.group || checkpoint.epoch != context.epoch {
        return Err(MessageError::ForeignCheckpoint);
    }
    stable
        .verify(&context.identity, &context.replicas)
        .map_err(|_| MessageError::Checkpoint(checkpoint.sequence))
}

/// A VIEW-CHANGE with one bad certificate is refused as a whole, and alone: it says nothing about the
/// others' certificates. `stable_holds` says that its stable checkpoint was checked already.
fn check_view_change(
    context: &Context,
    view_change: &ViewChange,
    stable_holds: bool,
    out: &mut Checks,
) -> Result<(), MessageError> {
    let malformed = || MessageError::ViewChange(view_change.replica);
    let member = context.replicas.at(view_change.replica).ok_or_else(malformed)?;
    if let Some(stable) = view_change.stable.as_ref().filter(|_| !stable_holds) {
        check_stable(context, stable)?;
    }
    let low = view_change.stable_sequence(context);
    let high = low.0.saturating_add(Config::MAX_WINDOW);
    let mut last = low;
    for certificate in &view_change.prepared {
        let in_order = certificate.sequence > last && certificate.sequence.0 <= high;
        if !in_order || certificate.view >= view_change.view {
            return Err(malformed());
        }
        last = certificate.sequence;
        out.signatures.extend(certificate.checks(context)?);
    }
    let message = view_change.signing_bytes(context);
    out.signatures.push(SignatureCheck::new(&member.key, &message, &view_change.signature));
    Ok(())
}

fn check_new_view(context: &Context, new_view: &NewView, out: &mut Checks) -> Result<(), MessageError> {
    let view = new_view.view;
    let wrong = || MessageError::NewView(view);
    let voters = new_view.view_changes.iter().map(|view_change| view_change.replica);
    check_voters(context, voters, context.replicas.quorum())?;
    if new_view.view_changes.iter().any(|view_change| view_change.view != view) {
        return Err(wrong());
    }
    for (at, view_change) in new_view.view_changes.iter().enumerate() {
        // Most show the same checkpoint, and a quorum's secp256k1 signatures are dear to check.
        let earlier = &new_view.view_changes[..at];
        let stable_holds = earlier.iter().any(|earlier| earlier.stable == view_change.stable);
        check_view_change(context, view_change, stable_holds, out)?;
    }
    let expected = reproposals(context, &new_view.view_changes).ok_or_else(wrong)?;
    let proposed = new_view.reproposals.iter().map(|reproposal| (reproposal.sequence, reproposal.digest));
    if !proposed.eq(expected.iter().copied()) && !faults::is_on(Fault::NewViewBelieved) {
        return Err(wrong());
    }
    let primary = view.primary(context.replicas.len());
    for &crate::message::Reproposal { sequence, digest, signature } in &new_view.reproposals {
        let proposal = [SignedVote { replica: primary, signature }];
        out.signatures.extend(vote_checks(context, domain::PRE_PREPARE, view, sequence, digest, &proposal));
    }
    let member = context.replicas.at(primary).ok_or_else(wrong)?;
    let message = new_view.signing_bytes(context);
    out.signatures.push(SignatureCheck::new(&member.key, &message, &new_view.signature));
    Ok(())
}
