//! Verifying a group's whole log as an outsider: from the contract's address, an RPC endpoint and one node, or
//! one file, that need not be trusted.
//!
//! An audit recomputes everything that can be recomputed:
//! - every record: body and outcome are those that the entry commits to, entries follow each other without
//!   gap, time and sequence never go back;
//! - every command: its agent's signature, under the key that the epoch's members or an earlier admission in the log
//!   bind to the agent; no command twice, no nonce effective twice, none effective after its expiry;
//! - every decision: the votes in the log are counted anew, and the decision must follow from them;
//! - the contract's inbox: its messages stand in their order, with what each asks for behind it;
//! - the Merkle log: its root must be the one that a quorum of the group's replicas attests, and at every
//!   anchored size the one that the contract has;
//! - the beginning: the genesis entry names this group, its first members and its policy;
//! - every epoch: its members are those that the last approved change in the log names, without the replicas that the
//!   contract convicted, and those of the contract, or where the contract is behind, of a handover that the epoch before signed.
//!
//! What remains to be trusted is the RPC endpoint, for what the contract says, and for what is not anchored yet
//! that fewer than a third of the replicas are faulty.

mod ballots;
mod export;
mod frontier;
mod inbox;
mod log;
mod new_file;
mod report;
mod source;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{Digest, EntryIndex, GroupId, Handover, HandoverError};

pub use export::{ExportHeader, ExportReader, ExportWriter, MAX_EXPORT_HANDOVERS, to_json_lines};
pub(crate) use frontier::Frontier;
use log::LogAudit;
pub use new_file::NewFile;
pub use report::{AuditReport, Counts, Fault, Finding, RecordFault};
use source::NodeSource;

use crate::epochs::Epochs;
use crate::error::SdkError;

/// Records that are checked together when an export is read.
const CHUNK: usize = 512;

/// How an audit is made.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions {
    /// The block from which on anchors are looked for; the one that the group was created in saves the
    /// endpoint work on a long chain.
    pub from_block: u64,
    /// How long one request to the node may take.
    pub request_timeout: Duration,
    /// How long to wait for a node that lags behind the newest anchor.
    pub lag_timeout: Duration,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { from_block: 0, request_timeout: Duration::from_secs(10), lag_timeout: Duration::from_secs(10) }
    }
}

/// Audits the whole log of `group`, as the node at `node_url` gives it, against the contract.
///
/// What is wrong with the log is the report's [`AuditReport::finding`], not an error.
///
/// # Errors
/// [`SdkError::Reader`] when the contract cannot be read, [`SdkError::NoAnswer`] when the node does not
/// answer, [`SdkError::Configuration`] for a URL that cannot be used.
pub async fn verify(
    reader: &CoordinatorReader,
    group: GroupId,
    node_url: &str,
) -> Result<AuditReport, SdkError> {
    verify_with(reader, group, node_url, AuditOptions::default()).await
}

/// As [`verify`], with options of one's own.
///
/// # Errors
/// As [`verify`].
pub async fn verify_with(
    reader: &CoordinatorReader,
    group: GroupId,
    node_url: &str,
    options: AuditOptions,
) -> Result<AuditReport, SdkError> {
    let (epochs, anchors) = from_contract(reader, group, options.from_block).await?;
    verify_node(epochs, anchors, node_url, options).await
}

/// Audits the log that the node at `node_url` gives, with what the caller has from the contract: the group in every
/// epoch from the first on, and the anchored roots by log size.
///
/// # Errors
/// As [`verify`], but for the contract.
pub async fn verify_node(
    epochs: impl Into<Epochs>,
    anchors: BTreeMap<u64, Digest>,
    node_url: &str,
    options: AuditOptions,
) -> Result<AuditReport, SdkError> {
    let anchored = anchors.last_key_value().map_or(0, |(size, _)| *size);
    let mut source = NodeSource::new(epochs.into(), node_url, options)?;
    let certificate = source.certificate(anchored).await?;
    let mut audit = LogAudit::new(source.epochs().clone(), anchors);
    let certificate = match certificate {
        Ok(certificate) => certificate,
        Err(finding) => return Ok(audit.fail(finding)),
    };
    while audit.size() < certificate.head.size {
        let page = source.entries(audit.size(), certificate.head.size).await?;
        if let Err(finding) = page.and_then(|records| audit.append(&records)) {
            return Ok(audit.fail(finding));
        }
    }
    if audit.size() < anchored {
        let finding = Finding { index: EntryIndex(audit.size()), fault: Fault::Shorter { anchored } };
        return Ok(audit.fail(finding));
    }
    Ok(audit.finish(Some(&certificate)))
}

/// Writes the log of the group, as the node at `node_url` gives it, to an export at `path`, and audits it on
/// the way as [`verify_node`] does without anchors. The file is there if the report has no finding, as a whole; else what
/// was there before stays, and nothing is left of what was written. [`export_unverified`] writes what is wrong, too.
///
/// # Errors
/// As [`verify`], and [`SdkError::File`] or [`SdkError::NotWritten`] when the file cannot be written.
pub async fn export(
    epochs: impl Into<Epochs>,
    node_url: &str,
    path: &Path,
    options: AuditOptions,
) -> Result<AuditReport, SdkError> {
    let mut source = NodeSource::new(epochs.into(), node_url, options)?;
    let certificate = source.certificate(0).await?;
    let mut audit = LogAudit::new(source.epochs().clone(), BTreeMap::new());
    let certificate = match certificate {
        Ok(certificate) => certificate,
        Err(finding) => return Ok(audit.fail(finding)),
    };
    let attesting =
        source.epochs().verify_certificate(&certificate).map(|group| (group.identity, group.epoch));
    let (identity, epoch) = attesting.expect("the source has verified it");
    let header = ExportHeader::new(identity, epoch, certificate, source.handovers().to_vec());
    let mut writer = ExportWriter::create(path, &header)?;
    let size = header.certificate.head.size;
    while audit.size() < size {
        let records = match source.entries(audit.size(), size).await? {
            Ok(records) => records,
            Err(finding) => return Ok(audit.fail(finding)),
        };
        if let Err(finding) = audit.append(&records) {
            return Ok(audit.fail(finding));
        }
        for record in &records {
            writer.append(record)?;
        }
    }
    let report = audit.finish(Some(&header.certificate));
    let file = writer.finish()?;
    if report.is_intact() {
        file.keep()?;
    }
    Ok(report)
}

/// Writes what the node at `node_url` gives as the group's log to an export at `path`, without any judgement: to show it to
/// others when something is wrong with it. The certificate and the handovers are the node's, and the epoch is the one that
/// attests it by what is known, else the newest that is known. Returns how many entries the node gave: fewer than it says
/// it has, if it stops. [`check_export`] judges the file.
///
/// # Errors
/// [`SdkError::NoAnswer`] when the node gives no certificate, and as [`export`].
pub async fn export_unverified(
    epochs: impl Into<Epochs>,
    node_url: &str,
    path: &Path,
    options: AuditOptions,
) -> Result<u64, SdkError> {
    let mut epochs = epochs.into();
    let source = NodeSource::new(epochs.clone(), node_url, options)?;
    let (certificate, handovers) = source.unverified().await?;
    // What does not hold leads nowhere, and stands in the file all the same.
    let _ = epochs.follow(&handovers);
    let newest = epochs.newest();
    let group = epochs.verify_certificate(&certificate).unwrap_or(newest);
    let (identity, epoch, said) = (group.identity, group.epoch, certificate.head.size);
    let header = ExportHeader::new(identity, epoch, certificate, handovers);
    let mut writer = ExportWriter::create(path, &header)?;
    let mut size = 0;
    while size < said {
        let Ok(Ok(records)) = source.entries(size, said).await else { break };
        for record in &records {
            writer.append(record)?;
        }
        size += records.len() as u64;
    }
    writer.finish()?.keep()?;
    Ok(size)
}

/// Audits an export against the contract. An export that is older than the newest anchors is compared with
/// those that it reaches ([`AuditReport::anchors_beyond`]).
///
/// # Errors
/// [`SdkError::Reader`] when the contract cannot be read; [`SdkError::File`] or [`SdkError::Export`] when
/// the file cannot be read, does not begin as an export does, or is of another log.
pub async fn verify_export(
    reader: &CoordinatorReader,
    group: GroupId,
    path: &Path,
) -> Result<AuditReport, SdkError> {
    let (epochs, anchors) = from_contract(reader, group, 0).await?;
    check_export(epochs, anchors, path)
}

/// The part of [`verify_export`] that needs no chain: audits an export with what the caller has from the
/// contract. Without anchors it rests on the quorum's certificate alone.
///
/// # Errors
/// [`SdkError::File`] or [`SdkError::Export`].
pub fn check_export(
    epochs: impl Into<Epochs>,
    anchors: BTreeMap<u64, Digest>,
    path: &Path,
) -> Result<AuditReport, SdkError> {
    let mut epochs = epochs.into();
    let mut export = ExportReader::open(path)?;
    let ExportHeader { identity, epoch, certificate, handovers, .. } = export.header();
    let group = epochs.newest().clone();
    if *identity != group.identity {
        let (found, expected) = (identity.origin(), group.identity.origin());
        return Err(SdkError::Export(format!("it is of log {found}, expected is {expected}")));
    }
    let checked = check_handovers(&mut epochs, handovers);
    let attesting = epochs.verify_certificate(certificate).map(|group| group.epoch);
    let fault = match (checked, attesting) {
        (Err(error), _) => Some(Fault::Handover(error.to_string())),
        (Ok(()), Err(error)) => Some(Fault::Certificate(error)),
        (Ok(()), Ok(attesting)) if attesting != *epoch => {
            let reason = format!("epoch {attesting} attests the log");
            Some(Fault::Epoch { epoch: *epoch, reason })
        }
        (Ok(()), Ok(_)) => None,
    };
    let mut audit = LogAudit::new(epochs, anchors);
    if let Some(fault) = fault {
        return Ok(audit.fail(Finding { index: EntryIndex(0), fault }));
    }
    loop {
        let mut records = Vec::with_capacity(CHUNK);
        let mut broken = None;
        while records.len() < CHUNK {
            match export.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => {
                    broken = Some(Fault::Withheld(error.to_string()));
                    break;
                }
            }
        }
        let appended = audit.append(&records);
        let broken = broken.map(|fault| Finding { index: EntryIndex(audit.size()), fault });
        if let Some(finding) = appended.err().or(broken) {
            return Ok(audit.fail(finding));
        }
        if records.len() < CHUNK {
            return Ok(audit.finish(Some(&export.header().certificate)));
        }
    }
}

/// Verifies all handovers of an export, also of epochs that the contract has come to: they stand in the order of their epochs,
/// each ends one that is known, and what follows it is what is known to follow.
fn check_handovers(epochs: &mut Epochs, handovers: &[Handover]) -> Result<(), HandoverError> {
    let mut last = None;
    for handover in handovers {
        let from = handover.from();
        let known = epochs.at(from).is_some() && last.is_none_or(|last| last < from);
        last = Some(from);
        if !known {
            return Err(HandoverError::Unknown(from));
        }
        epochs.follow(std::slice::from_ref(handover))?;
    }
    Ok(())
}

/// The group in every epoch of the contract's, and all its anchored roots by log size.
async fn from_contract(
    reader: &CoordinatorReader,
    group: GroupId,
    from_block: u64,
) -> Result<(Epochs, BTreeMap<u64, Digest>), SdkError> {
    let read = Epochs::from_contract(reader, group).await?;
    let mut anchors: BTreeMap<u64, Digest> = BTreeMap::new();
    for anchor in reader.anchors(group, from_block).await? {
        anchors.insert(anchor.log_size, anchor.log_root);
    }
    // Endpoints may have pruned old events; the latest anchor is in the contract's storage.
    if let Some(latest) = reader.latest_anchor(group).await? {
        anchors.insert(latest.log_size, latest.log_root);
    }
    Ok((read, anchors))
}
