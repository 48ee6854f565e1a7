//! Asking the contract, and sending it one transaction at a time.

use std::time::Duration;

use alloy::contract::{CallBuilder, CallDecoder, Error as ContractError};
use alloy::primitives::B256;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionReceipt;
use quorate_contracts::Refusal;
use tokio::time::Instant;

use super::{ChainAgent, Included, QUESTION_TIMEOUT, words};
use crate::error::SdkError;

/// How often a transaction is sent in all when others take its nonce.
const NONCE_TRIES: u32 = 16;
/// The longest pause before it is sent again.
const NONCE_PAUSE: Duration = Duration::from_millis(400);
/// The gas that is allowed beside a quarter more than the estimate: what is included in between may leave it a slot that is new, such
/// as every sixth message of an inbox has. Unused gas costs nothing.
const GAS_MARGIN: u64 = 30_000;
/// The first pause between two questions whether a transaction is included; it doubles up to …
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// … this.
const LAST_PAUSE: Duration = Duration::from_secs(1);

impl ChainAgent {
    /// Asks the contract, at the latest block.
    pub(super) async fn ask<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<D::CallOutput, SdkError>
    where
        D: CallDecoder + Unpin,
    {
        let answer = tokio::time::timeout(QUESTION_TIMEOUT, call.call()).await.map_err(|_| no_answer())?;
        answer.map_err(|error| refused(&error, None))
    }

    /// Sends a transaction and waits until a block includes it.
    pub(super) async fn send<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<Included, SdkError>
    where
        D: CallDecoder + Clone + Unpin,
    {
        let _turn = self.turn.lock().await;
        let tx_hash = self.submit(&call).await?;
        let receipt = self.included(tx_hash).await?;
        let block = receipt.block_number.unwrap_or_default();
        if !receipt.status() {
            // Something else was included between the estimate and this; ask why it fails now.
            let reason = tokio::time::timeout(QUESTION_TIMEOUT, call.block(block.into()).call()).await;
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

    /// Sends a transaction. When another program took the nonce meanwhile, with the next one: a replica's account
    /// also sends its node's anchors.
    async fn submit<D>(&self, call: &CallBuilder<&DynProvider, D>) -> Result<B256, SdkError>
    where
        D: CallDecoder + Clone + Unpin,
    {
        let mut tries = NONCE_TRIES;
        loop {
            tries -= 1;
            // Estimating the gas makes the contract refuse before anything is sent or paid for.
            let sending = async {
                let gas = call.estimate_gas().await?;
                call.clone().gas(gas + gas / 4 + GAS_MARGIN).send().await
            };
            let sent = tokio::time::timeout(QUESTION_TIMEOUT, sending).await;
            match sent.map_err(|_| no_answer())? {
                Ok(pending) => return Ok(*pending.tx_hash()),
                Err(error) if tries > 0 && is_nonce_taken(&error) => {
                    tokio::time::sleep(NONCE_PAUSE.mul_f64(rand::random())).await;
                }
                Err(error) => return Err(refused(&error, None)),
            }
        }
    }

    async fn included(&self, tx_hash: B256) -> Result<TransactionReceipt, SdkError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            // An endpoint that fails now may answer the next time; the transaction is on its way.
            match answer(self.coordinator.provider().get_transaction_receipt(tx_hash)).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                Err(error) => tracing::debug!(%tx_hash, %error, "asking for a transaction again"),
            }
            if started.elapsed() + pause > self.timeout {
                return Err(SdkError::NotIncluded { tx_hash, waited: started.elapsed() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// Whether the endpoint refused a transaction because another one has its nonce. JSON-RPC has no code for
/// that; the words are those of geth, which the other clients took over.
fn is_nonce_taken(error: &ContractError) -> bool {
    const WORDS: [&str; 4] = [
        "nonce too low",
        "replacement transaction underpriced",
        "transaction underpriced",
        "already imported",
    ];
    let ContractError::TransportError(error) = error else { return false };
    let message = error.as_error_resp().map(|response| response.message.to_lowercase());
    message.is_some_and(|message| WORDS.iter().any(|words| message.contains(words)))
}

pub(super) async fn answer<T, E: std::fmt::Display>(
    question: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, SdkError> {
    let answer = tokio::time::timeout(QUESTION_TIMEOUT, question.into_future()).await;
    answer.map_err(|_| no_answer())?.map_err(|error| SdkError::ChainUnreachable(error.to_string()))
}

fn no_answer() -> SdkError {
    SdkError::ChainUnreachable(format!("no answer within {} ms", QUESTION_TIMEOUT.as_millis()))
}

fn refused(error: &ContractError, tx_hash: Option<B256>) -> SdkError {
    match error.as_revert_data() {
        Some(data) => {
            let error = Refusal::decode(&data);
            let refusal = error.as_ref().map_or_else(|| words::of_foreign(&data), words::of);
            SdkError::Reverted { refusal, error: error.map(Box::new), tx_hash }
        }
        // Endpoints answer with an error of their own for what is wrong with the sender, such as no funds.
        None => SdkError::ChainUnreachable(error.to_string()),
    }
}
