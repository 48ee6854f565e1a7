//! Asking the contract, and sending it one transaction at a time.

use alloy::contract::{CallBuilder, CallDecoder, Error as ContractError};
use alloy::primitives::{B256, Bytes};
use alloy::providers::DynProvider;
use alloy::transports::TransportError;
use quorate_contracts::Refusal;
use quorate_contracts::sending::SendError;

use super::{BOUNDS, ChainAgent, Included, words};
use crate::error::SdkError;

impl ChainAgent {
    /// Asks the contract, at the latest block.
    pub(super) async fn ask<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<D::CallOutput, SdkError>
    where
        D: CallDecoder + Unpin,
    {
        let answer = tokio::time::timeout(BOUNDS.total(), call.call()).await.map_err(|_| no_answer())?;
        answer.map_err(|error| refused(&error, None))
    }

    /// Sends a transaction and waits until a block includes it.
    pub(super) async fn send<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<Included, SdkError>
    where
        D: CallDecoder + Clone + Unpin,
    {
        let receipt = self.sender.send(call.clone().into_transaction_request()).await.map_err(unsent)?;
        let (tx_hash, block) = (receipt.transaction_hash, receipt.block_number.unwrap_or_default());
        if !receipt.status() {
            // Something else was included between the estimate and this; ask why it fails now.
            let call = call.from(self.sender.address()).block(block.into());
            let reason = tokio::time::timeout(BOUNDS.total(), call.call()).await;
            return Err(match reason {
                Ok(Err(error)) => refused(&error, Some(tx_hash)),
                Ok(Ok(_)) | Err(_) => SdkError::Reverted {
                    refusal: "the transaction failed for a reason that is gone by now".into(),
                    error: None,
                    tx_hash: Some(tx_hash),
                },
            });
        }
        Ok(Included { tx_hash, gas_used: receipt.gas_used, block })
    }
}

pub(super) async fn answer<T, E: std::fmt::Display>(
    question: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, SdkError> {
    let answer = tokio::time::timeout(BOUNDS.total(), question.into_future()).await;
    answer.map_err(|_| no_answer())?.map_err(|error| SdkError::ChainUnreachable(error.to_string()))
}

fn no_answer() -> SdkError {
    SdkError::ChainUnreachable(format!("no answer within {} ms", BOUNDS.total().as_millis()))
}

fn unsent(error: SendError) -> SdkError {
    match error {
        SendError::Refused(TransportError::ErrorResp(error)) if error.as_revert_data().is_some() => {
            reverted(&error.as_revert_data().unwrap_or_default(), None)
        }
        refused @ SendError::Refused(TransportError::ErrorResp(_)) => SdkError::NotSent(refused.to_string()),
        unreachable @ SendError::Refused(_) => SdkError::ChainUnreachable(unreachable.to_string()),
        SendError::InDoubt { tx_hash, waited, last } => SdkError::InDoubt { tx_hash, waited, last },
        other @ (SendError::NoNonce { .. } | SendError::NoBaseFee) => SdkError::NotSent(other.to_string()),
    }
}

fn refused(error: &ContractError, tx_hash: Option<B256>) -> SdkError {
    match error.as_revert_data() {
        Some(data) => reverted(&data, tx_hash),
        // Endpoints answer with an error of their own for what is wrong with the sender, such as no funds.
        None => SdkError::ChainUnreachable(error.to_string()),
    }
}

fn reverted(data: &Bytes, tx_hash: Option<B256>) -> SdkError {
    let error = Refusal::decode(data);
    let refusal = error.as_ref().map_or_else(|| words::of_foreign(data), words::of);
    SdkError::Reverted { refusal, error: error.map(Box::new), tx_hash }
}
