//! A group whose four replicas are all malicious, against its terms, on a real chain: what they try, and what they get.
//!
//! The group has four replicas without a vote and three voters who are no replicas. What is decided at once is bounded: of
//! each asset so much a decision, and so much in any day. All else waits, and the voters can object. The replicas' keys are in
//! one hand, which writes a log of its own, signs it and submits it; its receipts verify, and the contract accepts its anchors.
//! `contracts/test/unit/FourMaliciousReplicas.t.sol` is the same in Solidity.

mod liars;

use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::Provider as _;
use alloy::sol_types::SolCall as _;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorErrors as Errors};
use quorate_contracts::tokens::{Coin, PoliteCoin};
use quorate_contracts::{Content, GroupAccount, Mandate, ProposalStatus};
use quorate_protocol::class::DAY_S;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::merkle::{MerkleLog, leaf_hash};
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{
    AgentId, Call, ChainVote, Choice, Epoch, Member, ProposalId, SignedCheckpoint, VoterSignature,
};
use quorate_sdk::Agent;

use liars::{ACT, CONSTITUTION, ETHER_WEI, Liars, PAY, content, refusal};

/// Who gets what they take.
const THIEF: AgentId = AgentId(Address::new([0xba; 20]));
/// Where the voters bring the rest.
const REFUGE: AgentId = AgentId(Address::new([0x5a; 20]));
const HOUR: u64 = 3_600;
const DAY: u64 = DAY_S as u64;

/// Payments of all that the windows let go, and one of each asset's smallest unit on top, which the window refuses.
async fn take_all(liars: &mut Liars) {
    let (group, assets) = (liars.group.identity.group, liars.assets);
    let (mut within, mut beyond) = (Vec::new(), Vec::new());
    for asset in &assets {
        let mut left = liars.reader.spendable(group, PAY, asset.id).await.unwrap().left.unwrap();
        while left > 0 {
            let amount = left.min(asset.per_decision);
            within.push(liars.invent(PAY, vec![asset.payment(THIEF, amount)]).await);
            left -= amount;
        }
        beyond.push(liars.invent(PAY, vec![asset.payment(THIEF, 1)]).await);
    }
    liars.anchor().await.unwrap();
    for record in &within {
        liars.execute(record).await.unwrap();
    }
    for record in &beyond {
        let refused = refusal(liars.execute(record).await);
        assert!(matches!(&refused, Errors::AboveWindow(above) if above.left.is_zero()), "{refused:?}");
    }
}

/// Checks that so many windows of every asset have left the account, and that what arrives of them is the thief's.
async fn assert_taken(liars: &Liars, windows: u128) {
    let (account, taken) = (liars.balances(liars.group.account).await, liars.balances(THIEF).await);
    for (at, asset) in liars.assets.iter().enumerate() {
        let left = asset.funds - windows * asset.per_window;
        let arrived = windows * asset.per_window * asset.arrives / 100;
        assert_eq!((account[at], taken[at]), (left, arrived), "{} after {windows} windows", asset.name);
    }
}

/// Two of three voters approve a proposal of the constitution on-chain. Its content, for the execution.
async fn voters_decide(liars: &Liars, calls: Vec<Call>) -> (ProposalId, Content) {
    let (group, description) = (liars.group.identity.group, "to safety".to_owned());
    let proposer = liars.voter(0).await;
    let content = Content::of(proposer.id(), 0, CONSTITUTION, &description, &calls);
    let (id, _) =
        proposer.propose(group, &Propose { salt: 0, description, calls, class: CONSTITUTION }).await.unwrap();
    for at in 0..2 {
        liars.voter(at).await.vote(group, id, Choice::For).await.unwrap();
    }
    assert_eq!(liars.reader.proposal(group, id).await.unwrap().unwrap().status, ProposalStatus::Approved);
    (id, content)
}

/// Of every asset, what the account will have left after so many windows.
fn the_rest(liars: &Liars, windows: u128) -> Vec<Call> {
    let rest = |asset: &liars::Asset| asset.payment(REFUGE, asset.funds - windows * asset.per_window);
    liars.assets.iter().map(rest).collect()
}

/// The voters need most of a day to notice and to vote, and their class waits for seven. Until then the replicas try every
/// day, and twice on the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_the_voters_have_moved_the_rest_they_take_four_windows_and_no_unit_more() {
    let mut liars = Liars::set().await;
    let start = liars.now().await / DAY * DAY;
    take_all(&mut liars).await;
    assert_taken(&liars, 1).await;
    let at_once = liars.balances(THIEF).await;

    liars.pass_to(start + 20 * HOUR).await;
    take_all(&mut liars).await;
    assert_taken(&liars, 1).await;
    let calls = the_rest(&liars, 4);
    let (_, rescue) = voters_decide(&liars, calls).await;
    for day in 1..8 {
        liars.pass_to(start + day * DAY).await;
        take_all(&mut liars).await;
        assert_taken(&liars, 1 + u128::from(day) / 2).await;
        let early = refusal(liars.sender.execute(liars.group.identity.group, &rescue).await);
        assert!(matches!(early, Errors::TimelockNotOver(_)), "{early:?}");
    }
    assert_taken(&liars, 4).await;

    liars.pass_to(start + 7 * DAY + 21 * HOUR).await;
    liars.sender.execute(liars.group.identity.group, &rescue).await.unwrap();
    let (taken, saved) = (liars.balances(THIEF).await, liars.balances(REFUGE).await);
    assert_eq!(liars.balances(liars.group.account).await, [0; 4]);
    println!("asset                       of          at once     in 8 days   moved by the voters");
    for (at, asset) in liars.assets.iter().enumerate() {
        let rest = (asset.funds - 4 * asset.per_window) * asset.arrives / 100;
        assert_eq!((taken[at], saved[at]), (4 * at_once[at], rest), "{}", asset.name);
        let unit = asset.per_decision / [2, 1_000, 700, 100][at];
        let [of, once, all, moved] = [asset.funds, at_once[at], taken[at], saved[at]]
            .map(|amount| format!("{}.{:02}", amount / unit, amount % unit * 100 / unit));
        println!("{:<28}{of:<12}{once:<12}{all:<12}{moved}", asset.name);
    }
    // Nothing is left that they could take.
    let last = liars.assets[0].payment(THIEF, 1);
    liars.pass_to(start + 9 * DAY).await;
    assert!(liars.try_at_once(PAY, vec![last]).await.is_err());
    assert_eq!(liars.balances(THIEF).await, taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_once_they_reach_nothing_beyond_the_limits_and_nothing_twice() {
    let mut liars = Liars::set().await;
    let (account, contract) = (liars.group.account, liars.group.identity.contract);
    for asset in liars.assets {
        let calls = vec![asset.payment(THIEF, asset.per_decision), asset.payment(REFUGE, 1)];
        let refused = refusal(liars.try_at_once(PAY, calls).await);
        let Errors::AboveLimit(above) = refused else { panic!("{refused:?}") };
        let (amount, limit) = (U256::from(asset.per_decision + 1), U256::from(asset.per_decision));
        assert_eq!((above.asset, above.amount, above.limit), (asset.id.0, amount, limit));
    }

    let to_account = |data: Vec<u8>| Call::new(account, U256::ZERO, data);
    let (coin, listed) = (liars.assets[1].id, AgentId(liars.listed));
    let approve = Coin::approveCall { spender: THIEF.0, value: U256::from(1) }.abi_encode();
    let transfer_from =
        Coin::transferFromCall { from: account.0, to: THIEF.0, value: U256::from(1) }.abi_encode();
    let members = liars.group.members.iter().map(quorate_contracts::Member::from).collect();
    let recover = AgentCoordinator::recoverCall { groupId: liars.group.identity.group.0, epoch: 0, members };
    let others = [
        Call::new(listed, U256::ZERO, approve.clone()),
        Call::new(coin, U256::ZERO, approve),
        Call::new(coin, U256::ZERO, transfer_from),
        Call::payment(account, U256::from(1)),
        to_account(GroupAccount::setApprovalCall { hash: [7; 32].into(), until: 1 }.abi_encode()),
        to_account(GroupAccount::setFallbackHandlerCall { handler: THIEF.0 }.abi_encode()),
        Call::payment(contract, U256::from(1)),
        Call::new(contract, U256::ZERO, recover.abi_encode()),
    ];
    for call in others {
        let refused = refusal(liars.try_at_once(PAY, vec![call.clone()]).await);
        assert!(matches!(refused, Errors::CallNotPermitted(_)), "{call:?}: {refused:?}");
    }
    for class in [ACT, CONSTITUTION] {
        let call = liars.assets[0].payment(THIEF, 1);
        let refused = refusal(liars.try_at_once(class, vec![call]).await);
        assert!(matches!(refused, Errors::HasTimelock(_)), "{refused:?}");
    }
    assert_taken(&liars, 0).await;

    // What they may take they take once.
    let payment = liars.assets[0].payment(THIEF, ETHER_WEI);
    let record = liars.invent(PAY, vec![payment]).await;
    liars.anchor().await.unwrap();
    liars.execute(&record).await.unwrap();
    let twice = refusal(liars.execute(&record).await);
    assert!(matches!(twice, Errors::WrongStatus(_)), "{twice:?}");
    liars.anchor().await.unwrap();
    let twice = refusal(liars.execute(&record).await);
    assert!(matches!(twice, Errors::WrongStatus(_)), "{twice:?}");

    // And the history that they have anchored stays: another is none that begins with it, and neither is a shorter one.
    let mut other = MerkleLog::new();
    for number in 0..liars.log.size() + 5 {
        other.append(leaf_hash(&number.to_be_bytes()));
    }
    let refused = liars.anchor_instead(&other).await.unwrap_err();
    assert!(matches!(refused, Errors::NotConsistent(_)), "{refused:?}");
    let mut shorter = MerkleLog::new();
    shorter.append(liars.log.leaf(0).unwrap());
    let refused = liars.anchor_instead(&shorter).await.unwrap_err();
    assert!(matches!(refused, Errors::LogShrunk(_)), "{refused:?}");
    assert_eq!(liars.balances(THIEF).await, [ETHER_WEI, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_waits_they_get_nothing_while_voters_object() {
    let mut liars = Liars::set().await;
    let group = liars.group.identity.group;
    let approve = PoliteCoin::approveCall { spender: THIEF.0, amount: U256::MAX }.abi_encode();
    let approve = Call::new(AgentId(liars.listed), U256::ZERO, approve);
    let other = liars.assets[1].payment(THIEF, 1);
    let all = liars.assets.iter().map(|asset| asset.payment(THIEF, asset.funds)).collect();
    let unlisted = liars.invent(ACT, vec![other]).await;
    let act = liars.invent(ACT, vec![approve]).await;
    let grab = liars.invent(CONSTITUTION, all).await;
    liars.anchor().await.unwrap();
    let refused = refusal(liars.sender.queue_anchored(&liars.receipt(&unlisted)).await);
    assert!(matches!(refused, Errors::CallNotPermitted(_)), "{refused:?}");

    let start = liars.now().await;
    for (record, wait) in [(&act, 2 * DAY), (&grab, 7 * DAY)] {
        liars.sender.queue_anchored(&liars.receipt(record)).await.unwrap();
        liars.pass_to(liars.now().await.max(start + wait - HOUR)).await;
        let early = refusal(liars.sender.execute(group, &content(record)).await);
        assert!(matches!(early, Errors::TimelockNotOver(_)), "{early:?}");
        let quorate_protocol::EntryBody::Decision(decision) = &record.body else { panic!("{record:?}") };
        let id = decision.decision.proposal;
        let mut objections: Vec<(AgentId, VoterSignature)> = Vec::new();
        for at in 0..2 {
            let voter = liars.voter(at).await;
            objections.push((voter.id(), voter.sign_objection(group, id).into()));
        }
        let refused = refusal(liars.sender.veto(group, id, &objections[..1]).await);
        assert!(matches!(refused, Errors::NotEnoughWeight(_)), "one of three: {refused:?}");
        liars.sender.veto(group, id, &objections).await.unwrap();
        assert_eq!(liars.reader.proposal(group, id).await.unwrap().unwrap().status, ProposalStatus::Revoked);
    }
    liars.pass_to(start + 15 * DAY).await;
    for record in [&act, &grab] {
        let late = refusal(liars.sender.execute(group, &content(record)).await);
        assert!(matches!(late, Errors::WrongStatus(_)), "{late:?}");
    }
    let token = PoliteCoin::new(liars.listed, &liars.provider);
    assert_eq!(token.allowance(liars.group.account.0, THIEF.0).call().await.unwrap(), U256::ZERO);
    assert_taken(&liars, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_can_seat_replicas_of_their_own_and_no_voter() {
    let mut liars = Liars::set().await;
    let members = liars.group.members.clone();
    let with = |change: &dyn Fn(&mut Member)| {
        let mut next = members.clone();
        next.iter_mut().for_each(change);
        next.retain(|member| member.flags != 0);
        next
    };
    let voting_replicas = with(&|member| {
        if member.is_replica() {
            (member.flags, member.weight) = (FLAG_REPLICA | FLAG_VOTER, 9);
        }
    });
    let first = members.iter().find(|member| member.is_voter()).unwrap().agent;
    let heavier = with(&|member| member.weight += u64::from(member.agent == first));
    let without_one = with(&|member| {
        if member.agent == first {
            member.flags = 0;
        }
    });
    let without_voters = with(&|member| member.flags &= FLAG_REPLICA);
    for next in [&voting_replicas, &heavier, &without_one, &without_voters] {
        let forged = mandate_by_replicas(&liars, next);
        for mandate in [Mandate::default(), (&forged).into()] {
            let refused = liars.rotate(next, mandate).await.unwrap_err();
            assert!(matches!(refused, Errors::NoMandate(_)), "{refused:?}");
        }
    }
    assert_eq!(liars.reader.epoch(liars.group.identity.group).await.unwrap(), Epoch(0));

    // To other replicas they do rotate. They take no more than before, and the voters are who they were.
    let mut own: Vec<Agent> = (0..4).map(|_| Agent::generate()).collect();
    own.sort_by_key(Agent::id);
    let mut next: Vec<Member> = members.iter().filter(|member| member.is_voter()).cloned().collect();
    next.extend(own.iter().map(replica));
    next.sort_by_key(|member| member.agent);
    liars.rotate(&next, Mandate::default()).await.unwrap();
    liars.succeed(own).await;
    assert_eq!((liars.group.epoch, liars.group.total_weight()), (Epoch(1), 3));
    take_all(&mut liars).await;
    assert_taken(&liars, 1).await;
    let rest = the_rest(&liars, 2);
    let (_, rescue) = voters_decide(&liars, rest).await;
    liars.pass_to(liars.now().await / DAY * DAY + 2 * DAY).await;
    take_all(&mut liars).await;
    assert_taken(&liars, 2).await;
    liars.pass_to(liars.now().await + 5 * DAY + HOUR).await;
    liars.sender.execute(liars.group.identity.group, &rescue).await.unwrap();
    assert_eq!(liars.balances(liars.group.account).await, [0; 4]);
}

fn replica(agent: &Agent) -> Member {
    Member { agent: agent.id(), key: agent.public_key(), weight: 0, flags: FLAG_REPLICA }
}

/// The word of those who are no voters for these members.
fn mandate_by_replicas(liars: &Liars, next: &[Member]) -> quorate_protocol::Mandate {
    let mut mandate = quorate_protocol::Mandate {
        proposer: liars.replicas[0].id(),
        salt: 1,
        class: CONSTITUTION,
        description_hash: quorate_protocol::Digest::default(),
        voting_ends: u64::from(u32::MAX),
        ballots: Vec::new(),
    };
    let (proposal, epoch) = (mandate.proposal(&liars.group, next), liars.group.epoch);
    let (choice, voting_ends) = (Choice::For, mandate.voting_ends);
    let ballot = |agent: &Agent| {
        let vote = ChainVote { voter: agent.id(), proposal, choice, epoch, voting_ends, nonce: 0 };
        let signature = agent.account.sign_digest(&vote.digest(&liars.group.identity));
        quorate_protocol::mandate::Ballot { voter: agent.id(), signature }
    };
    mandate.ballots = liars.replicas.iter().map(ballot).collect();
    mandate
}

/// Messages of the inbox: so many as an anchor may make progress by, and some more.
const MESSAGES: u64 = 66;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdue_message_holds_their_anchors_up_and_convictions_end_them() {
    let mut liars = Liars::set().await;
    let (group, sender) = (liars.group.identity.group, liars.voters[0].id().0);
    let () = liars.provider.raw_request("anvil_impersonateAccount".into(), (sender,)).await.unwrap();
    let mut pending = Vec::new();
    for number in 0..MESSAGES {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        pending.push(liars.coordinator.enqueue(group.0, payload).from(sender).send().await.unwrap());
    }
    for transaction in pending {
        assert!(transaction.get_receipt().await.unwrap().status());
    }
    let all = [0, 1, 2];
    liars.anchor_with(0, &all).await.unwrap();
    let deadline = u64::from(liars.group.terms.inbox_deadline_s);
    liars.pass_to(liars.now().await + deadline + 1).await;
    for left_out in [0, 63] {
        let refused = liars.anchor_with(left_out, &all).await.unwrap_err();
        assert!(matches!(refused, Errors::InboxOverdue(_)), "{left_out}: {refused:?}");
    }
    liars.anchor_with(64, &all).await.unwrap();
    let refused = liars.anchor_with(64, &all).await.unwrap_err();
    assert!(matches!(refused, Errors::InboxOverdue(_)), "{refused:?}");
    liars.anchor_with(MESSAGES, &all).await.unwrap();

    // Two of them are shown to have signed two checkpoints of one sequence.
    let (first, _) = liars.checkpoint(MESSAGES, &[]).await;
    let second = quorate_protocol::Checkpoint { state_root: first.log_root, ..first.clone() };
    for at in 0..2 {
        let account = &liars.replicas[at].account;
        let [first, second] = [&first, &second]
            .map(|checkpoint| SignedCheckpoint::sign(&liars.group.identity, checkpoint.clone(), account));
        liars.sender.report_contradiction(&first, &second, &[]).await.unwrap();
        let signers = if at == 0 { &all[..] } else { &[1, 2, 3] };
        let refused = liars.anchor_with(MESSAGES + 1, signers).await.unwrap_err();
        assert!(matches!(refused, Errors::SignatureDoesNotCount(_)), "{refused:?}");
    }
    let refused = liars.anchor_with(MESSAGES + 2, &[2, 3]).await.unwrap_err();
    assert!(matches!(refused, Errors::NotEnoughSignatures(_)), "{refused:?}");

    // Nobody is left to take in the messages that tell of it, so the voters replace them.
    let mut own: Vec<Agent> = (0..4).map(|_| Agent::generate()).collect();
    own.sort_by_key(Agent::id);
    let voters = liars.group.members.iter().filter(|member| member.is_voter()).cloned();
    let mut next: Vec<Member> = voters.chain(own.iter().map(replica)).collect();
    next.sort_by_key(|member| member.agent);
    let members = next.iter().map(quorate_contracts::Member::from).collect();
    let recover = AgentCoordinator::recoverCall { groupId: group.0, epoch: 0, members };
    let recover =
        Call { gas: 2_000_000, ..Call::new(liars.group.identity.contract, U256::ZERO, recover.abi_encode()) };
    let (_, recovery) = voters_decide(&liars, vec![recover]).await;
    liars.pass_to(liars.now().await + 7 * DAY + 1).await;
    liars.sender.execute(group, &recovery).await.unwrap();
    let old = liars.replicas.clone();
    liars.succeed(own).await;
    assert_eq!(liars.group.epoch, Epoch(1 << 32));
    liars.anchor().await.unwrap();
    let supplier = AgentId::from([0x51; 20]);
    let payment = liars.assets[1].payment(supplier, 5);
    liars.try_at_once(PAY, vec![payment]).await.unwrap();
    assert_eq!(liars.balances(supplier).await, [0, 5, 0, 0]);
    liars.replicas = old;
    let length = liars.reader.inbox(group).await.unwrap().length;
    let refused = liars.anchor_with(length, &[1, 2, 3]).await.unwrap_err();
    assert!(matches!(refused, Errors::SignatureDoesNotCount(_)), "{refused:?}");
    assert_eq!(liars.balances(THIEF).await, [0; 4]);
}
