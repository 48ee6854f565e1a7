//! The replicas' keys and the clients'.

use quorate_pbft::{Context, ReplicaKeys};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Class, Command, Epoch, Group, GroupId, GroupIdentity, Member, Nonce,
    Operation, Sequence, SignedCommand, Terms, TimestampMs,
};

/// A group's keys, known to the tests alone.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) context: Context,
    pub(crate) keys: Vec<ReplicaKeys>,
}

impl Members {
    pub(crate) fn new(n: u8) -> Self {
        let mut keys: Vec<ReplicaKeys> = (1..=n)
            .map(|i| ReplicaKeys {
                agent: AgentKey::from_secret(&[i; 32]),
                account: AccountKey::from_secret(&[i; 32]).expect("a small secret is a key"),
            })
            .collect();
        keys.sort_by_key(|keys| keys.account.address());
        let members: Vec<Member> = keys
            .iter()
            .map(|keys| Member {
                agent: AgentId(keys.account.address()),
                key: keys.agent.public(),
                weight: 1,
                flags: FLAG_VOTER | FLAG_REPLICA,
            })
            .collect();
        let identity = GroupIdentity {
            chain_id: 31_337,
            contract: AgentId::from([0xcc; 20]),
            group: GroupId::from([0x11; 32]),
        };
        let terms = Terms::of_class(Class::of_weight(u128::from(n), u128::from(n), 60));
        let group = Group {
            identity,
            account: AgentId::from([0xac; 20]),
            epoch: Epoch(0),
            members,
            terms,
            voters_since: Epoch(0),
        };
        group.validate().expect("the sample group is sound");
        Self { context: Context::of(&group, Sequence(0)), keys }
    }

    /// The `nonce`th command of the client with this number.
    pub(crate) fn command(&self, client: u8, nonce: u64) -> SignedCommand {
        self.command_of(AgentId::from([client; 20]), &AgentKey::from_secret(&[client; 32]), nonce)
    }

    /// A command in `agent`'s name under any key.
    pub(crate) fn command_of(&self, agent: AgentId, key: &AgentKey, nonce: u64) -> SignedCommand {
        self.large_command(agent, key, nonce, 8)
    }

    /// A command with so many bytes in it.
    pub(crate) fn large_command(
        &self,
        agent: AgentId,
        key: &AgentKey,
        nonce: u64,
        bytes: usize,
    ) -> SignedCommand {
        let operation = Operation { service: "test".into(), body: vec![nonce as u8; bytes] };
        let command = Command {
            group: self.context.identity.group,
            agent,
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![operation],
        };
        SignedCommand::sign(command, key)
    }
}
