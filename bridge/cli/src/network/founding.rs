//! The contract and the group of a network on one machine: deployed, registered, created and funded.

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use futures_util::future::try_join_all;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, GroupIdentity, Member, Terms};
use quorate_sdk::Agent;

use crate::amount;
use crate::chain::{self, INCLUSION_LIMIT, unreachable_chain};
use crate::deployment;
use crate::error::CliError;

/// What each member's account has for gas.
const GAS_MONEY_ETHER: u64 = 100;

/// A member to be, with its keys.
#[derive(Clone, Debug)]
pub(crate) struct Founder {
    /// Both keys.
    pub(crate) agent: Agent,
    /// Voting weight; 0 for a replica without a vote.
    pub(crate) weight: u64,
    /// Voter, replica, or both.
    pub(crate) flags: u8,
}

/// A group that there is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Founded {
    /// Where it lives.
    pub(crate) identity: GroupIdentity,
    /// The account that holds its funds.
    pub(crate) account: Address,
}

/// Deploys the contract on a development chain at `rpc_url`, registers the founders, creates their group and funds
/// its account. The first founder deploys and creates; the chain's first unlocked account pays the funds.
///
/// # Panics
/// Without founders.
pub(crate) async fn found(
    rpc_url: &str,
    founders: &[Founder],
    terms: &Terms,
    funding: U256,
) -> Result<Founded, CliError> {
    let provider = chain::connect(rpc_url)?;
    for founder in founders {
        give_gas_money(&provider, founder.agent.id()).await?;
    }
    let first = &founders.first().expect("a group has founders").agent;
    let contract = AgentId(deployment::ensure(rpc_url, &first.account).await?);
    let register = |founder: &Founder| {
        let agent = founder.agent.clone();
        async move { Ok(chain::act(rpc_url, contract, &agent).await?.register(&agent.public_key()).await?) }
    };
    try_join_all(founders.iter().map(register)).await.map_err(|error: CliError| error)?;

    let mut members: Vec<Member> = founders.iter().map(member).collect();
    members.sort_by_key(|member| member.agent);
    let creator = chain::act(rpc_url, contract, first).await?;
    let (group, _) = creator.create_group(&members, terms, B256::from(rand::random::<[u8; 32]>())).await?;
    let reader = CoordinatorReader::connect(rpc_url, contract.0).await?;
    let account = reader.group_account(group).await?;
    fund(&provider, account, funding).await?;
    Ok(Founded { identity: GroupIdentity { chain_id: reader.chain_id(), contract, group }, account })
}

fn member(founder: &Founder) -> Member {
    Member {
        agent: founder.agent.id(),
        key: founder.agent.public_key(),
        weight: founder.weight,
        flags: founder.flags,
    }
}

/// Uses the faucet of a development chain, which needs no block.
async fn give_gas_money(provider: &DynProvider, agent: AgentId) -> Result<(), CliError> {
    let money = (agent.0, amount::whole_ether(GAS_MONEY_ETHER));
    provider
        .raw_request::<_, ()>("anvil_setBalance".into(), money)
        .await
        .map_err(|error| unreachable_chain(format!("the chain has no faucet: {error}")))
}

/// Pays `amount` wei from the first unlocked account of a development chain.
async fn fund(provider: &DynProvider, to: Address, amount: U256) -> Result<(), CliError> {
    let failed = |error: String| unreachable_chain(format!("the group's account cannot be funded: {error}"));
    let unlocked = provider.get_accounts().await.map_err(|error| failed(error.to_string()))?;
    let from = *unlocked.first().ok_or_else(|| failed("the chain has no unlocked account".into()))?;
    let payment = TransactionRequest::default().with_from(from).with_to(to).with_value(amount);
    let pending = provider.send_transaction(payment).await.map_err(|error| failed(error.to_string()))?;
    let pending = pending.with_timeout(Some(INCLUSION_LIMIT));
    let receipt = pending.get_receipt().await.map_err(|error| failed(error.to_string()))?;
    if receipt.status() { Ok(()) } else { Err(failed("the payment reverted".into())) }
}
