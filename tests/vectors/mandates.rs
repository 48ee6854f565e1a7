//! Ballots for changes of members: which change carries, and by what weight.

use alloy_primitives::{B256, hex};
use quorate_protocol::class::{Class, DAY_S};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, group_id, members_hash};
use quorate_protocol::mandate::Ballot;
use quorate_protocol::{
    AccountKey, AccountSignature, AgentId, AgentKey, ChainVote, Choice, Digest, Epoch, Group, GroupIdentity,
    Mandate, Member, MembersChange, Scope, Terms,
};
use serde_json::json;

use crate::{pinned, sol};

const VOTING_ENDS: u64 = 1_700_003_600;
const CREATOR: u8 = 0x0b;
const SALT: u8 = 6;

/// Seven accounts in ascending order of address; the group has the first five.
fn accounts() -> Vec<(AccountKey, AgentKey)> {
    let mut accounts: Vec<_> = (0x21..=0x27u8)
        .map(|i| {
            let account = AccountKey::from_secret(&[i; 32]).expect("a small secret is a key");
            (account, AgentKey::from_secret(&[i; 32]))
        })
        .collect();
    accounts.sort_by_key(|(account, _)| account.address());
    accounts
}

fn member(at: usize, weight: u64, flags: u8) -> Member {
    let (account, key) = &accounts()[at];
    Member { agent: AgentId(account.address()), key: key.public(), weight, flags }
}

/// Four voters that are replicas with 4, 3, 2 and 1 of ten, and a replica without a vote; 7 of 10 decide in class 1.
fn group() -> Group {
    let both = FLAG_VOTER | FLAG_REPLICA;
    let mut members: Vec<Member> = (0..4).map(|at| member(at, 4 - at as u64, both)).collect();
    members.push(member(4, 0, FLAG_REPLICA));
    let named = |name: &str, class| Class { name: name.into(), ..class };
    let constitution = || Class::constitution(7, 10, 7 * DAY_S);
    let terms = Terms::of_classes(vec![
        named("escaping", Class { escape: true, ..Class::payments(7, 10, DAY_S, (5, 10)) }),
        constitution(),
        named("log", Class::of_weight(7, 10, DAY_S)),
        named("calls", Class { scope: Scope::Calls, ..constitution() }),
    ]);
    let (contract, creator) = (AgentId::from([0xc0; 20]), AgentId::from([CREATOR; 20]));
    let salt = B256::repeat_byte(SALT);
    let group = group_id(31_337, contract.0, creator.0, salt, members_hash(&members), terms.hash());
    let identity = GroupIdentity { chain_id: 31_337, contract, group };
    let group = Group {
        identity,
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members,
        terms,
        voters_since: Epoch(0),
    };
    assert_eq!(group.validate(), Ok(()));
    group
}

/// How one ballot is made.
#[derive(Clone, Copy)]
struct Vote {
    voter: usize,
    choice: Choice,
    epoch: Epoch,
    nonce: u32,
}

fn votes(voters: &[usize]) -> Vec<Vote> {
    let vote = |&voter| Vote { voter, choice: Choice::For, epoch: Epoch(0), nonce: 0 };
    voters.iter().map(vote).collect()
}

fn empty() -> Mandate {
    Mandate {
        proposer: group().members[0].agent,
        salt: 9,
        class: 1,
        description_hash: Digest::from([3; 32]),
        voting_ends: VOTING_ENDS,
        ballots: vec![],
    }
}

/// The ballots of these votes for the change of members, in the mandate.
fn signed(mandate: &Mandate, members: &[Member], votes: &[Vote]) -> Mandate {
    let (group, accounts) = (group(), accounts());
    let proposal = mandate.proposal(&group, members);
    let ballot = |&Vote { voter, choice, epoch, nonce }: &Vote| {
        let (account, _) = &accounts[voter];
        let voter = AgentId(account.address());
        let voting_ends = mandate.voting_ends;
        let vote = ChainVote { voter, proposal, choice, epoch, voting_ends, nonce };
        Ballot { voter, signature: account.sign_digest(&vote.digest(&group.identity)) }
    };
    Mandate { ballots: votes.iter().map(ballot).collect(), ..mandate.clone() }
}

#[derive(Default)]
struct Cases {
    names: Vec<String>,
    nexts: Vec<String>,
    mandates: Vec<String>,
    altered: Vec<bool>,
    weights: Vec<u64>,
    carried: Vec<bool>,
}

impl Cases {
    fn case(&mut self, carried: bool, name: &str, members: &[Member], mandate: &Mandate) {
        let group = group();
        let change = MembersChange { epoch: group.epoch, members: members.to_vec() };
        assert!(change.apply(&group).is_ok(), "{name}");
        let own = if mandate.ballots.is_empty() { None } else { Some(mandate) };
        assert_eq!(change.mandated(&group, own).is_ok(), carried, "{name}");
        self.names.push(name.into());
        self.nexts.push(sol::encoded(&sol::members(members)));
        self.mandates.push(sol::encoded(&sol::mandate(mandate)));
        self.altered.push(change.alters_weights(&group));
        // Of a class in which weights are not changed, the contract weighs nothing.
        let changes = group.terms.class(mandate.class).is_some_and(Class::changes_weights);
        let weight = if changes { mandate.weight(&group, members) } else { 0 };
        self.weights.push(u64::try_from(weight).expect("ten is all"));
        self.carried.push(carried);
    }

    /// A case in which weights change.
    fn altering(&mut self, weight: u64, carried: bool, name: &str, mandate: &Mandate) {
        self.case(carried, name, &heavier(), mandate);
        assert_eq!(self.weights.last(), Some(&weight), "{name}");
    }
}

fn heavier() -> Vec<Member> {
    let mut members = group().members;
    members[3].weight = 5;
    members
}

/// Every kind of list, without ballots and with all.
fn lists(cases: &mut Cases) {
    let both = FLAG_VOTER | FLAG_REPLICA;
    let with = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = group().members;
        change(&mut members);
        members
    };
    let lists: [(&str, bool, Vec<Member>); 12] = [
        ("the same", false, with(&|_| ())),
        ("another key", false, with(&|members| members[1].key = AgentKey::from_secret(&[0x77; 32]).public())),
        ("a voter is a replica no more", false, with(&|members| members[2].flags = FLAG_VOTER)),
        ("another replica", false, with(&|members| members[4] = member(5, 0, FLAG_REPLICA))),
        ("more replicas", false, with(&|members| members.push(member(6, 0, FLAG_REPLICA)))),
        ("more weight", true, heavier()),
        ("less weight", true, with(&|members| members[0].weight = 3)),
        (
            "two exchange their weights",
            true,
            with(&|members| {
                (members[0].weight, members[3].weight) = (1, 4);
            }),
        ),
        ("a new voter", true, with(&|members| members.push(member(5, 1, FLAG_VOTER)))),
        (
            "a replica becomes a voter",
            true,
            with(&|members| {
                (members[4].weight, members[4].flags) = (1, both);
            }),
        ),
        (
            "a voter goes",
            true,
            with(&|members| {
                members.remove(2);
            }),
        ),
        (
            "another has a voter's weight",
            true,
            with(&|members| {
                members[3] = Member { weight: 0, flags: FLAG_REPLICA, ..members[3].clone() };
                members[4] = Member { weight: 1, flags: both, ..members[4].clone() };
            }),
        ),
    ];
    for (name, altered, members) in lists {
        cases.case(!altered, &format!("{name}, no ballots"), &members, &empty());
        assert_eq!(cases.altered.last(), Some(&altered), "{name}");
        let all = signed(&empty(), &members, &votes(&[0, 1, 2, 3]));
        cases.case(true, &format!("{name}, all ballots"), &members, &all);
        let one = signed(&empty(), &members, &votes(&[0]));
        cases.case(!altered, &format!("{name}, one ballot"), &members, &one);
    }
}

fn ballots(cases: &mut Cases) {
    let members = heavier();
    let of = |voters: &[usize]| signed(&empty(), &members, &votes(voters));
    for (voters, weight, carried) in [
        (vec![0, 1], 7, true),
        (vec![0, 2], 6, false),
        (vec![1, 2, 3], 6, false),
        (vec![0, 2, 3], 7, true),
        (vec![0, 1, 1], 7, true),
        (vec![0, 0], 4, false),
        (vec![1, 0], 3, false),
        (vec![1, 0, 2, 3], 6, false),
        (vec![0, 1, 4, 5, 6], 7, true),
        (vec![0, 2, 4, 5, 6], 6, false),
    ] {
        cases.altering(weight, carried, &format!("ballots of {voters:?}"), &of(&voters));
    }
    let good = of(&[0, 1]);
    let changed = |change: &dyn Fn(&mut Mandate)| {
        let mut mandate = good.clone();
        change(&mut mandate);
        mandate
    };
    let others = [
        ("another proposer", changed(&|mandate| mandate.proposer = AgentId::from([1; 20]))),
        ("another salt", changed(&|mandate| mandate.salt += 1)),
        ("another description", changed(&|mandate| mandate.description_hash = Digest::from([4; 32]))),
        ("another end of the voting", changed(&|mandate| mandate.voting_ends += 1)),
        ("another class than was signed", changed(&|mandate| mandate.class = 3)),
        ("another list", signed(&empty(), &group().members, &votes(&[0, 1]))),
    ];
    for (name, mandate) in others {
        cases.altering(0, false, name, &mandate);
    }
    for class in [0, 2, 3, 4, 255] {
        let mandate = signed(&Mandate { class, ..empty() }, &members, &votes(&[0, 1, 2, 3]));
        cases.altering(0, false, &format!("signed in class {class}"), &mandate);
    }
    let second = |change: fn(&mut Vote)| {
        let mut votes = votes(&[0, 1]);
        change(&mut votes[1]);
        signed(&empty(), &members, &votes)
    };
    cases.altering(4, false, "a vote against", &second(|vote| vote.choice = Choice::Against));
    cases.altering(4, false, "an abstention", &second(|vote| vote.choice = Choice::Abstain));
    cases.altering(4, false, "a vote of another epoch", &second(|vote| vote.epoch = Epoch(1)));
    cases.altering(4, false, "a vote of another era", &second(|vote| vote.epoch = Epoch::of(1, 0)));
    cases.altering(4, false, "a vote that was changed before", &second(|vote| vote.nonce = 1));
}

/// What is a signature: 65 bytes, low s, and v of 0, 1, 27 or 28.
fn signatures(cases: &mut Cases) {
    let good = signed(&empty(), &heavier(), &votes(&[0, 1]));
    let with_v = |change: fn(u8) -> u8| {
        let mut mandate = good.clone();
        for ballot in &mut mandate.ballots {
            ballot.signature.0[64] = change(ballot.signature.0[64]);
        }
        mandate
    };
    cases.altering(7, true, "v is 0 or 1", &with_v(|v| v - 27));
    cases.altering(0, false, "v is 2 or 3", &with_v(|v| v - 25));
    cases.altering(0, false, "v is of the other point", &with_v(|v| 55 - v));
    let mirrored = |signature: AccountSignature| {
        // The group's order minus s, which signs as well but for EIP-2.
        let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        let s = alloy_primitives::U256::from_be_slice(&signature.0[32..64]);
        let mut bytes = signature.0;
        let high = alloy_primitives::U256::from_be_bytes(order) - s;
        bytes[32..64].copy_from_slice(&high.to_be_bytes::<32>());
        bytes[64] = 55 - bytes[64];
        AccountSignature(bytes)
    };
    let mut high = good.clone();
    high.ballots[1].signature = mirrored(high.ballots[1].signature);
    cases.altering(4, false, "high s", &high);
    let mut zero = good.clone();
    zero.ballots[1].signature = AccountSignature([0; 65]);
    cases.altering(4, false, "a signature of zeros", &zero);
    let mut swapped = good.clone();
    swapped.ballots[1].signature = good.ballots[0].signature;
    cases.altering(4, false, "the signature of another voter", &swapped);
}

#[test]
fn mandates() {
    let mut cases = Cases::default();
    lists(&mut cases);
    ballots(&mut cases);
    signatures(&mut cases);
    let group = group();
    let secrets: Vec<B256> = accounts().iter().map(|(account, _)| B256::from(account.secret())).collect();
    let Cases { names, nexts, mandates, altered, weights, carried } = cases;
    let value = json!({
        "chainId": group.identity.chain_id,
        "contract": group.identity.contract,
        "creator": AgentId::from([CREATOR; 20]),
        "groupSalt": B256::repeat_byte(SALT),
        "groupId": group.identity.group,
        "terms": sol::encoded(&sol::terms(&group.terms)),
        "members": sol::encoded(&sol::members(&group.members)),
        "secrets": secrets,
        "epoch": group.epoch,
        "names": names, "nexts": nexts, "mandates": mandates,
        "altered": altered, "weights": weights, "carried": carried,
    });
    pinned("mandates.json", &value);
}
