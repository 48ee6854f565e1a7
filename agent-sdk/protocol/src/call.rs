//! Calls: what a group's account does by one decision.

use alloy_primitives::{B256, U256, keccak256};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_bytes;
use crate::ids::{AgentId, Digest};
use crate::typed::{CALL_TYPE, hash_struct};

/// The most calls of a proposal.
pub const MAX_CALLS: usize = 32;
/// The most bytes of call data in one call.
pub const MAX_CALL_DATA_BYTES: usize = 24 * 1024;
/// The most gas that the calls of a proposal demand in all: below the cap of a transaction (EIP-7825).
pub const MAX_GAS: u64 = 10_000_000;
/// The gas that [`Call::new`] demands for a call with data; whoever can simulate the call knows better.
pub const DEFAULT_GAS: u64 = 200_000;

/// One call that the group's account makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Call {
    /// The account or contract that is called.
    #[n(0)]
    pub target: AgentId,
    /// Wei that are sent along.
    #[cbor(n(1), with = "crate::codec::u256")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub value: U256,
    /// The gas that has to be there for the call, or nothing is executed. 0 for none. A call that must not fail is given all
    /// that there is; one that may fail is given just this, so that it cannot burn what the calls behind it need.
    #[n(2)]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub gas: u64,
    /// Whether the other calls count although this one fails.
    #[n(3)]
    pub allow_failure: bool,
    /// Whether data may go to an address without code; else such a call fails.
    #[n(4)]
    pub allow_no_code: bool,
    /// Call data.
    #[cbor(
        n(5),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded_bytes::<Ctx, MAX_CALL_DATA_BYTES>"
    )]
    #[serde(with = "alloy_primitives::hex")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Hex))]
    pub data: Vec<u8>,
}

/// Calls that no proposal may have, whatever its class.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidCalls {
    /// More calls than a proposal may have.
    #[error("{0} calls, at most {MAX_CALLS} are allowed")]
    TooMany(usize),
    /// More data than a call may have.
    #[error("call {position} has {len} bytes of data, at most {MAX_CALL_DATA_BYTES} are allowed")]
    TooMuchData {
        /// The call.
        position: usize,
        /// Its bytes.
        len: usize,
    },
    /// A call that could be made to fail by whoever gives it too little gas.
    #[error("call {position} has data or may fail, and demands no gas")]
    GasNotNamed {
        /// The call.
        position: usize,
    },
    /// More gas than one transaction can be sure to have.
    #[error("the calls demand {0} gas in all, at most {MAX_GAS} are allowed")]
    TooMuchGas(u128),
}

impl Call {
    /// Sends `value` wei to `target`, and nothing else.
    pub fn payment(target: AgentId, value: U256) -> Self {
        Self::new(target, value, Vec::new())
    }

    /// Calls `target` with `data`; it must succeed, and demands [`DEFAULT_GAS`] where there is data.
    pub fn new(target: AgentId, value: U256, data: Vec<u8>) -> Self {
        let gas = if data.is_empty() { 0 } else { DEFAULT_GAS };
        Self { target, value, gas, allow_failure: false, allow_no_code: false, data }
    }

    /// The EIP-712 struct hash.
    pub fn struct_hash(&self) -> B256 {
        let words = (
            keccak256(CALL_TYPE),
            self.target.0,
            self.value,
            self.gas,
            self.allow_failure,
            self.allow_no_code,
            keccak256(&self.data),
        );
        hash_struct(&words)
    }
}

/// EIP-712's encoding of `Call[]`: keccak256 of the struct hashes in a row.
pub fn actions_hash(calls: &[Call]) -> Digest {
    let hashes: Vec<u8> = calls.iter().flat_map(|call| call.struct_hash().0).collect();
    Digest(keccak256(hashes))
}

/// Checks what holds for the calls of every class; what a class permits is for
/// [`Class::permit`](crate::class::Class::permit) to say.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_calls(calls: &[Call]) -> Result<(), InvalidCalls> {
    if calls.len() > MAX_CALLS {
        return Err(InvalidCalls::TooMany(calls.len()));
    }
    for (position, call) in calls.iter().enumerate() {
        let len = call.data.len();
        if len > MAX_CALL_DATA_BYTES {
            return Err(InvalidCalls::TooMuchData { position, len });
        }
        if call.gas == 0 && (len != 0 || call.allow_failure) {
            return Err(InvalidCalls::GasNotNamed { position });
        }
    }
    let gas = calls.iter().map(|call| u128::from(call.gas)).sum();
    if gas > u128::from(MAX_GAS) { Err(InvalidCalls::TooMuchGas(gas)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new(AgentId::from([5; 20]), U256::from(10), vec![1, 2, 3])
    }

    #[test]
    fn calls_that_break_a_bound_are_named() {
        let payment = Call::payment(AgentId::from([5; 20]), U256::from(1));
        assert_eq!(check_calls(&[payment.clone(), call()]), Ok(()));
        assert_eq!(check_calls(&vec![payment.clone(); MAX_CALLS]), Ok(()));
        assert_eq!(check_calls(&vec![payment.clone(); 33]), Err(InvalidCalls::TooMany(33)));

        let long = |len| Call::new(AgentId::default(), U256::ZERO, vec![0; len]);
        assert_eq!(check_calls(&[long(MAX_CALL_DATA_BYTES)]), Ok(()));
        let too_long = InvalidCalls::TooMuchData { position: 1, len: MAX_CALL_DATA_BYTES + 1 };
        assert_eq!(check_calls(&[payment.clone(), long(MAX_CALL_DATA_BYTES + 1)]), Err(too_long));

        let no_gas = InvalidCalls::GasNotNamed { position: 0 };
        assert_eq!(check_calls(&[Call { gas: 0, ..call() }]), Err(no_gas));
        assert_eq!(check_calls(&[Call { allow_failure: true, ..payment.clone() }]), Err(no_gas));

        let gas = |gas| Call { gas, ..payment.clone() };
        assert_eq!(check_calls(&[gas(MAX_GAS - 1), gas(1)]), Ok(()));
        assert_eq!(check_calls(&[gas(MAX_GAS), gas(1)]), Err(InvalidCalls::TooMuchGas(10_000_001)));
        let most = u128::from(u64::MAX) * 2;
        assert_eq!(check_calls(&[gas(u64::MAX), gas(u64::MAX)]), Err(InvalidCalls::TooMuchGas(most)));
    }
}
