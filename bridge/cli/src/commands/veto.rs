//! `quorate veto`: takes back what is approved on-chain, by the signed objections of voters that could have blocked it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, ProposalId};
use quorate_sdk::SignedObjection;
use quorate_sdk::chain::MAX_OBJECTION_BYTES;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::sent::Sent;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report, require_free, write_file};
use crate::sdk;

/// Takes back a proposal that is approved on-chain, by signed objections of voters
///
/// What is queued, or approved on-chain, can be objected to until it is executed: for the time of its timelock at least. Each
/// voter signs a file, which costs nothing and counts for good; anybody sends enough of them in one transaction.
/// `quorate proposals` shows how much weight it takes.
#[derive(Debug, Subcommand)]
pub(crate) enum Veto {
    /// Signs an objection with the account of --keys, and writes it to a file
    Sign(Sign),
    /// Sends objections, from the account of --keys, which need not be a voter's
    Submit(Submit),
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The proposal's id
    proposal: ProposalId,
    /// The file that the objection is written to, as JSON
    file: PathBuf,
    /// Replaces the file, if there is one
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The proposal's id
    proposal: ProposalId,
    /// Files that `quorate veto sign` wrote
    #[arg(value_name = "FILE", required_unless_present = "own")]
    files: Vec<PathBuf>,
    /// Objects with the account of --keys too
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    output: OutputOptions,
}

/// An objection that is signed.
#[derive(Debug, Serialize)]
struct Signed {
    proposal: ProposalId,
    voter: AgentId,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    weight: u64,
    /// The weight that takes the proposal back.
    #[serde(serialize_with = "quorate_protocol::decimal::option::serialize")]
    needed: Option<u128>,
    file: PathBuf,
}

impl Report for Signed {
    fn text(&self) -> String {
        let needed = self.needed.map_or_else(String::new, |needed| format!(" of the {needed} that it takes"));
        format!(
            "{} objects to {} with weight {}{needed}\nThe objection is in {}; send it with others by `quorate veto submit`.\n",
            self.voter,
            self.proposal,
            self.weight,
            self.file.display()
        )
    }
}

impl Veto {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Sign(Sign { output, .. }) | Self::Submit(Submit { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        match self {
            Self::Sign(sign) => sign.run(format, &connection).await,
            Self::Submit(submit) => submit.run(format, &connection).await,
        }
    }
}

impl Sign {
    async fn run(self, format: Format, connection: &Connection) -> Result<(), CliError> {
        require_free(&self.file, self.overwrite)?;
        let agent = sdk::agent(connection).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
        let group = reader.group(connection.group()?).await?;
        let objection = account.object(group.identity.group, self.proposal);
        let weight = objection.weight(&group, self.proposal)?;
        let known = reader.proposal(group.identity.group, self.proposal).await?;
        let class = known.and_then(|known| group.terms.class(known.class));
        let json = serde_json::to_string_pretty(&objection).map_err(|error| CliError::Failed {
            cause: format!("the objection cannot be written as JSON: {error}"),
            mend: "report this".into(),
        })?;
        write_file(&self.file, (json + "\n").as_bytes())?;
        format.print(&Signed {
            proposal: self.proposal,
            voter: objection.voter,
            weight,
            needed: class.map(|class| class.objection_weight(group.total_weight())),
            file: self.file,
        })
    }
}

impl Submit {
    async fn run(self, format: Format, connection: &Connection) -> Result<(), CliError> {
        let mut objections = Vec::new();
        for path in &self.files {
            objections.push(read(path)?);
        }
        let agent = sdk::agent(connection).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let group = connection.group()?;
        if self.own {
            objections.push(account.object(group, self.proposal));
        }
        objections.sort_by_key(|objection| objection.voter);
        objections.dedup_by_key(|objection| objection.voter);
        let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
        let weight = self.check(&reader, connection, &objections).await?;
        let objections: Vec<_> =
            objections.into_iter().map(|objection| (objection.voter, objection.signature)).collect();
        let included = account.veto(group, self.proposal, &objections).await?;
        let what = format!(
            "proposal {} is revoked by objections of weight {weight}: it will never be executed",
            self.proposal
        );
        format.print(&Sent::new(what, included))
    }

    /// The weight of the objections, once it is enough and there is something to object to.
    async fn check(
        &self,
        reader: &CoordinatorReader,
        connection: &Connection,
        objections: &[SignedObjection],
    ) -> Result<u128, CliError> {
        let group = reader.group(connection.group()?).await?;
        let known = reader.proposal(group.identity.group, self.proposal).await?;
        let status = known.map_or(ProposalStatus::None, |known| known.status);
        let Some(known) = known.filter(|known| known.status == ProposalStatus::Approved) else {
            return Err(CliError::Refused {
                cause: format!("proposal {} is {status}; only what is approved on-chain can be objected to", self.proposal),
                mend: "see it with `quorate proposals --all`; against what is decided in the log alone, wait until somebody queues it, or use `quorate revoke`".into(),
            });
        };
        let mut weight = 0;
        for objection in objections {
            weight += u128::from(objection.weight(&group, self.proposal)?);
        }
        let needed =
            group.terms.class(known.class).map_or(0, |class| class.objection_weight(group.total_weight()));
        if weight < needed {
            return Err(CliError::Refused {
                cause: format!("the objections weigh {weight}, it takes {needed}"),
                mend: format!(
                    "let more voters sign with `quorate veto sign {} FILE`, and send all in one command",
                    self.proposal
                ),
            });
        }
        Ok(weight)
    }
}

fn read(path: &Path) -> Result<SignedObjection, CliError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(CliError::unreadable(path))?;
    // One byte more than there may be tells a file that is too long.
    let most = MAX_OBJECTION_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(CliError::unreadable(path))?;
    SignedObjection::from_json(&bytes).map_err(|error| CliError::Config {
        path: path.to_owned(),
        cause: error.to_string(),
        mend: "name a file that `quorate veto sign` wrote".into(),
    })
}
