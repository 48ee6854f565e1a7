//! What the core is told, and what it asks for.

use std::sync::Arc;

use alloy::primitives::B256;
use quorate_protocol::{AgentId, Digest, Epoch, Sequence, SignedCheckpoint};

use super::epochs::StableState;
use super::report::Report;
use super::transaction::{Purpose, SignedCall};

/// Something that the core learns.
#[derive(Clone, Debug)]
pub enum Event {
    /// The group has a new stable checkpoint, or an epoch of it has ended.
    Stable(StableState),
    /// What the node holds of checkpoints that one replica signed and that contradict each other, by pairs. All of it, each
    /// time.
    Evidence(Vec<(SignedCheckpoint, SignedCheckpoint)>),
    /// What the chain says about the group. Comes again and again; the core acts on nothing else.
    Chain(ChainView),
    /// The answer to [`Action::Inspect`], of the same head.
    Account(AccountView),
    /// What became of [`Action::Broadcast`].
    Broadcast {
        /// The transaction's hash.
        hash: B256,
        /// What the endpoint said.
        outcome: BroadcastOutcome,
    },
    /// The node was told of this anchored state, as [`Action::Announce`] asked.
    Announced(AnchorState),
}

/// The group's latest anchor as of some block. All zero before the first anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnchorState {
    /// The epoch whose replicas signed it.
    pub epoch: Epoch,
    /// The anchored checkpoint's sequence; 0 before the first.
    pub sequence: Sequence,
    /// Its log size.
    pub log_size: u64,
    /// Its log root.
    pub log_root: Digest,
}

/// The chain at its head, all of it read at one block, and what is final of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// The head's number.
    pub head: u64,
    /// The number of the block that is relied on, an ancestor of the head or the head itself. Nothing while the chain
    /// has no such block yet.
    pub final_block: Option<u64>,
    /// The lowest block that was seen in the chain before, and that another one has replaced.
    pub dropped: Option<u64>,
    /// Its base fee for one unit of gas, in wei.
    pub base_fee: u128,
    /// The epoch that the contract has the group in, whose replicas have to sign the next anchor.
    pub epoch: Epoch,
    /// The latest anchor at the head.
    pub anchor: AnchorState,
    /// The latest anchor at the final block.
    pub confirmed: AnchorState,
}

/// What the core wants to know about its account.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Transactions whose receipts are wanted.
    pub receipts: Vec<B256>,
    /// The transaction of which it is wanted whether the endpoint knows it.
    pub pooled: Option<B256>,
    /// The call of which it is wanted what it takes.
    pub estimate: Option<Purpose>,
    /// The replica of which it is wanted whether the contract has convicted it.
    pub accused: Option<AgentId>,
}

/// The account as the endpoint describes it.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// How many transactions of the account the chain contains at the head: the next nonce.
    pub nonce: u64,
    /// The same with those that wait in the endpoint's pool.
    pub pending_nonce: u64,
    /// The tip that the endpoint suggests, in wei for one unit of gas.
    pub tip: u128,
    /// The receipts among those asked for.
    pub mined: Vec<Mined>,
    /// Whether the endpoint knows [`Inspection::pooled`], waiting or included.
    pub pooled: bool,
    /// What [`Inspection::estimate`] takes.
    pub estimate: Estimate,
    /// What was wanted, with the signatures and the proofs that the contract takes at this moment: what the estimate is of.
    pub prepared: Option<Purpose>,
    /// Whether the contract has convicted [`Inspection::accused`], as of the head.
    pub convicted: bool,
    /// What its data costs on the chain's L1.
    pub data_fee: DataFee,
}

/// What a chain charges for publishing a transaction's data on its L1, as the chain's oracle says. Zero where there is no
/// such charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFee {
    /// The fee, in wei.
    pub wei: u128,
    /// How many units of the gas limit pay it; 0 where it is charged beside the gas.
    pub gas: u64,
}

/// What a transaction cost in the end, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// For its execution on the chain itself.
    pub execution: u128,
    /// For its data on the chain's L1.
    pub data: u128,
}

impl Cost {
    /// Both together.
    pub fn total(self) -> u128 {
        self.execution.saturating_add(self.data)
    }
}

/// A transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// The transaction's hash.
    pub hash: B256,
    /// The block's number.
    pub block: u64,
    /// Whether it did what it was meant to, or reverted.
    pub success: bool,
    /// What it cost.
    pub cost: Cost,
}

/// What running a call at the head came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// Nothing was asked.
    NotAsked,
    /// It takes this much gas.
    Gas(u64),
    /// The contract refuses it, for this reason.
    Refused(String),
}

/// What the endpoint said to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BroadcastOutcome {
    /// It took the transaction, or has it already.
    Accepted,
    /// It said nothing: the transaction may be on its way or not.
    Unknown,
    /// The nonce is used up.
    NonceUsed,
    /// Another transaction of this nonce offers as much or nearly as much.
    Underpriced,
    /// It does not take the transaction, for this reason.
    Refused(String),
}

/// Something that the core wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Look at the account, and answer with [`Event::Account`].
    Inspect(Inspection),
    /// Send this transaction, and answer with [`Event::Broadcast`]. Sending it twice does no harm.
    Broadcast(Arc<SignedCall>),
    /// Tell the node of this anchored state, and answer with [`Event::Announced`]. Asked for again until answered.
    Announce(AnchorState),
    /// Tell the operator.
    Report(Report),
}
