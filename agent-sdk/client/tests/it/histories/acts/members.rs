//! What single accounts do with the contract: messages, bonds, leaving. And time, which passes for all.

use alloy::primitives::Bytes;
use quorate_protocol::class::DAY_S;
use quorate_protocol::{AgentId, PublicKey};
use quorate_services::ProposalStatus;

use super::Kind;
use crate::histories::chain::call;
use crate::histories::model::Ask;
use crate::histories::model::machine::Told;
use crate::histories::scene::{History, PAY};

impl History<'_> {
    /// Somebody lays a command on the log, or what is none.
    pub(super) async fn enqueue(&mut self) {
        let group = self.group.identity.group.0;
        let asked = if self.one_in(4) { None } else { self.some_vote() };
        let (bytes, told) = match asked {
            Some((agent, ask)) => {
                let command = self.log.command(self.actor(agent), &ask);
                let key: PublicKey = command.command().key;
                (command.encode(), Told::Command(Some((agent, key, Ask::clone(&ask)))))
            }
            None => (vec![9; self.random.below(3) as usize * 700], Told::Command(None)),
        };
        let sender = self.anybody().id();
        let is_member = self.contract.seats.member(sender).is_some();
        let fee = self.group.terms.inbox_fee * bytes.len().div_ceil(1024) as u128;
        let wei = if is_member { 0 } else { fee } + u128::from(self.one_in(8));
        let length = bytes.len();
        let call = call::enqueueCall { groupId: group, command: Bytes::from(bytes) };
        let found = self.chain.send(sender, wei, call).await.map(drop);
        let expected = self.contract.enqueue(self.chain.now, sender, (length, wei), told);
        let kind = if is_member { Kind::Enqueue } else { Kind::EnqueueByStranger };
        self.settle(kind, &format!("{sender} {length} bytes, {wei} wei"), expected, found);
    }

    /// Somebody gives up its vote. Not too many voters do, or nothing would be decided any more.
    pub(super) async fn leave(&mut self) {
        let sender = self.anybody().id();
        let is_voter = self.contract.seats.weight(sender) != 0;
        if is_voter && (!self.contract.seats.left.is_empty() || !self.one_in(4)) {
            return;
        }
        let found =
            self.chain.send(sender, 0, call::leaveCall { groupId: self.group.identity.group.0 }).await;
        let expected = self.contract.leave(self.chain.now, sender);
        self.settle(Kind::Leave, &sender.to_string(), expected, found.map(drop));
    }

    pub(in crate::histories) async fn deposit(&mut self, sender: AgentId, wei: u128) {
        let call = call::depositCall { groupId: self.group.identity.group.0 };
        let found = self.chain.send(sender, wei, call).await.map(drop);
        let expected = self.contract.deposit(sender, wei);
        self.settle(Kind::Deposit, &format!("{sender} {wei} wei"), expected, found);
    }

    /// Something about a bond.
    pub(super) async fn bonds(&mut self) {
        let group = self.group.identity.group.0;
        let leaving: Vec<AgentId> = self
            .contract
            .seats
            .bonds
            .iter()
            .filter_map(|(account, bond)| bond.exit.map(|_| *account))
            .collect();
        if self.group.terms.bond == 0 && !self.one_in(4) {
            return;
        }
        let is_leaving = !leaving.is_empty() && !self.one_in(3);
        let sender = match (is_leaving, self.one_in(2)) {
            (true, _) => self.random.pick(&leaving),
            (false, true) => self.anybody().id(),
            (false, false) => {
                let bonded = self.contract.seats.bonds.keys().next_back().copied();
                bonded.unwrap_or_else(|| self.anybody().id())
            }
        };
        let what = if is_leaving { 2 + self.random.below(4) } else { self.random.below(4) };
        let (kind, found, expected) = match what {
            0 => {
                let wei = self.random.pick(&[0, 400, 1_000, 1_000]);
                return self.deposit(sender, wei).await;
            }
            1 | 2 => {
                let found = self.chain.send(sender, 0, call::requestWithdrawalCall { groupId: group }).await;
                let expected = self.contract.request_withdrawal(self.chain.now, sender);
                (Kind::RequestWithdrawal, found, expected)
            }
            3 => {
                let found = self.chain.send(sender, 0, call::stayCall { groupId: group }).await;
                (Kind::Stay, found, self.contract.stay(sender))
            }
            _ => {
                // Some wait for it.
                let exit = self.contract.seats.bonds.get(&sender).and_then(|bond| bond.exit);
                if let Some((_, released_at)) = exit.filter(|_| self.one_in(2)) {
                    // At the second before, or at the very one: the act takes one more.
                    let at = released_at - 1 - self.random.below(2);
                    self.pass_to(at.max(self.chain.now)).await;
                }
                let found = self.chain.send(sender, 0, call::withdrawCall { groupId: group }).await;
                (Kind::Withdraw, found, self.contract.withdraw(self.chain.now, sender))
            }
        };
        self.settle(kind, &sender.to_string(), expected, found.map(drop));
    }

    pub(super) async fn pass_to(&mut self, second: u64) {
        if second > self.chain.now {
            self.chain.pass_to(second).await;
            self.note("time has passed".into());
        }
    }

    /// Somebody asks and is not served, mostly for as long as makes a stall.
    pub(super) async fn stall(&mut self) {
        self.enqueue().await;
        if !self.one_in(4) {
            self.pass_to(self.chain.now + u64::from(self.group.terms.stall_time_s)).await;
        }
    }

    /// Time passes: some minutes, or until just before something changes by time alone.
    pub(super) async fn pass(&mut self) {
        let now = self.chain.now;
        if self.one_in(2) {
            let minutes = 1 + self.random.below(60);
            return self.pass_to(now + 30 * minutes).await;
        }
        let mut turns = self.turns();
        turns.retain(|turn| (now + 3..now + 3 * u64::from(DAY_S)).contains(turn));
        turns.sort_unstable();
        turns.truncate(6);
        if !turns.is_empty() {
            // What acts next does so a second before the turn, at it, or a second after.
            let at = self.random.pick(&turns) - 2 + self.random.below(3);
            self.pass_to(at).await;
        }
    }

    /// The seconds at which time alone changes something.
    fn turns(&self) -> Vec<u64> {
        let terms = &self.group.terms;
        let (deadline_s, stall_s) = (u64::from(terms.inbox_deadline_s), u64::from(terms.stall_time_s));
        let mut turns: Vec<u64> =
            self.contract.waiting_since().map(|since| since + stall_s).into_iter().collect();
        // The last second at which an anchor may leave the message out is none in which it may not.
        let oldest = self.contract.messages.get(usize::try_from(self.contract.taken).unwrap());
        turns.extend(oldest.map(|message| message.second + deadline_s + 1));
        for (id, record) in &self.contract.records {
            let class = &terms.classes[usize::from(record.class)];
            let (_, approved_at) = self.contract.status(*id, self.chain.now);
            let from = approved_at + u64::from(class.timelock_s);
            turns.extend([record.closes, from, from + u64::from(class.expiry_s) + 1]);
        }
        for tally in self.machine.tallies.values() {
            if tally.status == ProposalStatus::Open {
                turns.push(tally.closes);
            }
            let class = &terms.classes[usize::from(tally.proposal.propose.class)];
            if let Some(decided) = self.log.decision(tally.proposal.id) {
                turns.push(class.ends(decided.entry.timestamp) + 1);
            }
        }
        turns.extend(self.contract.seats.bonds.values().filter_map(|bond| bond.exit.map(|(exit, _)| exit)));
        let window_s = u64::from(terms.classes[usize::from(PAY)].window_s);
        turns.extend([1, 2].map(|next| (self.chain.now / window_s + next) * window_s));
        turns
    }
}
