//! What a chain charges for a transaction's data on its L1: before, by the chain's oracle, and after, by the receipt.

use alloy::contract::Error as ContractError;
use alloy::network::AnyTransactionReceipt;
use alloy::primitives::{Address, Bytes, U256, address};
use alloy::providers::DynProvider;
use alloy::sol;
use quorate_node::config::L1Fee;

use super::chain::unreachable_endpoint;
use crate::core::{Cost, DataFee, Mined};
use crate::error::AnchorError;

/// The OP stack's predeploy (specs.optimism.io, "Predeploys").
const GAS_PRICE_ORACLE: Address = address!("0x420000000000000000000000000000000000000F");
/// Arbitrum's virtual contract, which answers calls over RPC only (docs.arbitrum.io, "NodeInterface reference").
const NODE_INTERFACE: Address = address!("0x00000000000000000000000000000000000000C8");
/// The most bytes that an unsigned transaction has besides the call's data: eight numbers and addresses in RLP.
const ENVELOPE_BYTES: usize = 96;
const QUESTION: &str = "for the fee for data on L1";

sol! {
    /// Of the OP stack.
    #[sol(rpc)]
    interface GasPriceOracle {
        /// An upper bound for a transaction of this size, from Fjord on; the signature is added by the oracle.
        function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);
        /// The fee of an unsigned transaction; before Fjord the only way.
        function getL1Fee(bytes memory data) external view returns (uint256);
    }

    /// Of Arbitrum Nitro.
    #[sol(rpc)]
    interface NodeInterface {
        /// How much of a transaction's gas pays for its data on L1, and the price of that gas.
        function gasEstimateL1Component(address to, bool contractCreation, bytes calldata data)
            external payable returns (uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate);
    }
}

/// What the chain's oracle expects a transaction to cost that calls `contract` with `data`.
///
/// # Errors
/// [`AnchorError::NoDataFeeOracle`] when the chain has no such oracle; [`AnchorError::Unreachable`].
pub(super) async fn expected(
    provider: &DynProvider,
    l1_fee: L1Fee,
    contract: Address,
    data: Bytes,
) -> Result<DataFee, AnchorError> {
    match l1_fee {
        L1Fee::None => Ok(DataFee::default()),
        L1Fee::OpStack => {
            let oracle = GasPriceOracle::new(GAS_PRICE_ORACLE, provider);
            let size = U256::from(data.len() + ENVELOPE_BYTES);
            let fee = match oracle.getL1FeeUpperBound(size).call().await {
                Err(error) if error.as_revert_data().is_some() || is_refusal(&error) => {
                    let mut unsigned = data.to_vec();
                    unsigned.resize(data.len() + ENVELOPE_BYTES, 0xff);
                    oracle.getL1Fee(unsigned.into()).call().await
                }
                answer => answer,
            };
            let fee = fee.map_err(no_oracle("op-stack", GAS_PRICE_ORACLE))?;
            Ok(DataFee { wei: fee.saturating_to(), gas: 0 })
        }
        L1Fee::Arbitrum => {
            let oracle = NodeInterface::new(NODE_INTERFACE, provider);
            let answer = oracle.gasEstimateL1Component(contract, false, data).call().await;
            let answer = answer.map_err(no_oracle("arbitrum", NODE_INTERFACE))?;
            let price: u128 = answer.baseFee.saturating_to();
            let gas = answer.gasEstimateForL1;
            Ok(DataFee { wei: price.saturating_mul(gas.into()), gas })
        }
    }
}

/// Whether the endpoint answered, with an error.
fn is_refusal(error: &ContractError) -> bool {
    matches!(error, ContractError::TransportError(error) if error.as_error_resp().is_some())
}

fn no_oracle(kind: &'static str, oracle: Address) -> impl Fn(ContractError) -> AnchorError {
    move |error| match error {
        ContractError::TransportError(error) if error.as_error_resp().is_none() => {
            unreachable_endpoint(QUESTION, error.to_string())
        }
        _ => AnchorError::NoDataFeeOracle { kind, oracle },
    }
}

/// A transaction as its receipt has it, if it is in a block. What the chain adds to a receipt is not part of any
/// standard: a field that is missing or that cannot be read counts as nothing.
pub(super) fn mined(l1_fee: L1Fee, receipt: &AnyTransactionReceipt) -> Option<Mined> {
    let block = receipt.block_number?;
    let field = |name| -> u128 {
        let value = receipt.other.get_deserialized::<U256>(name).and_then(Result::ok);
        value.map_or(0, |value| value.saturating_to())
    };
    let price = receipt.effective_gas_price;
    let gas = u128::from(receipt.gas_used);
    let cost = match l1_fee {
        L1Fee::None => Cost { execution: gas.saturating_mul(price), data: 0 },
        L1Fee::OpStack => Cost { execution: gas.saturating_mul(price), data: field("l1Fee") },
        L1Fee::Arbitrum => {
            let data = field("gasUsedForL1").min(gas);
            Cost { execution: (gas - data).saturating_mul(price), data: data.saturating_mul(price) }
        }
    };
    Some(Mined { hash: receipt.transaction_hash, block, success: receipt.inner.inner.status(), cost })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn receipt(extra: Value) -> AnyTransactionReceipt {
        let mut receipt = json!({
            "transactionHash": alloy::primitives::B256::repeat_byte(1),
            "transactionIndex": "0x0",
            "blockHash": alloy::primitives::B256::repeat_byte(2),
            "blockNumber": "0x9",
            "from": Address::ZERO,
            "to": Address::ZERO,
            "gasUsed": "0x64",
            "effectiveGasPrice": "0x3",
            "cumulativeGasUsed": "0x64",
            "logs": [],
            "logsBloom": alloy::primitives::Bloom::ZERO,
            "status": "0x1",
            "type": "0x2",
        });
        let fields = receipt.as_object_mut().unwrap();
        fields.extend(extra.as_object().unwrap().clone());
        serde_json::from_value(receipt).unwrap()
    }

    #[test]
    fn what_a_receipt_adds_is_counted_as_its_chain_has_it() {
        let extra = json!({ "l1Fee": "0x10", "gasUsedForL1": "0x28", "l1GasPrice": "0x1", "operatorFeeScalar": null });
        let cost = |l1_fee| mined(l1_fee, &receipt(extra.clone())).unwrap().cost;
        assert_eq!(cost(L1Fee::None), Cost { execution: 300, data: 0 });
        assert_eq!(cost(L1Fee::OpStack), Cost { execution: 300, data: 16 });
        assert_eq!(cost(L1Fee::Arbitrum), Cost { execution: 180, data: 120 });
    }

    #[test]
    fn a_field_that_is_missing_or_nonsense_counts_as_nothing_and_one_that_is_huge_as_a_bound() {
        let huge = format!("{:#x}", U256::MAX);
        for (value, wei) in [
            (json!({}), 0),
            (json!({ "l1Fee": "much", "gasUsedForL1": ["0x1"] }), 0),
            (json!({ "l1Fee": -4, "gasUsedForL1": {} }), 0),
            (json!({ "l1Fee": null }), 0),
            (json!({ "l1Fee": huge }), u128::MAX),
        ] {
            assert_eq!(mined(L1Fee::OpStack, &receipt(value)).unwrap().cost.data, wei);
        }
        let greedy = mined(L1Fee::Arbitrum, &receipt(json!({ "gasUsedForL1": huge }))).unwrap();
        assert_eq!(greedy.cost, Cost { execution: 0, data: 300 }, "no more than was used at all");
    }
}
