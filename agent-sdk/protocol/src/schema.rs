//! What the protocol's scalars are in JSON, for the OpenAPI document of the nodes' HTTP API.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::account::AccountSignature;
use crate::command::{Command, SignedCommand};
use crate::decimal;
use crate::ids::{
    AgentId, Digest, EntryIndex, Epoch, GroupId, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
use crate::keys::{PublicKey, Signature};
use crate::vote::VoterSignature;

/// The largest whole number that a double holds, with all below it.
const MOST: f64 = 9_007_199_254_740_991.0;

/// A whole number as a string of decimal digits, because a double would round it.
pub struct Decimal;

/// Bytes: two hexadecimal digits each, behind `0x`.
pub struct Hex;

/// 32 bytes in hexadecimal digits.
pub struct Hash;

/// The first four bytes of a call's data, which name the function.
pub struct FunctionSelector;

fn text(pattern: impl Into<String>, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    text.description(Some(description)).build().into()
}

fn number(description: &str) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(MOST));
    let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    number.description(Some(description)).build().into()
}

macro_rules! scalars {
    ($($type:ident = $schema:expr;)*) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $schema
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
            }
        )*
    };
}

scalars! {
    GroupId = text("^0x[0-9a-f]{64}$", "A group's id, which the contract derives");
    ProposalId = text("^0x[0-9a-f]{64}$", "A proposal's id: the EIP-712 hash of its content");
    Digest = text("^0x[0-9a-f]{64}$", "A SHA-256 or Keccak-256 digest");
    Hash = text("^0x[0-9a-f]{64}$", "32 bytes");
    AgentId = text("^0x[0-9a-fA-F]{40}$", "The address of a secp256k1 account or a contract");
    FunctionSelector = text("^0x[0-9a-f]{8}$", "A function's selector");
    PublicKey = text("^0x[0-9a-f]{64}$", "An ed25519 public key (RFC 8032)");
    Signature = text("^0x[0-9a-f]{128}$", "An ed25519 signature (RFC 8032)");
    AccountSignature = text("^0x[0-9a-f]{130}$", "A secp256k1 signature: r, s, v");
    VoterSignature = text("^0x([0-9a-f]{2})+$", "What the voter's account signed by, or what its code accepts (ERC-1271)");
    Hex = text("^0x([0-9a-f]{2})*$", "Bytes");
    Decimal = text(decimal::PATTERN, "A whole number in decimal digits");
    Nonce = text(decimal::PATTERN, "An agent's own number for a command");
    View = number("A PBFT view");
    Sequence = number("A batch's place in PBFT's order");
    Epoch = number("An epoch: its era times 2^32, and its number in that");
    EntryIndex = number("An entry's place in the log, from 0");
    ReplicaIndex = number("A replica's place among the epoch's, by address");
    TimestampMs = number("Milliseconds of Unix time");
}

/// A [`SignedCommand`] as it is written.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields are read by the derived schema alone")]
struct SignedCommandShape {
    /// SHA-256 over the bytes that are signed: the subject of the command's entry.
    digest: Digest,
    /// The command.
    command: Command,
    /// The signature by the command's key.
    signature: Signature,
}

impl PartialSchema for SignedCommand {
    fn schema() -> RefOr<Schema> {
        SignedCommandShape::schema()
    }
}

impl ToSchema for SignedCommand {
    fn name() -> Cow<'static, str> {
        "SignedCommand".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        SignedCommandShape::schemas(schemas);
    }
}
