//! A transaction on its way: what has become of it?

use std::cmp::Ordering;
use std::sync::Arc;

use alloy::primitives::B256;
use quorate_protocol::Sequence;

use super::event::{AccountView, ChainView, Mined};
use super::transaction::{Purpose, SignedCall};

/// The most versions of one transaction whose receipts are looked for. A raise of an eighth each makes this a factor of
/// six; past it the last version is sent again and again.
pub(super) const MAX_VERSIONS: usize = 16;

/// One nonce that is used, with every version signed for it.
#[derive(Debug)]
pub(super) struct Submission {
    /// What the latest version is for. All versions anchor, or all accuse the same replica.
    pub(super) purpose: Purpose,
    /// All versions, the latest last. Never empty.
    versions: Vec<Arc<SignedCall>>,
    /// When the latest version was made, in milliseconds.
    pub(super) made_ms: u64,
    /// When the latest version was last sent, in milliseconds.
    pub(super) sent_ms: u64,
    /// Whether some endpoint may have any version of it.
    pub(super) accepted: bool,
}

/// What to do about a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Wait.
    Wait,
    /// Our transaction did what it was for.
    Done(Mined),
    /// Somebody else anchored this checkpoint or a newer one, or had the replica convicted; our transaction may have reverted because of that.
    Overtaken(Option<Mined>),
    /// Our transaction reverted, and nobody else was faster.
    Reverted(Mined),
    /// It can no longer be included, or nobody can say what became of it.
    Lost,
    /// The endpoint has forgotten it: send it again.
    SendAgain,
    /// It is stuck: offer more.
    Bump,
}

impl Submission {
    /// A submission that begins with `transaction`.
    pub(super) fn new(now_ms: u64, purpose: Purpose, transaction: Arc<SignedCall>) -> Self {
        Self { purpose, versions: vec![transaction], made_ms: now_ms, sent_ms: now_ms, accepted: false }
    }

    /// The latest version.
    pub(super) fn latest(&self) -> &Arc<SignedCall> {
        self.versions.last().expect("a submission has a first version")
    }

    /// The hashes of all versions: any of them may be included.
    pub(super) fn hashes(&self) -> impl Iterator<Item = B256> {
        self.versions.iter().map(|version| version.hash)
    }

    /// Whether another version would be one too many.
    pub(super) fn is_full(&self) -> bool {
        self.versions.len() >= MAX_VERSIONS
    }

    /// Replaces the latest version.
    pub(super) fn replace(&mut self, now_ms: u64, purpose: Purpose, transaction: Arc<SignedCall>) {
        debug_assert_eq!(transaction.nonce, self.latest().nonce, "a replacement uses the same nonce");
        self.purpose = purpose;
        self.versions.push(transaction);
        self.made_ms = now_ms;
        self.sent_ms = now_ms;
    }

    /// What has become of it, by what the endpoint says. The contract's state decides; receipts and nonces only say
    /// whose transaction brought it about, and whether ours can still be included.
    pub(super) fn judge(
        &self,
        now_ms: u64,
        chain: &ChainView,
        account: &AccountView,
        timeout_ms: u64,
    ) -> Verdict {
        let overdue = now_ms.saturating_sub(self.made_ms) >= timeout_ms;
        let nonce = self.latest().nonce;
        if let Some((mined, sequence)) = self.mined(account) {
            let met = self.is_met(sequence, chain, account);
            return match (mined.block <= chain.head, mined.success) {
                // The receipt is newer than the view, or the endpoint contradicts itself: the next look tells more.
                (false, _) | (true, true) if !met => {
                    if overdue {
                        Verdict::Lost
                    } else {
                        Verdict::Wait
                    }
                }
                (_, true) => Verdict::Done(mined),
                (_, false) if met => Verdict::Overtaken(Some(mined)),
                (_, false) => Verdict::Reverted(mined),
            };
        }
        if self.is_met(self.latest().sequence, chain, account) {
            return Verdict::Overtaken(None);
        }
        match account.nonce.cmp(&nonce) {
            // Another transaction took the nonce, or the receipt is not indexed yet. Or there is a gap before the
            // nonce, which only time tells from an endpoint that lags.
            Ordering::Greater | Ordering::Less if overdue => Verdict::Lost,
            Ordering::Equal if overdue => Verdict::Bump,
            Ordering::Equal | Ordering::Less
                if !account.pooled && now_ms.saturating_sub(self.sent_ms) >= timeout_ms / 8 =>
            {
                Verdict::SendAgain
            }
            _ => Verdict::Wait,
        }
    }

    /// Whether a version for this sequence has nothing left to do, whoever did it.
    fn is_met(&self, sequence: Sequence, chain: &ChainView, account: &AccountView) -> bool {
        match self.purpose {
            Purpose::Anchor(_) => chain.anchor.sequence >= sequence,
            Purpose::Conviction { .. } => account.convicted,
        }
    }

    /// The version that is in a block, with its sequence.
    fn mined(&self, account: &AccountView) -> Option<(Mined, Sequence)> {
        account.mined.iter().find_map(|mined| {
            let version = self.versions.iter().find(|version| version.hash == mined.hash)?;
            Some((*mined, version.sequence))
        })
    }
}
