//! What became of a command, typed; its digest is in the entry's leaf.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::codec::{self, bounded_bytes, bounded_list, bounded_text};
use crate::command::MAX_OPERATIONS;
use crate::domain;
use crate::ids::{Digest, EntryIndex, TimestampMs};

/// The most bytes of one operation's result.
pub const MAX_RESULT_BYTES: usize = 16 * 1024;
/// The most bytes of an encoded [`Outcome`].
pub const MAX_OUTCOME_BYTES: usize = MAX_OPERATIONS * MAX_RESULT_BYTES + 1024;

/// What became of what an entry records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// Every operation of the command took effect.
    #[n(0)]
    Applied {
        /// One result an operation, in order.
        #[cbor(n(0), decode_with = "bounded_list::<OperationResult, Ctx, MAX_OPERATIONS>")]
        results: Vec<OperationResult>,
    },
    /// The command had no effect.
    #[n(1)]
    Refused {
        /// Why.
        #[n(0)]
        refusal: Refusal,
    },
    /// A decision or a system event, which has no outcome beyond itself.
    #[n(2)]
    Recorded,
}

/// The result of one operation, in the encoding of its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct OperationResult {
    /// The service's encoding of its outcome.
    #[cbor(
        n(0),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded_bytes::<Ctx, MAX_RESULT_BYTES>"
    )]
    #[serde(with = "alloy_primitives::hex")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Hex))]
    pub body: Vec<u8>,
}

/// Why a command had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// The command is signed with a key that is not the agent's at this point of the order.
    #[error("the command is not signed with the agent's current key")]
    #[n(0)]
    WrongKey,
    /// The command was ordered at or after its expiry.
    #[error("the command expired at {expires} ms, the batch's time is {batch_time} ms")]
    #[n(1)]
    Expired {
        /// The command's expiry.
        #[n(0)]
        #[serde(serialize_with = "crate::decimal::serialize")]
        #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
        expires: TimestampMs,
        /// The batch's time.
        #[n(1)]
        batch_time: TimestampMs,
    },
    /// Another command of the agent has this nonce.
    #[error("the nonce is used by another command, see entry {entry}")]
    #[n(2)]
    NonceReused {
        /// That command's entry.
        #[n(0)]
        entry: EntryIndex,
    },
    /// No service of this name.
    #[error("operation {operation} names an unknown service")]
    #[n(3)]
    UnknownService {
        /// The operation's position in the command.
        #[n(0)]
        operation: u8,
    },
    /// Bytes that the service cannot read.
    #[error("operation {operation} is malformed")]
    #[n(4)]
    MalformedOperation {
        /// The operation's position in the command.
        #[n(0)]
        operation: u8,
    },
    /// The service refused.
    #[error("operation {operation} of service {service}: {detail}")]
    #[n(5)]
    Service {
        /// The operation's position in the command.
        #[n(0)]
        operation: u8,
        /// The service's name.
        #[cbor(n(1), decode_with = "bounded_text::<Ctx, 32>")]
        service: String,
        /// The service's stable name for the condition, such as `proposal_closed`.
        #[cbor(n(2), decode_with = "bounded_text::<Ctx, 64>")]
        code: String,
        /// The condition in words, with its values.
        #[cbor(n(3), decode_with = "bounded_text::<Ctx, 512>")]
        detail: String,
    },
}

impl Outcome {
    /// The digest in the entry's leaf: SHA-256 over the domain string, a zero byte and the encoding.
    pub fn digest(&self) -> Digest {
        Digest::of(&[domain::OUTCOME.as_bytes(), &[0], &codec::encode(self)])
    }

    /// The refusal, if the command had no effect.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal } => Some(refusal),
            Self::Applied { .. } | Self::Recorded => None,
        }
    }
}
