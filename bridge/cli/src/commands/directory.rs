//! `quorate directory`: what a group and its members say of themselves, in the contract that keeps it.

use alloy::primitives::Address;
use clap::{Args, Subcommand};
use quorate_contracts::deployment::Adapter;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, B256, Epoch};
use quorate_sdk::directory::{MemberListing, checked_url};
use quorate_sdk::{GroupListing, Included, Reach};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::table::{Align, Table};
use crate::output::{Format, Report};
use crate::sdk;

/// Shows where a group's nodes answer and who agrees to be in it, and says so of oneself.
#[derive(Debug, Subcommand)]
pub(crate) enum Directory {
    /// Shows what the group and its members say of themselves
    Show(Show),
    /// Announces where the node of --keys answers for the group
    Announce(Announce),
    /// Says that the account of --keys agrees to be in the group, with the members that it has now
    Accept(Accept),
}

/// Where the directory is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory's address; without it, where `quorate contract deploy` puts that of --contract
    #[arg(long, value_name = "ADDRESS")]
    directory: Option<AgentId>,
}

impl Place {
    fn of(&self, contract: AgentId) -> Address {
        self.directory.map_or_else(|| Adapter::Directory.address(contract.0), |given| given.0)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Announce {
    /// The base of the node's HTTP interface, an http or https URL
    #[arg(required_unless_present = "clear")]
    url: Option<String>,
    /// Takes back what was announced
    #[arg(long, conflicts_with = "url")]
    clear: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Accept {
    /// The epoch whose members were looked at; fails if it is over. Without it, the current one
    #[arg(long, value_name = "NUMBER")]
    epoch: Option<u64>,
    /// Takes it back
    #[arg(long, conflicts_with = "epoch")]
    withdraw: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    output: OutputOptions,
}

/// What stands in the directory.
#[derive(Debug, Serialize)]
struct Shown {
    directory: Address,
    name: String,
    uri: String,
    epoch: Epoch,
    members: Vec<ShownMember>,
}

#[derive(Debug, Serialize)]
struct ShownMember {
    account: AgentId,
    replica: bool,
    /// The epoch whose members it knew when it agreed.
    agrees_since: Option<Epoch>,
    url: String,
    /// Why a client does not follow the URL, wherever it may go.
    unusable: Option<String>,
}

impl From<MemberListing> for ShownMember {
    fn from(member: MemberListing) -> Self {
        let MemberListing { account, replica, agrees_since, url, .. } = member;
        let unusable = match url.is_empty() {
            true => None,
            false => checked_url(&url, Reach::Anywhere).err().map(|reason| reason.to_string()),
        };
        Self { account, replica, agrees_since, url, unusable }
    }
}

/// What a stranger wrote, without effect on a terminal.
fn harmless(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.escape_debug().to_string() }
}

impl Report for Shown {
    fn text(&self) -> String {
        let mut table = Table::new(&[
            ("member", Align::Left),
            ("replica", Align::Left),
            ("agrees", Align::Left),
            ("node", Align::Left),
        ]);
        for member in &self.members {
            let agrees = member.agrees_since.map_or("no".to_owned(), |epoch| format!("epoch {}", epoch.0));
            let node = match &member.unusable {
                Some(reason) => format!("{} ({reason})", harmless(&member.url)),
                None => harmless(&member.url),
            };
            let replica = if member.replica { "yes" } else { "no" };
            table.row([member.account.to_string(), replica.to_owned(), agrees, node]);
        }
        format!(
            "directory {}\nname      {}\nuri       {}\nepoch     {}\n{}",
            self.directory,
            harmless(&self.name),
            harmless(&self.uri),
            self.epoch.0,
            table.render()
        )
    }
}

/// A transaction that took effect.
#[derive(Debug, Serialize)]
struct Done {
    directory: Address,
    transaction: B256,
    gas: u64,
}

impl Report for Done {
    fn text(&self) -> String {
        format!("done by {} ({} gas) in the directory {}\n", self.transaction, self.gas, self.directory)
    }
}

impl Directory {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Show(Show { output, .. })
            | Self::Announce(Announce { output, .. })
            | Self::Accept(Accept { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let (rpc, contract, group) = (connection.rpc()?, connection.contract()?, connection.group()?);
        let (Self::Show(Show { place, .. })
        | Self::Announce(Announce { place, .. })
        | Self::Accept(Accept { place, .. })) = &self;
        let directory = place.of(contract);
        let reader = CoordinatorReader::connect(rpc, contract.0).await?;
        // Whatever is sent, that there is a directory is seen before anybody is asked for a password.
        let listing = GroupListing::read(rpc, &reader, directory, group).await?;
        if let Self::Show(_) = self {
            let GroupListing { name, uri, epoch, members } = listing;
            let members = members.into_iter().map(ShownMember::from).collect();
            return format.print(&Shown { directory, name, uri, epoch, members });
        }
        let agent = sdk::agent(&connection).await?;
        let sender = act(rpc, contract, &agent).await?;
        let Included { tx_hash, gas_used, .. } = match self {
            Self::Announce(Announce { url: Some(url), .. }) => {
                sender.announce_endpoint(directory, group, &url).await?
            }
            Self::Announce(_) => sender.clear_endpoint(directory, group).await?,
            Self::Accept(Accept { withdraw: true, .. }) => {
                sender.withdraw_acceptance(directory, group).await?
            }
            Self::Accept(Accept { epoch, .. }) => {
                let epoch = epoch.map_or(listing.epoch, Epoch);
                sender.accept_membership(directory, group, epoch).await?
            }
            Self::Show(_) => unreachable!("shown above"),
        };
        format.print(&Done { directory, transaction: tx_hash, gas: gas_used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither the terminal nor the reader's eye is led astray by what a member announced.
    #[test]
    fn what_strangers_wrote_is_shown_harmlessly() {
        let member = |url: &str| MemberListing {
            account: AgentId::from([1; 20]),
            voter: true,
            replica: true,
            agrees_since: Some(Epoch(3)),
            url: url.into(),
        };
        let members = ["https://node.example", "http://a\u{1b}[2J", "x\u{202e}y", ""];
        let shown = Shown {
            directory: Address::ZERO,
            name: "a\nb\u{7}".into(),
            uri: String::new(),
            epoch: Epoch(3),
            members: members.map(|url| ShownMember::from(member(url))).into(),
        };
        let text = shown.text();
        assert!(text.contains("https://node.example\n") && text.contains("epoch 3"), "{text}");
        assert!(text.contains("no URL has"), "{text}");
        assert!(text.contains("a\\nb"), "{text}");
        for character in ['\u{1b}', '\u{202e}', '\u{7}'] {
            assert!(!text.contains(character), "{text}");
        }
    }
}
