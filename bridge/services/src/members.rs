//! The members service: who may submit commands.
//!
//! The members of the epoch come from the contract and stay until the group's membership changes. Beside
//! them there are plain agents, which only the log knows: a voter admits them, with the agent's own
//! signature that the key is its own, and they leave by themselves. A member that gave up its vote on-chain has
//! given it up here too, for as long as it is a member.

use minicbor::{Decode, Encode};
use quorate_protocol::codec;
use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation, MembersOutcome};
use quorate_protocol::{AgentId, Group, Member, PublicKey, TimestampMs};

use crate::service::{Context, Service, ServiceRefusal};
use crate::state::{Overlay, View};

pub(crate) const PREFIX: &[u8] = b"members/";

/// Who a command comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The agent's account.
    pub id: AgentId,
    /// The ed25519 key that its commands must be signed with.
    pub key: PublicKey,
    /// Whether it is a member of the epoch; otherwise it is a plain agent.
    pub member: bool,
    /// Whether it may propose and vote: a voter of the epoch that has not left.
    pub voter: bool,
    /// Whether its node takes part in PBFT.
    pub replica: bool,
    /// Its voting weight; 0 unless it is a voter.
    pub weight: u64,
}

impl From<&Member> for Agent {
    fn from(member: &Member) -> Self {
        Self {
            id: member.agent,
            key: member.key,
            member: true,
            voter: member.is_voter(),
            replica: member.is_replica(),
            weight: member.weight,
        }
    }
}

/// A rule of the members service that forbids an operation.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MembersRefusal {
    /// Only voters admit.
    #[error("{0} is not a voter, or has left, and only voters admit agents")]
    NotAVoter(AgentId),
    /// The agent is a member, or admitted already.
    #[error("{0} is known to the group already")]
    AlreadyKnown(AgentId),
    /// The binding is not signed by the account that it names.
    #[error("the binding of key {key} to {agent} is not signed by {agent}")]
    BadBinding {
        /// The agent.
        agent: AgentId,
        /// The key.
        key: PublicKey,
    },
    /// The agent gave the key up when it left. Whoever kept the old binding must not be able to bring
    /// back a key that may have leaked.
    #[error("{agent} gave key {key} up when it left: bind another key")]
    KeyGivenUp {
        /// The agent.
        agent: AgentId,
        /// The key.
        key: PublicKey,
    },
    /// A member of the epoch cannot leave by a command.
    #[error("{0} is a member of the epoch: propose a change of members without it")]
    MemberOfEpoch(AgentId),
}

impl MembersRefusal {
    /// The stable name of the condition.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAVoter(_) => "not_a_voter",
            Self::AlreadyKnown(_) => "already_known",
            Self::BadBinding { .. } => "bad_binding",
            Self::KeyGivenUp { .. } => "key_given_up",
            Self::MemberOfEpoch(_) => "member_of_epoch",
        }
    }
}

impl From<MembersRefusal> for ServiceRefusal {
    fn from(refusal: MembersRefusal) -> Self {
        Self::Rule { code: refusal.code(), detail: refusal.to_string() }
    }
}

/// A plain agent, at `a || address`.
#[derive(Encode, Decode)]
#[cbor(map)]
struct PlainAgent {
    #[n(0)]
    key: PublicKey,
    #[n(1)]
    admitted: TimestampMs,
}

/// The service.
pub(crate) struct Members;

impl Service for Members {
    fn name(&self) -> &'static str {
        MembersOperation::SERVICE
    }

    fn prefix(&self) -> &'static [u8] {
        PREFIX
    }

    fn apply(
        &self,
        context: &mut Context<'_, '_>,
        agent: &Agent,
        operation: &[u8],
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let operation = codec::decode(operation, MAX_COMMAND_BYTES).map_err(|_| ServiceRefusal::Malformed)?;
        let outcome = match operation {
            MembersOperation::Admit(admit) => admit_agent(context, agent, &admit),
            MembersOperation::Leave => leave(context, agent),
        }?;
        Ok(codec::encode(&outcome))
    }
}

fn admit_agent(
    context: &mut Context<'_, '_>,
    voter: &Agent,
    admit: &Admit,
) -> Result<MembersOutcome, MembersRefusal> {
    let Admit { agent, key, .. } = *admit;
    if !voter.voter {
        return Err(MembersRefusal::NotAVoter(voter.id));
    }
    if context.agent(agent).is_some() {
        return Err(MembersRefusal::AlreadyKnown(agent));
    }
    if context.state().contains(&given_up_key(agent, &key)) {
        return Err(MembersRefusal::KeyGivenUp { agent, key });
    }
    if !admit.verify(&context.group().identity) {
        return Err(MembersRefusal::BadBinding { agent, key });
    }
    let admitted = context.time();
    context.write(&agent_key(agent), &PlainAgent { key, admitted });
    Ok(MembersOutcome::Admitted)
}

fn leave(context: &mut Context<'_, '_>, agent: &Agent) -> Result<MembersOutcome, MembersRefusal> {
    if agent.member {
        return Err(MembersRefusal::MemberOfEpoch(agent.id));
    }
    // An earlier operation of the same command may have done it.
    if context.agent(agent.id).is_some() {
        let left = context.time();
        context.remove(&agent_key(agent.id));
        context.write(&given_up_key(agent.id, &agent.key), &left);
    }
    Ok(MembersOutcome::Left)
}

/// The member of the epoch, or the plain agent, with this address.
pub(crate) fn find(group: &Group, state: &Overlay<'_>, agent: AgentId) -> Option<Agent> {
    let view = View::new(state, PREFIX);
    if let Some(member) = group.member(agent) {
        let found = Agent::from(member);
        return Some(match view.contains(&left_key(agent)) {
            true => Agent { voter: false, weight: 0, ..found },
            false => found,
        });
    }
    let plain: PlainAgent = view.read(&agent_key(agent))?;
    Some(Agent { id: agent, key: plain.key, member: false, voter: false, replica: false, weight: 0 })
}

/// The member gave up its vote on-chain.
pub(crate) fn note_left(context: &mut Context<'_, '_>, member: AgentId) {
    if context.group().member(member).is_some() {
        context.write(&left_key(member), &());
    }
}

/// An epoch began with the members of `group`: who is none any more and comes back later begins anew, as on-chain.
pub(crate) fn forget_left(context: &mut Context<'_, '_>, group: &Group) {
    let gone: Vec<AgentId> = context
        .state()
        .keys(b"l", None)
        .map(|key| AgentId::from(<[u8; 20]>::try_from(&key[1..]).expect("the key ends with its member")))
        .filter(|member| group.member(*member).is_none())
        .collect();
    for member in gone {
        context.remove(&left_key(member));
    }
}

/// Marks a member that has left.
fn left_key(member: AgentId) -> Vec<u8> {
    [b"l", member.as_bytes().as_slice()].concat()
}

fn agent_key(agent: AgentId) -> Vec<u8> {
    [b"a", agent.as_bytes().as_slice()].concat()
}

fn given_up_key(agent: AgentId, key: &PublicKey) -> Vec<u8> {
    [b"g", agent.as_bytes().as_slice(), &key.0].concat()
}
