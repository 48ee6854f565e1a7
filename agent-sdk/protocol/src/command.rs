//! Commands: what an agent signs.
//!
//! A command carries the ed25519 key that it is signed with, so its signature is checked without any
//! state; that the key is the agent's own is checked when the command executes, against the state at that
//! point of the order. Replicas therefore never disagree about whether a batch is well signed.

use std::sync::Arc;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::Serialize;

use crate::codec::{self, CodecError, bounded_bytes, bounded_list, bounded_text};
use crate::domain;
use crate::ids::{AgentId, Digest, Epoch, GroupId, Nonce, TimestampMs};
use crate::keys::{AgentKey, PublicKey, Signature, SignatureCheck};
use crate::verified::Verified;

/// The most bytes of an encoded [`SignedCommand`].
pub const MAX_COMMAND_BYTES: usize = 64 * 1024;
/// The most operations of a command.
pub const MAX_OPERATIONS: usize = 16;
/// The most bytes of a service's name.
pub const MAX_SERVICE_NAME: usize = 32;

/// One operation of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Operation {
    /// The service's name, such as `proposals`.
    #[cbor(n(0), decode_with = "bounded_text::<Ctx, MAX_SERVICE_NAME>")]
    pub service: String,
    /// The service's own encoding of the operation (see [`crate::operations`]).
    #[cbor(
        n(1),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded_bytes::<Ctx, MAX_COMMAND_BYTES>"
    )]
    #[serde(with = "alloy_primitives::hex")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Hex))]
    pub body: Vec<u8>,
}

/// What an agent wants done, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Command {
    /// The group that the command is for; the same bytes mean nothing to another.
    #[n(0)]
    pub group: GroupId,
    /// Who wants it.
    #[n(1)]
    pub agent: AgentId,
    /// The ed25519 key that signs it, which must be the agent's when the command executes.
    #[n(2)]
    pub key: PublicKey,
    /// The agent's own number for the command. Two commands with one nonce exclude each other.
    #[n(3)]
    pub nonce: Nonce,
    /// From this time on, by the batch's clock, the command has no effect.
    #[n(4)]
    #[serde(serialize_with = "crate::decimal::serialize")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub expires: TimestampMs,
    /// What is to be done, in order.
    #[cbor(n(5), decode_with = "bounded_list::<Operation, Ctx, MAX_OPERATIONS>")]
    pub operations: Vec<Operation>,
}

/// A command that cannot be accepted whatever the state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// Not the deterministic encoding of a command.
    #[error("command: {0}")]
    Codec(#[from] CodecError),
    /// For another group.
    #[error("the command is for group {found}, this is {expected}")]
    WrongGroup {
        /// The group that was addressed.
        expected: GroupId,
        /// The group in the command.
        found: GroupId,
    },
    /// The signature is not the key's.
    #[error("the signature on the command does not verify")]
    BadSignature,
    /// A command without any operation.
    #[error("the command has no operation")]
    Empty,
}

/// A command with its signature, as it travels and as it is kept.
///
/// Cloning is cheap: batches, logs and caches share one allocation.
#[derive(Clone)]
pub struct SignedCommand(Arc<Inner>);

struct Inner {
    command: Command,
    /// The command's encoding: what the signature and the digest cover.
    payload: Vec<u8>,
    signature: Signature,
    digest: Digest,
}

impl SignedCommand {
    /// Signs `command` with `key`.
    ///
    /// # Panics
    /// When `command.key` is not `key`'s public half.
    pub fn sign(command: Command, key: &AgentKey) -> Self {
        assert_eq!(command.key, key.public(), "a command names the key that signs it");
        let payload = codec::encode(&command);
        let signature = key.sign(&signing_bytes(&command.group, &payload));
        Self::assemble(command, payload, signature)
    }

    /// A command with a signature made elsewhere, which may be wrong.
    pub fn from_parts(command: Command, signature: Signature) -> Self {
        let payload = codec::encode(&command);
        Self::assemble(command, payload, signature)
    }

    fn assemble(command: Command, payload: Vec<u8>, signature: Signature) -> Self {
        let digest = Digest::of(&[&signing_bytes(&command.group, &payload)]);
        Self(Arc::new(Inner { command, payload, signature, digest }))
    }

    /// Reads a command from its encoding. The signature is not checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        Ok(codec::decode(bytes, MAX_COMMAND_BYTES)?)
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// What was signed.
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    /// The signature, checked or not.
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }

    /// SHA-256 over the signed bytes: the command's name in the log. It does not cover the signature.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The bytes of the command without its signature; what it weighs in a batch.
    pub fn payload_len(&self) -> usize {
        self.0.payload.len()
    }

    /// Checks what can be checked without the signature: that the command is for `group` and does something.
    pub fn check_shape(&self, group: &GroupId) -> Result<(), CommandError> {
        let command = self.command();
        if command.group != *group {
            return Err(CommandError::WrongGroup { expected: *group, found: command.group });
        }
        if command.operations.is_empty() {
            return Err(CommandError::Empty);
        }
        Ok(())
    }

    /// The check of the command's signature, for a batch.
    pub fn signature_check(&self) -> SignatureCheck {
        let Inner { command, payload, signature, .. } = &*self.0;
        SignatureCheck::new(&command.key, &signing_bytes(&command.group, payload), signature)
    }

    /// Checks the command for `group`, its signature included.
    ///
    /// # Errors
    /// [`CommandError::WrongGroup`], [`CommandError::Empty`] or [`CommandError::BadSignature`].
    pub fn verify(self, group: &GroupId) -> Result<Verified<Self>, CommandError> {
        self.check_shape(group)?;
        if !self.signature_check().verify() {
            return Err(CommandError::BadSignature);
        }
        // Both the shape and the only signature were checked above.
        Ok(Verified::vouch(self))
    }
}

fn signing_bytes(group: &GroupId, payload: &[u8]) -> Vec<u8> {
    domain::signing_bytes(domain::COMMAND, group, Epoch(0), payload)
}

impl PartialEq for SignedCommand {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest && self.0.signature == other.0.signature
    }
}

impl Eq for SignedCommand {}

impl std::fmt::Debug for SignedCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedCommand({} #{} {})", self.0.command.agent, self.0.command.nonce, self.0.digest)
    }
}

/// `{0: bytes of the command, 1: signature}`.
impl<C> Encode<C> for SignedCommand {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.map(2)?.u8(0)?.bytes(&self.0.payload)?.u8(1)?.bytes(&self.0.signature.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SignedCommand {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let shape = || DecodeError::message("a signed command is {0: command, 1: signature}");
        if d.map()? != Some(2) || d.u8()? != 0 {
            return Err(shape());
        }
        let payload = d.bytes()?;
        if d.u8()? != 1 {
            return Err(shape());
        }
        let signature = Signature::decode(d, ctx)?;
        let command: Command = codec::decode(payload, MAX_COMMAND_BYTES)
            .map_err(|error| DecodeError::message(error.to_string()))?;
        Ok(Self::assemble(command, payload.to_vec(), signature))
    }
}

impl Serialize for SignedCommand {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("SignedCommand", 3)?;
        out.serialize_field("digest", &self.0.digest)?;
        out.serialize_field("command", &self.0.command)?;
        out.serialize_field("signature", &self.0.signature)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> SignedCommand {
        let key = AgentKey::from_secret(&[3; 32]);
        let command = Command {
            group: GroupId::from([1; 32]),
            agent: AgentId::from([2; 20]),
            key: key.public(),
            nonce: Nonce(9),
            expires: TimestampMs(1_000),
            operations: vec![Operation { service: "proposals".into(), body: vec![1, 2, 3] }],
        };
        SignedCommand::sign(command, &key)
    }

    #[test]
    fn a_signed_command_survives_the_wire_and_verifies() {
        let sent = signed();
        let received = SignedCommand::decode(&sent.encode()).unwrap();
        assert_eq!(received, sent);
        assert!(received.verify(&GroupId::from([1; 32])).is_ok());
    }

    #[test]
    fn no_byte_can_be_changed() {
        let bytes = signed().encode();
        let group = GroupId::from([1; 32]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let verdict = SignedCommand::decode(&changed).and_then(|command| command.verify(&group));
            assert!(verdict.is_err(), "byte {at} of {} may be flipped", bytes.len());
        }
    }

    #[test]
    fn another_group_and_an_empty_command_are_named() {
        let other = GroupId::from([2; 32]);
        assert!(matches!(signed().verify(&other), Err(CommandError::WrongGroup { .. })));

        let key = AgentKey::from_secret(&[3; 32]);
        let mut command = signed().command().clone();
        command.operations.clear();
        let empty = SignedCommand::sign(command, &key);
        assert_eq!(empty.verify(&GroupId::from([1; 32])).err(), Some(CommandError::Empty));
    }
}
