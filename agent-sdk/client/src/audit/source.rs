//! The log as one untrusted node gives it.

use std::time::{Duration, Instant};

use quorate_protocol::api::ErrorCode;
use quorate_protocol::{EntryIndex, EntryRecord, Group, LogCertificate};

use super::AuditOptions;
use super::report::{Fault, Finding};
use crate::client::{Node, NodeFailure, pages};
use crate::error::{NodeReport, SdkError};

/// How often a request is repeated that fails for want of a connection or of time.
const ATTEMPTS: u32 = 5;
/// The pause before a request is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// A node that is audited.
#[derive(Debug)]
pub(super) struct NodeSource<'a> {
    node: Node,
    group: &'a Group,
    options: AuditOptions,
}

impl<'a> NodeSource<'a> {
    pub(super) fn new(group: &'a Group, url: &str, options: AuditOptions) -> Result<Self, SdkError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.request_timeout)
            .build()
            .map_err(|error| SdkError::Configuration(error.to_string()))?;
        Ok(Self { node: Node::new(url, group.identity.group, http)?, group, options })
    }

    /// The node's certificate, which covers at least `size` entries if the node catches up with them in time.
    pub(super) async fn certificate(&self, size: u64) -> Result<Result<LogCertificate, Finding>, SdkError> {
        let started = Instant::now();
        loop {
            let timeout = self.options.request_timeout;
            let answer = self.ask(|| pages::unverified_certificate(&self.node, timeout)).await;
            let finding = match answer {
                Ok(certificate) => match certificate.verify(&self.group.identity, &self.group.replicas()) {
                    Ok(()) if certificate.head.size >= size => return Ok(Ok(certificate)),
                    // Behind the newest anchor; the caller judges when it stays behind.
                    Ok(()) if started.elapsed() >= self.options.lag_timeout => return Ok(Ok(certificate)),
                    Ok(()) => None,
                    Err(error) => Some(Finding { index: EntryIndex(0), fault: Fault::Certificate(error) }),
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
