//! The log as one untrusted node gives it.

use std::time::{Duration, Instant};

use quorate_protocol::api::ErrorCode;
use quorate_protocol::{EntryIndex, EntryRecord, Handover, LogCertificate};

use super::report::{Fault, Finding};
use super::{AuditOptions, MAX_EXPORT_HANDOVERS};
use crate::client::{Node, NodeFailure, epochs, pages, plain_http};
use crate::epochs::Epochs;
use crate::error::{NodeReport, SdkError};

/// How often a request is repeated that fails for want of a connection or of time.
const ATTEMPTS: u32 = 5;
/// The pause before a request is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// A node that is audited.
#[derive(Debug)]
pub(super) struct NodeSource {
    node: Node,
    /// What is trusted, and what the node's handovers lead to from there.
    epochs: Epochs,
    handovers: Vec<Handover>,
    options: AuditOptions,
}

impl NodeSource {
    pub(super) fn new(epochs: Epochs, url: &str, options: AuditOptions) -> Result<Self, SdkError> {
        let http = plain_http(options.request_timeout)?;
        let node = Node::new(url, epochs.newest().identity.group, http)?;
        Ok(Self { node, epochs, handovers: Vec::new(), options })
    }

    /// The epochs that are known by now.
    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// The handovers that the node gave, each verified.
    pub(super) fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// Verifies a certificate in one of the epochs that are known, or in a later one that the node proves.
    async fn verify(&mut self, certificate: &LogCertificate) -> Result<Result<(), Finding>, SdkError> {
        let started = Instant::now();
        let (from, timeout) = (self.epochs.newest().epoch, self.options.request_timeout);
        let handovers = match self.ask(|| epochs::handovers(&self.node, from, timeout)).await {
            Ok(handovers) => handovers,
            Err(failure) => return Ok(Err(self.judge(0, failure, started)?)),
        };
        let finding = |fault| Ok(Err(Finding { index: EntryIndex(0), fault }));
        if let Err(error) = self.epochs.follow(&handovers) {
            return finding(Fault::Handover(error.to_string()));
        }
        self.handovers.extend(handovers);
        match self.epochs.verify_certificate(certificate) {
            Ok(_) => Ok(Ok(())),
            Err(error) => finding(Fault::Certificate(error)),
        }
    }

    /// The node's certificate, which covers at least `size` entries if the node catches up with them in time.
    pub(super) async fn certificate(
        &mut self,
        size: u64,
    ) -> Result<Result<LogCertificate, Finding>, SdkError> {
        let started = Instant::now();
        loop {
            let timeout = self.options.request_timeout;
            let answer = self.ask(|| pages::unverified_certificate(&self.node, timeout)).await;
            let finding = match answer {
                Ok(certificate) => match self.verify(&certificate).await? {
                    Ok(()) if certificate.head.size >= size => return Ok(Ok(certificate)),
                    // Behind the newest anchor; the caller judges when it stays behind.
                    Ok(()) if started.elapsed() >= self.options.lag_timeout => return Ok(Ok(certificate)),
                    Ok(()) => None,
                    Err(finding) => Some(finding),
                },
                Err(NodeFailure::Answered { code: ErrorCode::NotFound, .. }) => {
                    let late = started.elapsed() >= self.options.lag_timeout;
                    late.then_some(Finding { index: EntryIndex(0), fault: Fault::NoCertificate })
                }
                Err(failure) => Some(self.judge(0, failure, started)?),
            };
            match finding {
                Some(finding) => return Ok(Err(finding)),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The node's certificate, and its handovers from the newest epoch on that is known, as it gives them.
    pub(super) async fn unverified(&self) -> Result<(LogCertificate, Vec<Handover>), SdkError> {
        let (started, timeout) = (Instant::now(), self.options.request_timeout);
        let failed = |failure| {
            let failures = vec![NodeReport { url: self.node.url().to_owned(), failure }];
            SdkError::NoAnswer { waited: started.elapsed(), failures }
        };
        let certificate =
            self.ask(|| pages::unverified_certificate(&self.node, timeout)).await.map_err(failed)?;
        let from = self.epochs.newest().epoch;
        let handovers = self.ask(|| epochs::handovers(&self.node, from, timeout)).await.unwrap_or_default();
        Ok((certificate, handovers.into_iter().take(MAX_EXPORT_HANDOVERS).collect()))
    }

    /// Entries from `from` on, before `end`; at least one.
    pub(super) async fn entries(
        &self,
        from: u64,
        end: u64,
    ) -> Result<Result<Vec<EntryRecord>, Finding>, SdkError> {
        let started = Instant::now();
        let timeout = self.options.request_timeout;
        match self.ask(|| pages::entries(&self.node, from, end, timeout)).await {
            Ok(records) => Ok(Ok(records)),
            Err(failure) => Ok(Err(self.judge(from, failure, started)?)),
        }
    }

    async fn ask<T, Answer>(&self, ask: impl Fn() -> Answer) -> Result<T, NodeFailure>
    where
        Answer: Future<Output = Result<T, NodeFailure>>,
    {
        let mut attempt = 1;
        loop {
            match ask().await {
                Err(failure) if attempt < ATTEMPTS && is_passing(&failure) => {
                    tracing::debug!(node = self.node.url(), %failure, attempt, "asking an audited node again");
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// What the node's failure says about the log: that it was not to be had is an error, that it was not
    /// what it should be is a finding.
    fn judge(&self, index: u64, failure: NodeFailure, started: Instant) -> Result<Finding, SdkError> {
        match failure {
            NodeFailure::Lied(_) | NodeFailure::Malformed(_) | NodeFailure::TooLong(_) => {
                Ok(Finding { index: EntryIndex(index), fault: Fault::Withheld(failure.to_string()) })
            }
            _ => {
                let failures = vec![NodeReport { url: self.node.url().to_owned(), failure }];
                Err(SdkError::NoAnswer { waited: started.elapsed(), failures })
            }
        }
    }
}

fn is_passing(failure: &NodeFailure) -> bool {
    match failure {
        NodeFailure::Unreachable(_) | NodeFailure::TimedOut(_) => true,
        NodeFailure::Answered { code, .. } => code.is_retryable(),
        _ => false,
    }
}
