//! Building a client.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::Address;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{Group, GroupId};

use super::retry::Hedges;
use super::{Client, Inner, Node, Nonces, RetryPolicy};
use crate::directory::PublicAddresses;
use crate::epochs::Epochs;
use crate::error::SdkError;

/// How long a command may take to be ordered before it has no effect, unless said otherwise.
const DEFAULT_EXPIRY: Duration = Duration::from_secs(60);

/// Builds a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    nodes: Vec<String>,
    policy: RetryPolicy,
    expiry: Duration,
    public_only: bool,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self { nodes: Vec::new(), policy: RetryPolicy::default(), expiry: DEFAULT_EXPIRY, public_only: false }
    }
}

impl ClientBuilder {
    /// Adds a node by its URL, such as `http://127.0.0.1:8100`; `https://` for one behind a proxy with TLS.
    #[must_use]
    pub fn node(mut self, url: impl Into<String>) -> Self {
        self.nodes.push(url.into());
        self
    }

    /// Adds nodes by their URLs.
    #[must_use]
    pub fn nodes(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.nodes.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Sets time-outs and retries.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how long a command may take to be ordered before it has no effect; 60 seconds unless set. It is
    /// measured from this machine's clock to the group's, or from the group's time where that is proven to be ahead, by a day
    /// at most.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// Has the names of nodes lead to public addresses alone, each time that they are resolved: for URLs that strangers wrote.
    #[must_use]
    pub fn public_addresses_only(mut self) -> Self {
        self.public_only = true;
        self
    }

    /// Reads the group from the contract and builds the client.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(self, rpc_url: &str, contract: Address, group: GroupId) -> Result<Client, SdkError> {
        let reader = CoordinatorReader::connect(rpc_url, contract).await?;
        let mut epochs = Epochs::from(reader.group(group).await?);
        let epoch = epochs.newest().epoch;
        epochs.read_beginning(&reader, epoch).await?;
        self.make(epochs, Some(reader))
    }

    /// Builds the client of a group that the caller has from the contract, at first hand or by a file that
    /// it trusts: everything the client verifies, it verifies against this, and against the epochs that nodes prove to
    /// follow from it.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] without nodes, for URLs that cannot be used, or for a group that breaks
    /// a rule of its own.
    pub fn build(self, group: Group) -> Result<Client, SdkError> {
        self.make(group.into(), None)
    }

    fn make(self, epochs: Epochs, reader: Option<CoordinatorReader>) -> Result<Client, SdkError> {
        let group = Group::clone(epochs.newest());
        let configuration = |reason: String| SdkError::Configuration(reason);
        group.validate().map_err(|error| configuration(format!("group: {error}")))?;
        if self.expiry.is_zero() || self.policy.total_timeout.is_zero() {
            return Err(configuration("expiry and total time-out must not be zero".into()));
        }
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.policy.request_timeout);
        let mut node: fn(&str, GroupId, reqwest::Client) -> Result<Node, SdkError> = Node::new;
        if self.public_only {
            http = http.dns_resolver(PublicAddresses).no_proxy();
            node = Node::with_client;
        }
        let http = http.build().map_err(|error| configuration(error.to_string()))?;
        let urls: BTreeSet<_> = self.nodes.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        if urls.is_empty() {
            return Err(configuration("name at least one node".into()));
        }
        let nodes = urls
            .iter()
            .map(|url| node(url, group.identity.group, http.clone()).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        // Clients spread over the nodes instead of all beginning with the first.
        let preferred = AtomicUsize::new(rand::random_range(0..nodes.len()));
        let Self { policy, expiry, .. } = self;
        let epochs = Mutex::new(epochs);
        let (asked_contract, nonces) = (Mutex::default(), Nonces::default());
        let (hedges, group_time) = (Hedges::default(), AtomicU64::new(0));
        let inner = Inner {
            group,
            epochs,
            reader,
            asked_contract,
            nodes,
            policy,
            expiry,
            nonces,
            hedges,
            group_time,
            preferred,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}
