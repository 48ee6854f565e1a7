//! What may happen in a history.

mod anchors;
mod decided;
mod members;
mod proposals;

use super::scene::History;

/// The kinds of acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    LogPropose,
    LogVote,
    LogCancel,
    Observe,
    Propose,
    Vote,
    Cancel,
    Escape,
    CloseFromLog,
    ExecuteAnchored,
    QueueAnchored,
    Execute,
    Veto,
    Revoke,
    Anchor,
    Rotate,
    Convict,
    Enqueue,
    EnqueueByStranger,
    Leave,
    Deposit,
    RequestWithdrawal,
    Stay,
    Withdraw,
}

impl Kind {
    pub(super) const ALL: [Self; 24] = [
        Self::LogPropose,
        Self::LogVote,
        Self::LogCancel,
        Self::Observe,
        Self::Propose,
        Self::Vote,
        Self::Cancel,
        Self::Escape,
        Self::CloseFromLog,
        Self::ExecuteAnchored,
        Self::QueueAnchored,
        Self::Execute,
        Self::Veto,
        Self::Revoke,
        Self::Anchor,
        Self::Rotate,
        Self::Convict,
        Self::Enqueue,
        Self::EnqueueByStranger,
        Self::Leave,
        Self::Deposit,
        Self::RequestWithdrawal,
        Self::Stay,
        Self::Withdraw,
    ];
}

impl History<'_> {
    /// Something happens.
    pub(super) async fn act(&mut self) {
        // Stalls begin and end.
        if self.one_in(if self.silent { 20 } else { 30 }) {
            self.silent = !self.silent;
            self.note(format!("silent: {}", self.silent));
            if self.silent {
                self.stall().await;
            }
        }
        match self.random.below(100) {
            0..10 => self.log_propose(),
            10..27 => self.log_vote(),
            27 => self.log_cancel(),
            28..30 => self.refuse_and_escape().await,
            30..36 => self.carry_out().await,
            36..42 => self.propose().await,
            42..49 => self.vote().await,
            49..51 => self.cancel().await,
            51..55 => self.escape().await,
            55..57 => self.close_from_log().await,
            57..61 => self.execute_anchored().await,
            61..66 => self.queue_anchored().await,
            66..71 => self.execute().await,
            71..73 => self.veto().await,
            73 => self.revoke().await,
            74..84 => self.serve().await,
            84 => self.observe_once(),
            85..88 => self.enqueue().await,
            88 => self.leave().await,
            89 => self.convict().await,
            90..94 => self.bonds().await,
            _ => self.pass().await,
        }
    }
}
