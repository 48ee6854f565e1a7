//! What a node is told of its group by the contract before it starts.

use quorate_anchor::{Settings, final_epoch};
use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_node::config::NodeConfig;
use quorate_node::{Era, EraPlan, EraStart, KnownGroup, Node as RunningNode};
use quorate_protocol::{AccountKey, Epoch, Group};

use super::mismatch;
use crate::error::CliError;

/// The group as the contract has it, with the one of the epoch before and the beginning of its era. A node that ran before
/// starts without the chain, and where the chain is behind, with the group as it was.
pub(super) async fn read_group(config: &NodeConfig, account: &AccountKey) -> Result<KnownGroup, CliError> {
    let chain = &config.chain;
    let known = config.clone();
    let known = tokio::task::spawn_blocking(move || RunningNode::known_group(&known)).await;
    let known = known.expect("reading the store neither panics nor is aborted")?;
    let known = known
        .filter(|known| known.identity.group == chain.group && known.identity.contract == chain.contract);
    match (ask(config).await, known) {
        (Ok(asked), Some(known)) if known.epoch > asked.group.epoch => Ok(known.into()),
        (Ok(asked), known) => match is_final(config, &asked.group, account).await? {
            true => Ok(asked),
            // What began the era may not stay in the chain.
            false => known.map(KnownGroup::from).ok_or_else(|| not_final(config, asked.group.epoch)),
        },
        (Err(error @ ReaderError::Unreachable { .. }), Some(known)) => {
            tracing::warn!(%error, "the chain does not answer; the group is taken from the data directory");
            Ok(known.into())
        }
        (Err(error), _) => Err(mismatch(config, &error)),
    }
}

async fn ask(config: &NodeConfig) -> Result<KnownGroup, ReaderError> {
    let chain = &config.chain;
    let reader = CoordinatorReader::connect(&chain.rpc_url, chain.contract.0).await?;
    let group = reader.group(chain.group).await?;
    let previous = match group.epoch.before() {
        Some(before) => Some(reader.group_at(chain.group, before).await?),
        None => None,
    };
    let era = match group.epoch.era() {
        0 => None,
        era => Some(start_of(&reader, &group, era).await?),
    };
    Ok(KnownGroup { group, previous, era })
}

/// Where an era of the group begins, other than the first.
async fn start_of(reader: &CoordinatorReader, group: &Group, era: u32) -> Result<EraStart, ReaderError> {
    let (id, epoch, current) = (group.identity.group, Epoch::of(era, 0), group.epoch);
    let start = reader.epoch_start(id, epoch).await?;
    let start = start.ok_or(ReaderError::UnknownEpoch { group: id, epoch, current })?;
    Ok(EraStart { epoch, sequence: start.sequence, log_size: start.log_size })
}

/// What the contract says of a group that was recovered, once that is in a final block.
pub(super) async fn read_plan(config: &NodeConfig, account: &AccountKey) -> Result<EraPlan, CliError> {
    let (group, plan) = ask_plan(config).await.map_err(|error| mismatch(config, &error))?;
    if group.epoch.era() == 0 {
        return Err(CliError::Refused {
            cause: "the group was never recovered on-chain".into(),
            mend: "start the node: quorate node run".into(),
        });
    }
    match is_final(config, &group, account).await? {
        true => Ok(plan),
        false => Err(not_final(config, group.epoch)),
    }
}

async fn ask_plan(config: &NodeConfig) -> Result<(Group, EraPlan), ReaderError> {
    let chain = &config.chain;
    let reader = CoordinatorReader::connect(&chain.rpc_url, chain.contract.0).await?;
    let current = reader.group(chain.group).await?;
    let anchors = match current.epoch.era() {
        0 => Vec::new(),
        _ => reader.anchors(chain.group, 0).await?,
    };
    let mut eras = Vec::new();
    for era in 1..=current.epoch.era() {
        let start = start_of(&reader, &current, era).await?;
        let log_root = reader.anchored_root(chain.group, start.log_size).await?;
        let anchor = anchors.iter().find(|anchor| anchor.sequence == start.sequence);
        eras.push(Era {
            group: reader.group_at(chain.group, start.epoch).await?,
            start,
            log_root: log_root.filter(|_| start.log_size > 0),
            state_root: anchor.map(|anchor| anchor.state_root),
        });
    }
    let genesis = reader.group_at(chain.group, Epoch(0)).await?;
    Ok((current, EraPlan { genesis, eras }))
}

/// Whether the era of `group`, which the chain's head has, is that of the final block too. Nobody began the first one.
async fn is_final(config: &NodeConfig, group: &Group, account: &AccountKey) -> Result<bool, CliError> {
    if group.epoch.era() == 0 {
        return Ok(true);
    }
    let (rpc_url, settings) = (&config.chain.rpc_url, Settings::from(config));
    let epoch = final_epoch(rpc_url, &settings, &group.identity, account).await;
    let epoch = epoch.map_err(|error| mismatch(config, &error))?;
    Ok(epoch.is_some_and(|epoch| epoch.era() == group.epoch.era()))
}

fn not_final(config: &NodeConfig, epoch: Epoch) -> CliError {
    let detail = format!(
        "the recovery to era {} is not in a block that is final by chain.finality; wait for that, and try again",
        epoch.era()
    );
    mismatch(config, &detail)
}
