//! The audit by somebody who trusts no node, and a forged copy.
//!
//! The outsider knows the contract's address, an RPC endpoint and the URL of one node. The forged copy is an export
//! of the log in which one vote is turned: the audit must find it, and say where.

use std::path::Path;

use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Vote};
use quorate_protocol::{Choice, EntryBody, EntryIndex, EntryRecord, SignedCommand};
use quorate_sdk::audit::{self, AuditOptions, ExportReader, ExportWriter};

use super::report::{Audit, Tampered};
use super::stage::Stage;
use crate::error::CliError;
use crate::output::short;
use crate::sdk::finding_text;

impl Stage<'_> {
    /// Audits the log as an outsider, then a copy of it in which an entry was changed.
    pub(super) async fn audit_as_outsider(&self, directory: &Path) -> Result<Audit, CliError> {
        let node = self.network.nodes().last().expect("a network has nodes").url.clone();
        self.progress.waiting(format!("auditing the whole log of {node}"));
        let identity = self.network.founded.identity;
        // A connection of the outsider's own: nothing of what the group's agents know goes into the audit.
        let reader = CoordinatorReader::connect(self.network.rpc_url(), identity.contract.0).await?;
        let report = audit::verify(&reader, identity.group, &node).await?;
        if let Some(finding) = &report.finding {
            return Err(CliError::Verification(format!("the audit of {node} found: {finding}")));
        }
        if report.anchors == 0 {
            return Err(CliError::Verification("the audit met no anchored root".into()));
        }
        self.progress.tell(&format!(
            "  From the contract, the RPC and one node that is not trusted: {} entries, {} signatures,\n  every vote counted anew, {} anchored roots, {} attestations on root {}: all in order.",
            report.entries,
            report.counts.signatures,
            report.anchors,
            report.attestations,
            short(report.root)
        ));
        let tampered = self.audit_forged_copy(&reader, &node, directory).await?;
        Ok(Audit { node, report, tampered })
    }

    async fn audit_forged_copy(
        &self,
        reader: &CoordinatorReader,
        node: &str,
        directory: &Path,
    ) -> Result<Tampered, CliError> {
        let group = self.client.group();
        let (copy, forged) = (directory.join("log.export"), directory.join("forged.export"));
        audit::export(group, node, &copy, AuditOptions::default()).await?;
        let intact = audit::verify_export(reader, group.identity.group, &copy).await?;
        if let Some(finding) = intact.finding {
            return Err(CliError::Verification(format!("the audit of an export found: {finding}")));
        }
        let mut export = ExportReader::open(&copy)?;
        let mut writer = ExportWriter::create(&forged, export.header())?;
        let mut changed = None;
        while let Some(mut record) = export.next_record()? {
            if changed.is_none() && turn_vote(&mut record) {
                changed = Some(record.entry.index);
            }
            writer.append(&record)?;
        }
        writer.finish()?.keep()?;
        let entry = changed.ok_or_else(|| CliError::Verification("the log has no vote to change".into()))?;
        let report = audit::verify_export(reader, group.identity.group, &forged).await?;
        self.judge(entry, report.finding)
    }

    fn judge(&self, entry: EntryIndex, finding: Option<audit::Finding>) -> Result<Tampered, CliError> {
        let change = "a vote for the proposal was turned into one against it".to_owned();
        match finding {
            Some(finding) if finding.index == entry => {
                self.progress.tell(&format!(
                    "  In entry {entry} of a copy, {change}.\n  The audit of the copy fails: {}.",
                    finding_text(&finding)
                ));
                Ok(Tampered { entry, change, finding })
            }
            Some(finding) => Err(CliError::Verification(format!(
                "entry {entry} of a copy was changed, the audit blames another: {finding}"
            ))),
            None => Err(CliError::Verification(format!(
                "entry {entry} of a copy was changed, and the audit did not notice"
            ))),
        }
    }
}

/// Turns a vote for a proposal into one against it, and says whether the record is one.
fn turn_vote(record: &mut EntryRecord) -> bool {
    let EntryBody::Command(signed) = &record.body else { return false };
    let mut command = signed.command().clone();
    let Some(operation) = command.operations.first_mut() else { return false };
    let Ok(ProposalsOperation::Vote(vote)) =
        quorate_protocol::codec::decode(&operation.body, quorate_protocol::command::MAX_COMMAND_BYTES)
    else {
        return false;
    };
    if operation.service != ProposalsOperation::SERVICE || vote.choice != Choice::For {
        return false;
    }
    *operation = ProposalsOperation::Vote(Vote { choice: Choice::Against, ..vote }).to_operation();
    record.body = EntryBody::Command(SignedCommand::from_parts(command, *signed.signature()));
    true
}
