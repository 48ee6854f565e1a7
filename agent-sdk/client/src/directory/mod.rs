//! Finding a group's nodes with nothing but the contract, its directory and the group's identifier.
//!
//! Members announce their nodes' URLs in the `Directory`, a contract without rights. What stands there is what strangers wrote: a
//! URL is followed only if it is one of a current replica, which the coordinator says and not the directory, is http or https, is
//! short and plain, and leads to where [`Reach`] allows. Whatever answers there is believed no more than any other node.

mod resolver;
mod url;

use alloy::primitives::Address;
use quorate_contracts::reader::{CoordinatorReader, DEFAULT_TIMEOUT};
use quorate_contracts::rpc::{self, Bounds};
use quorate_contracts::{Directory, FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{AgentId, Epoch, GroupId, U256};

pub(crate) use resolver::PublicAddresses;
pub use url::{MAX_URL_BYTES, Reach, UnusableUrl, checked_url};

use crate::client::{Client, ClientBuilder};
use crate::error::SdkError;

/// How long one request to an RPC endpoint may take.
const BOUNDS: Bounds = Bounds::of_request(DEFAULT_TIMEOUT);
/// The most members of a group, by the coordinator's rules.
const MAX_MEMBERS: u64 = 64;
/// The most bytes of a group's name, by the directory's.
const MAX_NAME_BYTES: usize = 64;
/// The most bytes of a group's URI, by the directory's.
const MAX_URI_BYTES: usize = 256;

/// What a group and its members say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's name, or nothing. It may be anything: whoever shows it makes it harmless.
    pub name: String,
    /// Where more about it stands, or nothing. Likewise.
    pub uri: String,
    /// The epoch whose members these are.
    pub epoch: Epoch,
    /// The members, by ascending account.
    pub members: Vec<MemberListing>,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberListing {
    /// The member.
    pub account: AgentId,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it has a node.
    pub replica: bool,
    /// The epoch whose members it knew when it agreed to be in the group; nothing if it does not agree.
    pub agrees_since: Option<Epoch>,
    /// Where its node answers, or nothing. It may be anything: [`checked_url`].
    pub url: String,
}

impl GroupListing {
    /// Asks the directory at `directory` about a group of the coordinator that `reader` reads.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] when there is no directory of that coordinator at the address, [`SdkError::Reader`] for a group that
    /// is not there, [`SdkError::ChainUnreachable`].
    pub async fn read(
        rpc_url: &str,
        reader: &CoordinatorReader,
        directory: Address,
        group: GroupId,
    ) -> Result<Self, SdkError> {
        let known = reader.group(group).await?;
        let endpoints = rpc_url
            .parse()
            .map_err(|error: rpc::EndpointsError| SdkError::Configuration(error.to_string()))?;
        let provider = rpc::provider(&endpoints, BOUNDS)
            .map_err(|error| SdkError::ChainUnreachable(error.to_string()))?;
        let contract = Directory::new(directory, provider);
        let none = |reason: String| {
            SdkError::Configuration(format!(
                "there is no directory of {} at {directory} ({reason}): `quorate contract deploy` puts one \
                 beside the contract; else check the addresses and the RPC endpoint",
                reader.contract()
            ))
        };
        let of = within(contract.coordinator().call()).await?.map_err(|error| none(error.to_string()))?;
        if of != reader.contract() {
            return Err(none(format!("it is one of {of}")));
        }
        let profile =
            within(contract.profile(group.0).call()).await?.map_err(|error| none(error.to_string()))?;
        if profile.name.len() > MAX_NAME_BYTES || profile.uri.len() > MAX_URI_BYTES {
            return Err(none("it keeps longer strings".into()));
        }
        let listings = contract.listings(group.0, U256::ZERO, U256::from(MAX_MEMBERS));
        let found = within(listings.call()).await?.map_err(|error| none(error.to_string()))?;
        if found.page.len() > usize::try_from(MAX_MEMBERS).unwrap_or(usize::MAX) {
            return Err(none("it lists more members than a group has".into()));
        }
        // Who is a member, and what as, is for the coordinator to say.
        let listed = found.page.into_iter().filter_map(|listing| {
            let account = AgentId(listing.account);
            let member = known.members.iter().find(|member| member.agent == account)?;
            Some(MemberListing {
                account,
                voter: member.flags & FLAG_VOTER != 0,
                replica: member.flags & FLAG_REPLICA != 0,
                agrees_since: listing.agrees.then_some(Epoch(listing.epoch)),
                url: listing.url,
            })
        });
        Ok(Self { name: profile.name, uri: profile.uri, epoch: known.epoch, members: listed.collect() })
    }

    /// The URLs of the replicas' nodes that may be followed, each once.
    pub fn usable_urls(&self, reach: Reach) -> Vec<String> {
        let mut urls: Vec<_> = self
            .members
            .iter()
            .filter(|member| member.replica)
            .filter_map(|member| checked_url(&member.url, reach).ok())
            .collect();
        urls.sort();
        urls.dedup();
        urls
    }
}

impl Client {
    /// Connects to a group of which no more is known than the contract, its directory and the identifier: the nodes are those that
    /// the group's current replicas announced, as far as they may be followed. Give the addresses from a source that you trust; the
    /// directory that belongs to a build of Quorate is `quorate_contracts::deployment::Adapter::Directory`'s.
    ///
    /// # Errors
    /// As [`GroupListing::read`] and [`Client::connect`]; [`SdkError::Configuration`] when no replica announced a URL that may be
    /// followed.
    pub async fn discover(
        rpc_url: &str,
        contract: Address,
        directory: Address,
        group: GroupId,
        reach: Reach,
    ) -> Result<Self, SdkError> {
        Self::builder().discover(rpc_url, contract, directory, group, reach).await
    }
}

impl ClientBuilder {
    /// As [`Client::discover`], with this builder's policies. Nodes that were added by hand are asked too, and held to the same reach
    /// when their names are resolved.
    ///
    /// # Errors
    /// As [`Client::discover`].
    pub async fn discover(
        mut self,
        rpc_url: &str,
        contract: Address,
        directory: Address,
        group: GroupId,
        reach: Reach,
    ) -> Result<Client, SdkError> {
        let reader = CoordinatorReader::connect(rpc_url, contract).await?;
        let listing = GroupListing::read(rpc_url, &reader, directory, group).await?;
        let urls = listing.usable_urls(reach);
        if urls.is_empty() {
            return Err(SdkError::Configuration(format!(
                "no replica of group {group} announced a node that may be followed; see what stands in the directory at {directory}, or name nodes yourself"
            )));
        }
        self = self.nodes(urls);
        if reach == Reach::Public {
            self = self.public_addresses_only();
        }
        self.connect(rpc_url, contract, group).await
    }
}

async fn within<T>(answer: impl IntoFuture<Output = T>) -> Result<T, SdkError> {
    // The client gives up a little earlier by itself; this is for what lies between.
    let limit = BOUNDS.total();
    tokio::time::timeout(limit, answer.into_future())
        .await
        .map_err(|_| SdkError::ChainUnreachable(format!("no answer within {} ms", limit.as_millis())))
}
