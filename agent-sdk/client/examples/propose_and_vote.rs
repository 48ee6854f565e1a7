//! Proposes something to a group, votes for it, and waits for the decision.
//!
//! Runs against a development network that is described by environment variables:
//!
//! | variable | content |
//! |---|---|
//! | `QUORATE_NODES` | the nodes' URLs, separated by commas |
//! | `QUORATE_RPC` | the URL of an Ethereum RPC endpoint |
//! | `QUORATE_CONTRACT` | the address of the `AgentCoordinator` |
//! | `QUORATE_GROUP` | the group's id |
//! | `QUORATE_KEYS` | the agents' key directories, separated by commas; the first one proposes, all vote |
//! | `QUORATE_PASSWORD` | the password of the keystores |

use std::env::var;
use std::time::Duration;

use quorate_sdk::protocol::Choice;
use quorate_sdk::protocol::operations::proposals::Propose;
use quorate_sdk::{Agent, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (nodes, keys, password) = (var("QUORATE_NODES")?, var("QUORATE_KEYS")?, var("QUORATE_PASSWORD")?);
    let (contract, group) = (var("QUORATE_CONTRACT")?.parse()?, var("QUORATE_GROUP")?.parse()?);
    let client = Client::connect(nodes.split(','), &var("QUORATE_RPC")?, contract, group).await?;
    let agents = keys.split(',').map(|dir| Agent::open(dir, &password)).collect::<Result<Vec<_>, _>>()?;

    let salt = std::time::UNIX_EPOCH.elapsed()?.as_secs();
    let proposal = Propose { salt, description: "Renew the domain".into(), calls: vec![], class: 0 };
    let proposed = client.propose(&agents[0], proposal).await?;
    println!("proposed {} in entry {}", proposed.proposal, proposed.receipt.record.entry.index);

    for agent in &agents {
        match client.vote(agent, proposed.proposal, Choice::For).await {
            Ok(voted) => println!("{} voted for it with weight {}", agent.id(), voted.weight),
            // A majority may have decided before the last vote comes in.
            Err(error) => println!("{}: {error}", agent.id()),
        }
    }
    let decided = client.wait(proposed.proposal, Duration::from_secs(30)).await?;
    println!("{:?} in entry {}", decided.record.decision.status, decided.receipt.record.entry.index);
    Ok(())
}
