//! `quorate audit`: reads, verifies and exports a group's log without trusting any node.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::api::MAX_PAGE_ENTRIES;
use quorate_protocol::{EntryBody, EntryIndex, EntryRecord, EntryStatus, GroupId, Outcome, Receipt};
use quorate_sdk::Epochs;
use quorate_sdk::audit::{self, AuditOptions, AuditReport, ExportReader};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::table::{Align, Table};
use crate::output::{Format, Report, short};
use crate::sdk;

/// Lists, shows, verifies and exports the entries of a group's log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Lists entries, each proved to be in a log that a quorum attests
    List(List),
    /// Shows one entry after its receipt verified
    Show(Show),
    /// Verifies the whole log, or an export or a receipt of it, against the contract
    Verify(Verify),
    /// Writes the whole log to a file that can be verified later and by others
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The first entry
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many entries at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The entry's index
    index: u64,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Verifies this export instead of a node's log
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Verifies this receipt, as `quorate decision --receipt` writes it, instead of a log
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file
    file: PathBuf,
    /// Writes lines of JSON for other programs to read, which prove nothing
    #[arg(long)]
    json_lines: bool,
    #[command(flatten)]
    output: OutputOptions,
}

/// Entries that verified.
#[derive(Debug, Serialize)]
struct Listed {
    entries: Vec<EntryRecord>,
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut table = Table::new(&[
            ("entry", Align::Right),
            ("sequence", Align::Right),
            ("time (ms)", Align::Right),
            ("what", Align::Left),
            ("outcome", Align::Left),
        ]);
        for record in &self.entries {
            table.row([
                record.entry.index.to_string(),
                record.entry.sequence.to_string(),
                record.entry.timestamp.to_string(),
                subject(record),
                outcome(record),
            ]);
        }
        table.render()
    }
}

/// One entry whose receipt verified.
#[derive(Debug, Serialize)]
struct Shown {
    record: EntryRecord,
}

impl Report for Shown {
    fn text(&self) -> String {
        let entry = &self.record.entry;
        format!(
            "entry    {} of sequence {}\nat       {} ms of Unix time\nwhat     {}\noutcome  {}\nsubject  {}\ndigest   {} of the outcome\nIt is in the log that a quorum attests.\n",
            entry.index,
            entry.sequence,
            entry.timestamp,
            subject(&self.record),
            outcome(&self.record),
            entry.subject,
            entry.outcome
        )
    }
}

/// What an audit found.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Found(AuditReport);

impl Report for Found {
    fn text(&self) -> String {
        let AuditReport {
            entries,
            root,
            counts,
            certified,
            attestations,
            anchors,
            anchored_size,
            anchors_beyond,
            ..
        } = &self.0;
        let mut text = format!(
            "{entries} entries with root {root}\n  {} commands applied, {} refused; {} signatures verified\n  {} decisions approved, {} rejected, {} expired, {} cancelled, counted anew from the votes\n  {anchors} anchored roots met, up to {anchored_size} entries",
            counts.applied,
            counts.refused,
            counts.signatures,
            counts.approved,
            counts.rejected,
            counts.expired,
            counts.cancelled
        );
        if *anchors_beyond > 0 {
            text.push_str(&format!("; {anchors_beyond} anchors are of a longer log"));
        }
        if let Some(head) = certified {
            text.push_str(&format!("\n  {attestations} replicas attested {} entries", head.size));
        }
        text.push_str("\nEverything is in order.\n");
        text
    }
}

/// A receipt that verified against the contract alone.
#[derive(Debug, Serialize)]
struct Proven {
    /// Anybody can make a group: the reader must know which one is meant.
    group: GroupId,
    record: EntryRecord,
    anchored_size: Option<u64>,
}

impl Report for Proven {
    fn text(&self) -> String {
        let under = match self.anchored_size {
            Some(size) => format!("under the contract's root of {size} entries"),
            None => "in a log that a quorum attests; it is not anchored yet".into(),
        };
        format!(
            "entry {} of group {}\n{}: {}\nis {under}.\n",
            self.record.entry.index,
            self.group,
            subject(&self.record),
            outcome(&self.record)
        )
    }
}

/// An export that was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    entries: u64,
}

impl Report for Written {
    fn text(&self) -> String {
        format!("{} entries are in {}\n", self.entries, self.file.display())
    }
}

impl Audit {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::List(List { output, .. })
            | Self::Show(Show { output, .. })
            | Self::Verify(Verify { output, .. })
            | Self::Export(Export { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        match self {
            Self::List(List { from, limit, .. }) => {
                format.print(&Listed { entries: read(&connection, from, limit).await? })
            }
            Self::Show(Show { index, .. }) => {
                let record = read(&connection, index, 1).await?.into_iter().next();
                let record = record.ok_or_else(|| CliError::NotYet {
                    cause: format!("the log has no entry {index} yet"),
                    mend: "list the entries that there are with `quorate audit list`".into(),
                })?;
                format.print(&Shown { record })
            }
            Self::Verify(verify) => verify.run(format, connection).await,
            Self::Export(export) => export.run(format, connection).await,
        }
    }
}

/// Up to `limit` entries from `from` on, each proved.
async fn read(connection: &Connection, from: u64, limit: usize) -> Result<Vec<EntryRecord>, CliError> {
    let mut pages = sdk::client(connection).await?.audit(EntryIndex(from));
    let mut entries = Vec::with_capacity(limit.min(MAX_PAGE_ENTRIES));
    while entries.len() < limit {
        let Some(page) = pages.next_page().await? else { break };
        entries.extend(page);
    }
    entries.truncate(limit);
    Ok(entries)
}

impl Verify {
    async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
        if let Some(file) = &self.receipt {
            let bytes = std::fs::read(file).map_err(CliError::io("read", file))?;
            let verified = quorate_sdk::verify_receipt(&reader, &bytes).await?;
            let group = verified.receipt.identity.group;
            if let Some(expected) = connection.group_if_given().filter(|expected| *expected != group) {
                return Err(CliError::Verification(format!(
                    "the receipt is of group {group}, not of {expected}"
                )));
            }
            let Receipt { record, .. } = verified.receipt;
            return format.print(&Proven { group, record, anchored_size: verified.anchored_size });
        }
        let report = match &self.export {
            Some(file) => audit::verify_export(&reader, connection.group()?, file).await?,
            None => audit::verify(&reader, connection.group()?, first_node(&connection)?).await?,
        };
        if let Some(finding) = &report.finding {
            let found = sdk::finding_text(finding);
            if format == Format::Json {
                format.print(&Found(report))?;
            }
            return Err(CliError::Verification(found));
        }
        format.print(&Found(report))
    }
}

impl Export {
    async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
        let epochs = Epochs::from_contract(&reader, connection.group()?).await?;
        let (node, options) = (first_node(&connection)?, AuditOptions::default());
        let report = audit::export(epochs, node, &self.file, options).await?;
        if let Some(finding) = &report.finding {
            return Err(CliError::Verification(format!("the log of {node}: {}", sdk::finding_text(finding))));
        }
        if self.json_lines {
            rewrite_as_json_lines(&self.file)?;
        }
        format.print(&Written { entries: report.entries, file: self.file })
    }
}

/// One node is enough: what it says is verified, not believed.
fn first_node(connection: &Connection) -> Result<&str, CliError> {
    connection.nodes().map(|nodes| nodes[0].as_str())
}

/// Replaces an export by its entries as lines of JSON.
fn rewrite_as_json_lines(file: &std::path::Path) -> Result<(), CliError> {
    let mut lines = Vec::new();
    audit::to_json_lines(&mut ExportReader::open(file)?, &mut lines)?;
    std::fs::write(file, lines).map_err(CliError::io("write", file))
}

/// What an entry is about, in few words.
fn subject(record: &EntryRecord) -> String {
    match &record.body {
        EntryBody::Command(command) => {
            let services: Vec<_> =
                command.command().operations.iter().map(|operation| operation.service.as_str()).collect();
            format!("command of {} ({})", short(command.command().agent), services.join(", "))
        }
        EntryBody::Decision(decision) => format!("decision on {:?}", decision.description),
        EntryBody::System(_) => "event of the group".into(),
    }
}

/// What became of it, in few words.
fn outcome(record: &EntryRecord) -> String {
    match (&record.outcome, record.entry.status) {
        (Outcome::Refused { refusal }, _) => format!("refused: {refusal}"),
        (_, EntryStatus::Decided(status)) => format!("{status:?}").to_lowercase(),
        (_, EntryStatus::Applied) => "applied".into(),
        (_, EntryStatus::Refused) => "refused".into(),
        (_, EntryStatus::Recorded) => "recorded".into(),
    }
}
