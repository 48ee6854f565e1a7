//! A checkpoint, from the words of `quorate-protocol` into the contract's.

impl From<&quorate_protocol::Checkpoint> for crate::Checkpoint {
    fn from(checkpoint: &quorate_protocol::Checkpoint) -> Self {
        Self {
            groupId: checkpoint.group.0,
            epoch: checkpoint.epoch.0,
            sequence: checkpoint.sequence.0,
            logSize: checkpoint.log_size,
            logRoot: checkpoint.log_root.0,
            stateRoot: checkpoint.state_root.0,
            inboxCount: checkpoint.inbox_count,
            nextMembersHash: checkpoint.next_members_hash.0,
        }
    }
}
