//! `quorate audit`: reads, verifies and exports a group's log without trusting any node.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::api::MAX_PAGE_ENTRIES;
use quorate_protocol::receipt::MAX_RECEIPT_BYTES;
use quorate_protocol::{EntryBody, EntryIndex, EntryRecord, EntryStatus, GroupId, Outcome, Receipt};
use quorate_sdk::audit::{self, AuditOptions, AuditReport, ExportReader, NewFile};
use quorate_sdk::client::handovers_of;
use quorate_sdk::{Epochs, ReaderError, SdkError, VerifiedReceipt};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::table::{Align, Table};
use crate::output::{self, Format, Report, short};
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
    /// Verifies this receipt of the group --group, as `quorate decision --receipt` writes it, instead of a log
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    receipt: Option<PathBuf>,
    /// Fails unless all of it is under a root that the contract has, so that nothing rests on the replicas' attestations alone
    #[arg(long)]
    require_anchor: bool,
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
    /// Writes what the node gives, without checking anything of it: to show to others what is wrong
    #[arg(long)]
    unverified: bool,
    /// Replaces the file, if there is one
    #[arg(long)]
    overwrite: bool,
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
            "group    {}\nentry    {}\nwhat     {}\noutcome  {}\nIt is {under}.\n",
            self.group,
            self.record.entry.index,
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
    /// Whether the log was found in order.
    verified: bool,
}

impl Report for Written {
    fn text(&self) -> String {
        let file = self.file.display();
        let mut text = format!("{} entries are in {file}\n", self.entries);
        if !self.verified {
            text.push_str("NOTHING of it was checked: `quorate audit verify --export` does that\n");
        }
        text
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
            let bytes = read_receipt(file)?;
            let verified =
                verify_receipt(&reader, named_group(&connection, &bytes)?, &bytes, &connection).await?;
            let Receipt { identity, record, .. } = verified.receipt;
            if self.require_anchor && verified.anchored_size.is_none() {
                return Err(CliError::NotYet {
                    cause: format!(
                        "the receipt of entry {} holds by the replicas' attestations, but has no proof under an anchored root",
                        record.entry.index
                    ),
                    mend: "fetch the receipt again once the entry is anchored".into(),
                });
            }
            return format.print(&Proven {
                group: identity.group,
                record,
                anchored_size: verified.anchored_size,
            });
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
        if self.require_anchor && report.anchored_size < report.entries {
            return Err(CliError::NotYet {
                cause: format!(
                    "{} of {} entries are under a root that the contract has; the rest is in order, but rests on the replicas' attestations alone",
                    report.anchored_size, report.entries
                ),
                mend: "wait for the next anchor, or make it with `quorate anchor`; an export is anchored once all of it is".into(),
            });
        }
        format.print(&Found(report))
    }
}

fn read_receipt(file: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = std::fs::metadata(file).and_then(|known| match known.len() > MAX_RECEIPT_BYTES as u64 {
        // More than any receipt has: that it is none is seen by as many bytes.
        true => Ok(vec![0; MAX_RECEIPT_BYTES + 1]),
        false => std::fs::read(file),
    });
    bytes.map_err(CliError::io("read", file))
}

/// The group that the user means. Anybody can make one in the same contract, whose receipts verify as well: so it is not
/// taken from the receipt.
fn named_group(connection: &Connection, receipt: &[u8]) -> Result<GroupId, CliError> {
    connection.group().map_err(|error| match (Receipt::decode(receipt), error) {
        (Ok(receipt), CliError::Usage { cause, mend }) => CliError::Usage {
            cause: format!(
                "{cause}, and anybody can make a group whose receipts verify; this one says that it is of {}",
                receipt.identity.group
            ),
            mend: format!("if that is the group that you mean, {mend}"),
        },
        (_, error) => error,
    })
}

/// Verifies a receipt against the contract. Where that has not come to the receipt's epoch, the nodes are asked how the epochs
/// between ended, which proves itself.
async fn verify_receipt(
    reader: &CoordinatorReader,
    group: GroupId,
    bytes: &[u8],
    connection: &Connection,
) -> Result<VerifiedReceipt, CliError> {
    let error = match quorate_sdk::verify_receipt(reader, group, bytes).await {
        Err(SdkError::Reader(error)) => error,
        other => return Ok(other?),
    };
    let (epoch, current) = match error {
        ReaderError::UnknownEpoch { epoch, current, .. } => (epoch, current),
        ReaderError::UnknownGroup { contract, group } => {
            return Err(CliError::Mismatch {
                cause: format!(
                    "the contract at {contract} knows no group {group}, so this is no receipt of it"
                ),
                mend: "check --group, --contract and --rpc: they belong together".into(),
            });
        }
        error => return Err(error.into()),
    };
    for node in connection.nodes().unwrap_or_default() {
        let timeout = AuditOptions::default().request_timeout;
        let Ok(handovers) = handovers_of(node, group, current, timeout).await else { continue };
        match quorate_sdk::verify_receipt_with(reader, group, bytes, &handovers).await {
            // What it gave leads nowhere, or not far enough.
            Err(SdkError::Reader(ReaderError::UnknownEpoch { .. }) | SdkError::Handover(_)) => {}
            other => return Ok(other?),
        }
    }
    Err(CliError::NotYet {
        cause: format!(
            "the receipt is unproven as yet, neither true nor false: it is of epoch {epoch}, and the contract is in epoch {current}"
        ),
        mend: "name a node that proves the members of that epoch (--node), or ask again once the end of the epoch before is anchored".into(),
    })
}

impl Export {
    async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        output::require_free(&self.file, self.overwrite)?;
        let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
        let epochs = Epochs::from_contract(&reader, connection.group()?).await?;
        let node = first_node(&connection)?;
        let verified = !self.unverified;
        if !self.json_lines {
            let entries = self.export(epochs, node, &self.file).await?;
            return format.print(&Written { entries, file: self.file, verified });
        }
        let whole = self.file.with_extension(format!("{}.export", std::process::id()));
        let written = match self.export(epochs, node, &whole).await {
            Ok(entries) => write_json_lines(&whole, &self.file).map(|()| entries),
            Err(error) => Err(error),
        };
        // It is there unless the export failed, and of no use any more.
        let _ = std::fs::remove_file(&whole);
        format.print(&Written { entries: written?, file: self.file, verified })
    }

    /// Writes the export to `path`, and says how many entries it has.
    async fn export(&self, epochs: Epochs, node: &str, path: &Path) -> Result<u64, CliError> {
        let options = AuditOptions::default();
        if self.unverified {
            return Ok(audit::export_unverified(epochs, node, path, options).await?);
        }
        let report = audit::export(epochs, node, path, options).await?;
        match &report.finding {
            None => Ok(report.entries),
            Some(finding) => Err(CliError::Mismatch {
                cause: format!("the log of {node}: {}; nothing was written", sdk::finding_text(finding)),
                mend:
                    "ask another node; --unverified writes the log as this one gives it, to show it to others"
                        .into(),
            }),
        }
    }
}

/// One node is enough: what it says is verified, not believed.
fn first_node(connection: &Connection) -> Result<&str, CliError> {
    connection.nodes().map(|nodes| nodes[0].as_str())
}

/// Writes the entries of an export as lines of JSON.
fn write_json_lines(export: &Path, file: &Path) -> Result<(), CliError> {
    let mut lines = NewFile::create(file)?;
    audit::to_json_lines(&mut ExportReader::open(export)?, &mut lines)?;
    Ok(lines.keep()?)
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
