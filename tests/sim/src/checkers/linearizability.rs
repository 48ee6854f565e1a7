//! Whether what clients saw could have come from one proposal service that does one thing at a time.
//!
//! The search of Wing and Gong (JPDC 1993) with Lowe's memory of what was tried (2017): it looks for an order
//! of the operations that respects real time and in which each gives the answer that its client got. It knows
//! nothing of logs or sequences. Proposals are independent of each other, so each is searched by itself
//! (linearizability is local: Herlihy and Wing, TOPLAS 1990).

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::{AgentId, Choice, ProposalId};

use crate::violation::{Verdict, Violation};

/// What a client asked of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To open it.
    Propose,
    /// To count a vote.
    Vote(AgentId, Choice),
    /// To withdraw it.
    Cancel(AgentId),
}

/// What a client was told, by a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The operation took effect.
    Done,
    /// The proposal exists already.
    Exists,
    /// There is no such proposal.
    Unknown,
    /// The proposal is closed.
    Closed,
    /// The voting period is over.
    Over,
    /// The voter has voted.
    Voted,
    /// The members have changed since.
    OtherVoters,
    /// The agent did not propose it.
    NotTheProposer,
    /// Refused for a reason outside the proposal, such as an expired command.
    Refused,
}

/// One operation of the history.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// When the client sent it first.
    pub called_ms: u64,
    /// When the client had its answer, and which; nothing if it never had one.
    pub returned: Option<(u64, Answer)>,
}

/// The rules that a proposal is counted by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The weight that approves.
    pub threshold: u64,
    /// The weight of all voters.
    pub total: u64,
}

/// All that clients saw.
#[derive(Debug, Default)]
pub struct History {
    calls: BTreeMap<ProposalId, Vec<Call>>,
    /// The entries of the commands that opened them, as receipts say.
    opened: BTreeMap<ProposalId, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    phase: Phase,
    voted: BTreeSet<AgentId>,
    for_weight: u64,
    other_weight: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Absent,
    Open,
    /// Open, and made before a change of weights.
    Stale,
    /// Its time is over, and it is not closed yet.
    Overdue,
    Closed,
}

impl State {
    /// What may happen to it without any client.
    fn drift(&self) -> Vec<Self> {
        let next: &[Phase] = match self.phase {
            Phase::Open => &[Phase::Stale, Phase::Overdue, Phase::Closed],
            Phase::Stale => &[Phase::Overdue, Phase::Closed],
            Phase::Overdue => &[Phase::Closed],
            Phase::Absent | Phase::Closed => &[],
        };
        next.iter().map(|phase| Self { phase: *phase, ..self.clone() }).collect()
    }

    /// The state after `operation` and the answer that it gives. All agents weigh the same.
    fn apply(&self, operation: Operation, rules: Rules, proposer: Option<AgentId>) -> (Self, Answer) {
        let unchanged = |answer| (self.clone(), answer);
        match (operation, self.phase) {
            (Operation::Propose, Phase::Absent) => {
                (Self { phase: Phase::Open, ..Self::default() }, Answer::Done)
            }
            (Operation::Propose, _) => unchanged(Answer::Exists),
            (_, Phase::Absent) => unchanged(Answer::Unknown),
            (_, Phase::Closed) => unchanged(Answer::Closed),
            (_, Phase::Overdue) => unchanged(Answer::Over),
            (Operation::Vote(..), Phase::Stale) => unchanged(Answer::OtherVoters),
            (Operation::Vote(voter, _), _) if self.voted.contains(&voter) => unchanged(Answer::Voted),
            (Operation::Vote(voter, choice), _) => {
                let mut next = self.clone();
                next.voted.insert(voter);
                *(if choice == Choice::For { &mut next.for_weight } else { &mut next.other_weight }) += 1;
                let approved = next.for_weight >= rules.threshold;
                if approved || rules.total.saturating_sub(next.other_weight) < rules.threshold {
                    next.phase = Phase::Closed;
                }
                (next, Answer::Done)
            }
            (Operation::Cancel(agent), _) if proposer.is_some_and(|proposer| proposer != agent) => {
                unchanged(Answer::NotTheProposer)
            }
            (Operation::Cancel(_), _) => (Self { phase: Phase::Closed, ..self.clone() }, Answer::Done),
        }
    }
}

impl History {
    /// A client asks; the number returned is for [`Self::returned`].
    pub fn called(&mut self, proposal: ProposalId, operation: Operation, now_ms: u64) -> usize {
        let calls = self.calls.entry(proposal).or_default();
        calls.push(Call { operation, called_ms: now_ms, returned: None });
        calls.len() - 1
    }

    /// How many operations a proposal has seen.
    pub fn calls_of(&self, proposal: &ProposalId) -> usize {
        self.calls.get(proposal).map_or(0, Vec::len)
    }

    /// A client has its answer.
    pub fn returned(&mut self, proposal: ProposalId, call: usize, now_ms: u64, answer: Answer) {
        if let Some(call) = self.calls.get_mut(&proposal).and_then(|calls| calls.get_mut(call)) {
            call.returned = Some((now_ms, answer));
        }
    }

    /// A receipt says that a proposal was opened by this entry.
    pub fn opened(&mut self, proposal: ProposalId, index: u64) {
        self.opened.insert(proposal, index);
    }

    /// The entry that opened a proposal, if a client knows.
    pub fn opened_in(&self, proposal: &ProposalId) -> Option<u64> {
        self.opened.get(proposal).copied()
    }

    /// Searches an order for each proposal.
    ///
    /// # Errors
    /// When one has none.
    pub fn check(
        &self,
        rules: impl Fn(&ProposalId) -> Rules,
        proposer: impl Fn(&ProposalId) -> Option<AgentId>,
    ) -> Verdict {
        for (proposal, calls) in &self.calls {
            if !is_linearizable(calls, rules(proposal), proposer(proposal)) {
                let detail = format!("no order explains what clients saw of {proposal}: {calls:#?}");
                return Err(Violation::new("linearizability", detail));
            }
        }
        Ok(())
    }
}

/// Whether there is an order of `calls`. An unanswered one may have taken effect or not.
pub fn is_linearizable(calls: &[Call], rules: Rules, proposer: Option<AgentId>) -> bool {
    assert!(calls.len() <= 128, "a history of one proposal fits into the search");
    let answered = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.returned.is_some())
        .fold(0u128, |all, (at, _)| all | 1 << at);
    let mut tried = BTreeSet::new();
    let mut open = vec![(0u128, State::default())];
    while let Some((done, state)) = open.pop() {
        if done & answered == answered {
            return true;
        }
        if !tried.insert((done, state.clone())) {
            continue;
        }
        open.extend(state.drift().into_iter().map(|next| (done, next)));
        // Whatever returned before another was called comes before it.
        let waiting = |at: &usize| done & (1 << at) == 0;
        let first_return = (0..calls.len())
            .filter(waiting)
            .filter_map(|at| calls[at].returned.map(|(returned_ms, _)| returned_ms))
            .min()
            .unwrap_or(u64::MAX);
        for at in (0..calls.len()).filter(waiting).filter(|at| calls[*at].called_ms <= first_return) {
            let call = &calls[at];
            let (next, answer) = match call.returned {
                Some((_, Answer::Refused)) => (state.clone(), Answer::Refused),
                _ => state.apply(call.operation, rules, proposer),
            };
            if call.returned.is_none_or(|(_, given)| given == answer) {
                open.push((done | 1 << at, next));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 3, total: 4 };

    fn voter(number: u8) -> AgentId {
        AgentId::from([number; 20])
    }

    fn call(operation: Operation, called_ms: u64, returned: Option<(u64, Answer)>) -> Call {
        Call { operation, called_ms, returned }
    }

    fn vote(number: u8, called_ms: u64, returned: Option<(u64, Answer)>) -> Call {
        call(Operation::Vote(voter(number), Choice::For), called_ms, returned)
    }

    #[test]
    fn an_order_is_found_where_there_is_one() {
        let history = [
            call(Operation::Propose, 0, Some((10, Answer::Done))),
            vote(1, 5, Some((20, Answer::Done))),
            vote(2, 5, None),
            vote(3, 21, Some((30, Answer::Done))),
            vote(4, 31, Some((40, Answer::Closed))),
        ];
        assert!(is_linearizable(&history, RULES, None), "the unanswered vote may have counted");
    }

    #[test]
    fn a_stale_read_has_no_order() {
        let history =
            [call(Operation::Propose, 0, Some((10, Answer::Done))), vote(1, 11, Some((20, Answer::Unknown)))];
        assert!(
            !is_linearizable(&history, RULES, None),
            "the proposal was acknowledged before the vote began"
        );
    }

    #[test]
    fn a_vote_that_counts_twice_has_no_order() {
        let history = [
            call(Operation::Propose, 0, Some((10, Answer::Done))),
            vote(1, 11, Some((20, Answer::Done))),
            vote(1, 21, Some((30, Answer::Done))),
        ];
        assert!(!is_linearizable(&history, RULES, None));
    }

    #[test]
    fn a_closed_proposal_does_not_open_again() {
        let history = [
            call(Operation::Propose, 0, Some((10, Answer::Done))),
            vote(1, 11, Some((20, Answer::Closed))),
            vote(2, 21, Some((30, Answer::Done))),
        ];
        assert!(!is_linearizable(&history, RULES, None));
    }
}
