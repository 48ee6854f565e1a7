//! Sending transactions of one account, each of which is paid at most once.
//!
//! A transaction is signed here, so its hash is known before anybody else has seen it. Whatever an endpoint answers, or
//! does not answer, the account then looks for the receipt of that hash:
//!
//! - What may be on its way is sent again in the same bytes, and never signed anew with another nonce.
//! - Another nonce is taken only when a block shows another transaction of the account under the nonce, so that this one
//!   cannot be included any more. That an endpoint tells the nonce as used and does not know the hash is not enough: one
//!   that lags, or stands for several nodes, says so of a transaction that it has passed on itself.
//! - When the time is over, the hash is in the error ([`SendError::InDoubt`]), with what is known.

mod fees;

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy::eips::Encodable2718 as _;
use alloy::network::TxSignerSync as _;
use alloy::primitives::{Address, B256, TxKind, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::TransportError;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::rpc::Broadcast;
use fees::Fees;

/// How often a transaction is signed in all when others take its nonce, or its price is too low.
const TRIES: u32 = 32;
/// How often of these its price is raised.
const RAISES: u32 = 4;
/// The longest pause before it is signed again.
const NONCE_PAUSE: Duration = Duration::from_millis(400);
/// The gas that is allowed beside a quarter more than the estimate: what is included in between may leave it a slot that is
/// new, such as every sixth message of an inbox has. Unused gas costs nothing.
const GAS_MARGIN: u64 = 30_000;
/// The first pause between two questions whether a transaction is included; it doubles up to …
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// … this.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How often a transaction that may be lost is sent again.
const SEND_AGAIN: Duration = Duration::from_secs(2);
/// How many blocks back another transaction of the account is looked for: full nodes keep the state of 128.
const LOOK_BACK: u64 = 120;

/// Why a transaction has no receipt.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The contract or the endpoint refuses it. It was not sent, or is certain never to be included: nothing is paid.
    #[error("{}", said(.0))]
    Refused(TransportError),
    /// Other programs of the account took every nonce, as the endpoint tells it. Nothing is paid.
    #[error(
        "the endpoint tells nonce {nonce} of {account} as the next, and refuses it as used, {tries} times; it lags, or \
         other programs send from the account: try again, or name another endpoint"
    )]
    NoNonce {
        /// The account.
        account: Address,
        /// The last nonce that was tried.
        nonce: u64,
        /// How many were.
        tries: u32,
    },
    /// The chain does not have EIP-1559's fees.
    #[error("the chain's newest block has no base fee: transactions of EIP-1559 cannot be sent there")]
    NoBaseFee,
    /// It was sent, and no receipt came in time. It may still be included.
    #[error(
        "transaction {tx_hash} may be on its way: it is in no block after {} ms ({last})", waited.as_millis()
    )]
    InDoubt {
        /// The transaction.
        tx_hash: B256,
        /// How long was waited.
        waited: Duration,
        /// What is known of it.
        last: String,
    },
}

/// An account that sends transactions, one after the other. Cheap to clone; clones share the queue.
#[derive(Clone, Debug)]
pub struct Account {
    provider: DynProvider,
    signer: PrivateKeySigner,
    chain_id: u64,
    patience: Duration,
    turn: Arc<Mutex<()>>,
}

/// A signed transaction.
struct Signed {
    nonce: u64,
    hash: B256,
    raw: Vec<u8>,
}

/// What became of a transaction that was sent.
enum Fate {
    Included(Box<TransactionReceipt>),
    /// Another one has its nonce.
    Overtaken,
    /// Another one in the pool has its nonce, or it offers too little.
    Underpriced,
    Refused(TransportError),
}

impl Account {
    /// The account of `signer` on the chain `chain_id` behind `provider`. Waits for each inclusion for a minute.
    pub fn new(provider: DynProvider, signer: PrivateKeySigner, chain_id: u64) -> Self {
        Self { provider, signer, chain_id, patience: Duration::from_secs(60), turn: Arc::default() }
    }

    /// Sets how long to wait for a transaction's inclusion.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Where the account's transactions go.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Sends a call of a contract, and waits until a block includes it; its receipt may say that it reverted. The request
    /// names target, data and value; gas, price and nonce are found here.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, request: TransactionRequest) -> Result<TransactionReceipt, SendError> {
        let _turn = self.turn.lock().await;
        let request = request.from(self.address());
        let (mut least, mut raises, started) = (0, 0, Instant::now());
        // Every version that was signed for this request: whichever is included, it is done.
        let mut hashes = Vec::new();
        for _ in 0..TRIES {
            // The estimate makes the contract refuse before anything is signed.
            let gas = self.provider.estimate_gas(request.clone()).await.map_err(SendError::Refused)?;
            let fees = Fees::of(&self.provider).await?.raised(raises);
            // Last, so that little time is left for others to take it.
            let told = self.provider.get_transaction_count(self.address()).pending().await;
            let nonce = told.map_err(SendError::Refused)?.max(least);
            let signed = self.sign(&request, nonce, gas.saturating_add(gas / 4 + GAS_MARGIN), fees);
            hashes.push(signed.hash);
            match self.pursue(&signed, &hashes, started).await? {
                Fate::Included(receipt) => return Ok(*receipt),
                Fate::Refused(error) => return Err(SendError::Refused(error)),
                // An endpoint that lags may tell the same nonce again.
                Fate::Overtaken => least = nonce + 1,
                Fate::Underpriced if self.pending().await.is_some_and(|next| next > nonce) => {}
                Fate::Underpriced if raises < RAISES => raises += 1,
                Fate::Underpriced => {}
            }
            least = least.max(nonce);
            tokio::time::sleep(NONCE_PAUSE.mul_f64(rand::random())).await;
        }
        Err(SendError::NoNonce { account: self.address(), nonce: least, tries: TRIES })
    }

    fn sign(&self, request: &TransactionRequest, nonce: u64, gas_limit: u64, fees: Fees) -> Signed {
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.most,
            max_priority_fee_per_gas: fees.tip,
            to: request.to.unwrap_or(TxKind::Create),
            value: request.value.unwrap_or(U256::ZERO),
            access_list: Default::default(),
            input: request.input.input().cloned().unwrap_or_default(),
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction);
        let signature = signature.expect("a key in memory signs whatever it is given");
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        Signed { nonce, hash: *envelope.tx_hash(), raw: envelope.encoded_2718() }
    }

    /// Sends a signed transaction until it is settled what becomes of it, or the time that began with the first is over.
    async fn pursue(&self, signed: &Signed, hashes: &[B256], started: Instant) -> Result<Fate, SendError> {
        let sent = self.provider.send_raw_transaction(&signed.raw).await;
        let mut last = match (Broadcast::of(&sent), sent) {
            (Broadcast::Accepted, _) => "the endpoint has it".to_owned(),
            // A gateway that asked twice says so of what it has passed on itself: the hash tells.
            (Broadcast::NonceUsed | Broadcast::Underpriced | Broadcast::Refused, Err(error))
                if self.is_any_known(hashes).await =>
            {
                said(&error)
            }
            // Until the one that has the nonce is seen in a block, this one might be it.
            (Broadcast::NonceUsed, Err(error)) => said(&error),
            (Broadcast::Underpriced, Err(_)) => return Ok(Fate::Underpriced),
            (Broadcast::Refused, Err(error)) => return Ok(Fate::Refused(error)),
            (_, Err(error)) => said(&error),
            (_, Ok(_)) => String::new(),
        };
        tracing::debug!(tx_hash = %signed.hash, nonce = signed.nonce, last, "a transaction was sent");
        let (mut pause, mut sent_at) = (FIRST_PAUSE, Instant::now());
        loop {
            match self.receipt_of_any(hashes).await {
                Ok(Some(receipt)) => return Ok(Fate::Included(Box::new(receipt))),
                Ok(None) => match self.included_under(signed.nonce).await {
                    Ok(Some(other)) if !hashes.contains(&other) => return Ok(Fate::Overtaken),
                    Ok(Some(_)) => last = "a block has it, and the endpoint does not give its receipt".into(),
                    Ok(None) => {}
                    Err(error) => last = said(&error),
                },
                // An endpoint that fails now may answer the next time.
                Err(error) => last = said(&error),
            }
            if started.elapsed() + pause > self.patience {
                return Err(SendError::InDoubt { tx_hash: signed.hash, waited: started.elapsed(), last });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
            if sent_at.elapsed() >= SEND_AGAIN {
                sent_at = Instant::now();
                // The same bytes have the same hash: they cannot be included twice.
                let again = self.provider.send_raw_transaction(&signed.raw).await;
                last = match (Broadcast::of(&again), again) {
                    (Broadcast::Accepted, _) | (_, Ok(_)) => "the endpoint has it".to_owned(),
                    (_, Err(error)) => said(&error),
                };
            }
        }
    }

    async fn receipt_of_any(&self, hashes: &[B256]) -> Result<Option<TransactionReceipt>, TransportError> {
        for hash in hashes {
            if let Some(receipt) = self.provider.get_transaction_receipt(*hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// The transaction of the account that a block has under the nonce; nothing where none is found.
    async fn included_under(&self, nonce: u64) -> Result<Option<B256>, TransportError> {
        let count =
            |block: u64| self.provider.get_transaction_count(self.address()).number(block).into_future();
        let head = self.provider.get_block_number().await?;
        if count(head).await? <= nonce {
            return Ok(None);
        }
        // The first block after which the nonce is used lies in between.
        let (mut before, mut at) = (head.saturating_sub(LOOK_BACK), head);
        if before > 0 && count(before).await? > nonce {
            return Ok(None);
        }
        while at - before > 1 {
            let middle = before + (at - before) / 2;
            if count(middle).await? > nonce { at = middle } else { before = middle }
        }
        // In raw form: rollups have transactions of kinds of their own.
        let parameters = (format!("{at:#x}"), true);
        let block: Value = self.provider.raw_request("eth_getBlockByNumber".into(), parameters).await?;
        let is_it = |transaction: &&Value| {
            let text = |name: &str| transaction.get(name).and_then(Value::as_str).unwrap_or_default();
            text("from").parse() == Ok(self.address())
                && u64::from_str_radix(text("nonce").trim_start_matches("0x"), 16) == Ok(nonce)
        };
        let transactions = block.get("transactions").and_then(Value::as_array);
        let found = transactions.and_then(|all| all.iter().find(is_it));
        Ok(found.and_then(|transaction| transaction.get("hash")?.as_str()?.parse().ok()))
    }

    /// Whether the endpoint has one of the transactions, in a block or in its pool, or cannot tell.
    async fn is_any_known(&self, hashes: &[B256]) -> bool {
        for hash in hashes {
            if !matches!(self.provider.get_transaction_by_hash(*hash).await, Ok(None)) {
                return true;
            }
        }
        false
    }

    /// The nonce behind those in the pool.
    async fn pending(&self) -> Option<u64> {
        self.provider.get_transaction_count(self.address()).pending().await.ok()
    }
}

/// An endpoint's words, fit for a terminal.
fn said(error: &TransportError) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}
