//! The contract's types and errors, as far as the vectors carry them ABI-encoded.

use alloy_primitives::{B256, U256, hex};
use alloy_sol_types::{SolError, SolValue, sol};
use quorate_protocol::call::{InvalidCalls, MAX_CALL_DATA_BYTES, MAX_CALLS, MAX_GAS};
use quorate_protocol::{AgentId, CallRefusal, Mandate, TermsError};

sol! {
    struct Member {
        address account;
        bytes32 key;
        uint64 weight;
        uint8 flags;
    }

    struct Call {
        address target;
        uint256 value;
        uint64 gas;
        bool allowFailure;
        bool allowNoCode;
        bytes data;
    }

    struct Limit {
        address asset;
        uint112 perDecision;
        uint112 perWindow;
    }

    struct Target {
        address target;
        bytes4 selector;
    }

    struct Class {
        bytes16 name;
        uint8 scope;
        uint8 opening;
        bool escape;
        bool revotes;
        uint8 basis;
        uint16 threshold;
        uint16 turnout;
        uint16 veto;
        uint32 votingPeriod;
        uint32 timelock;
        uint32 expiry;
        uint32 window;
        Limit[] limits;
        Target[] targets;
    }

    struct Terms {
        Class[] classes;
        uint32 stallTime;
        uint32 inboxDeadline;
        uint32 recoveryTime;
        uint96 inboxFee;
        uint128 bond;
        uint32 evidenceWindow;
        uint16 reporterShare;
        address uptimeFeed;
    }

    struct Ballot {
        address voter;
        uint8 choice;
        bytes signature;
    }

    struct MandateOf {
        address proposer;
        uint64 salt;
        uint8 class;
        bytes32 descriptionHash;
        uint64 votingEnds;
        Ballot[] ballots;
    }

    error InvalidTerm(uint256 class, uint8 term, uint256 found, uint256 least, uint256 most);
    error TooManyCalls(uint256 count, uint256 maximum);
    error TooMuchData(uint256 position, uint256 length, uint256 maximum);
    error GasNotNamed(uint256 position);
    error TooMuchGas(uint256 total, uint256 maximum);
    error CallNotPermitted(uint256 position);
    error AboveLimit(address asset, uint256 amount, uint256 limit);
}

/// `0x…` of an ABI encoding.
pub(crate) fn encoded(value: &impl SolValue) -> String {
    hex::encode_prefixed(value.abi_encode())
}

fn revert(error: &impl SolError) -> String {
    hex::encode_prefixed(error.abi_encode())
}

pub(crate) fn members(members: &[quorate_protocol::Member]) -> Vec<Member> {
    let member = |member: &quorate_protocol::Member| Member {
        account: member.agent.0,
        key: B256::from(member.key.0),
        weight: member.weight,
        flags: member.flags,
    };
    members.iter().map(member).collect()
}

pub(crate) fn calls(calls: &[quorate_protocol::Call]) -> Vec<Call> {
    let call = |call: &quorate_protocol::Call| Call {
        target: call.target.0,
        value: call.value,
        gas: call.gas,
        allowFailure: call.allow_failure,
        allowNoCode: call.allow_no_code,
        data: call.data.clone().into(),
    };
    calls.iter().map(call).collect()
}

pub(crate) fn class(class: &quorate_protocol::Class) -> Class {
    let mut name = [0; 16];
    name[..class.name.len()].copy_from_slice(class.name.as_bytes());
    let limits = class.limits.iter().map(|limit| Limit {
        asset: limit.asset.0,
        perDecision: limit.per_decision.try_into().expect("a limit has 112 bits"),
        perWindow: limit.per_window.try_into().expect("a limit has 112 bits"),
    });
    let targets =
        class.targets.iter().map(|target| Target { target: target.target.0, selector: target.selector });
    Class {
        name: name.into(),
        scope: class.scope as u8,
        opening: class.opening as u8,
        escape: class.escape,
        revotes: class.revotes,
        basis: class.basis as u8,
        threshold: class.threshold,
        turnout: class.turnout,
        veto: class.veto,
        votingPeriod: class.voting_period_s,
        timelock: class.timelock_s,
        expiry: class.expiry_s,
        window: class.window_s,
        limits: limits.collect(),
        targets: targets.collect(),
    }
}

pub(crate) fn terms(terms: &quorate_protocol::Terms) -> Terms {
    Terms {
        classes: terms.classes.iter().map(class).collect(),
        stallTime: terms.stall_time_s,
        inboxDeadline: terms.inbox_deadline_s,
        recoveryTime: terms.recovery_time_s,
        inboxFee: terms.inbox_fee.try_into().expect("a fee has 96 bits"),
        bond: terms.bond,
        evidenceWindow: terms.evidence_window_s,
        reporterShare: terms.reporter_share,
        uptimeFeed: terms.uptime_feed.0,
    }
}

pub(crate) fn mandate(mandate: &Mandate) -> MandateOf {
    let ballots = mandate.ballots.iter().map(|ballot| Ballot {
        voter: ballot.voter.0,
        choice: 1,
        signature: ballot.signature.0.to_vec().into(),
    });
    MandateOf {
        proposer: mandate.proposer.0,
        salt: mandate.salt,
        class: mandate.class,
        descriptionHash: mandate.description_hash.0,
        votingEnds: mandate.voting_ends,
        ballots: ballots.collect(),
    }
}

/// The contract's `TermsRules.OF_THE_GROUP`.
const OF_THE_GROUP: usize = 255;

pub(crate) fn invalid_term(error: &TermsError) -> String {
    let TermsError { class, term, found, least, most } = *error;
    let class = U256::from(class.unwrap_or(OF_THE_GROUP));
    revert(&InvalidTerm { class, term: term as u8, found, least, most })
}

pub(crate) fn invalid_calls(error: &InvalidCalls) -> String {
    let number = |number: usize| U256::from(number);
    match *error {
        InvalidCalls::TooMany(count) => {
            revert(&TooManyCalls { count: number(count), maximum: number(MAX_CALLS) })
        }
        InvalidCalls::TooMuchData { position, len } => revert(&TooMuchData {
            position: number(position),
            length: number(len),
            maximum: number(MAX_CALL_DATA_BYTES),
        }),
        InvalidCalls::GasNotNamed { position } => revert(&GasNotNamed { position: number(position) }),
        InvalidCalls::TooMuchGas(total) => {
            revert(&TooMuchGas { total: U256::from(total), maximum: U256::from(MAX_GAS) })
        }
    }
}

pub(crate) fn call_refusal(error: &CallRefusal) -> String {
    match *error {
        CallRefusal::NotPermitted { position } => {
            revert(&CallNotPermitted { position: U256::from(position) })
        }
        CallRefusal::AboveLimit { asset: AgentId(asset), amount, limit } => {
            revert(&AboveLimit { asset, amount, limit: U256::from(limit) })
        }
    }
}
