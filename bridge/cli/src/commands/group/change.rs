//! `quorate group change`: proposes other members to the group.

use clap::Args;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{AgentId, B256, Epoch, Group, Member, ProposalId, PublicKey, TimestampMs};
use serde::Serialize;

use super::members_table;
use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Proposes a change of the members, to be voted on like any other proposal.
///
/// Once it is approved, it takes effect at the group's next checkpoint and begins a new epoch; the contract follows by
/// the next anchor. The policy stays, so its threshold must remain more than half of the weight and at most all of it.
/// Whoever is added runs a node before the change is approved: it joins by fetching the group's state.
#[derive(Debug, Args)]
#[group(id = "changes", required = true, multiple = true)]
pub(crate) struct Change {
    /// Adds a member, such as 0xACCOUNT=0xKEY,weight=2,role=voter; a weight of 1 and the role both (voter and replica) unless said otherwise; repeat it for several
    #[arg(long, value_name = "ACCOUNT=KEY[,weight=N][,role=ROLE]", value_parser = added, group = "changes")]
    add: Vec<Member>,
    /// Removes the member with this account; repeat it for several
    #[arg(long, value_name = "ACCOUNT", value_parser = account, group = "changes")]
    remove: Vec<AgentId>,
    /// Gives a member another ed25519 key, whose node must hold it by the time the change takes effect; repeat it for several
    #[arg(long, value_name = "ACCOUNT=KEY", value_parser = account_and_key, group = "changes")]
    rotate_key: Vec<(AgentId, PublicKey)>,
    /// Proposes the same members again: what was signed in the old epoch counts no more, so a replica that lost its memory can speak again
    #[arg(long, group = "changes", conflicts_with_all = ["add", "remove", "rotate_key"])]
    renew: bool,
    /// Why, in words; a description of the change if it is not given
    #[arg(long)]
    reason: Option<String>,
    /// Tells apart two proposals that are otherwise the same; a random number if it is not given
    #[arg(long)]
    salt: Option<u64>,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

fn account(text: &str) -> Result<AgentId, String> {
    text.trim().parse().map_err(|error: quorate_protocol::ids::ParseIdError| error.to_string())
}

fn account_and_key(text: &str) -> Result<(AgentId, PublicKey), String> {
    let (agent, key) = text.split_once('=').ok_or("write it as ACCOUNT=KEY, both in hex with 0x")?;
    let key: B256 = key.trim().parse().map_err(|_| format!("{key:?} is no key: 64 hex digits with 0x"))?;
    Ok((account(agent)?, PublicKey(key.0)))
}

fn added(text: &str) -> Result<Member, String> {
    let mut parts = text.split(',');
    let (agent, key) = account_and_key(parts.next().unwrap_or_default())?;
    let (mut weight, mut flags) = (None, FLAG_VOTER | FLAG_REPLICA);
    for part in parts {
        match part.trim().split_once('=') {
            Some(("weight", number)) => {
                weight = Some(number.parse().map_err(|_| format!("{number:?} is no weight"))?);
            }
            Some(("role", "voter")) => flags = FLAG_VOTER,
            Some(("role", "replica")) => flags = FLAG_REPLICA,
            Some(("role", "both")) => flags = FLAG_VOTER | FLAG_REPLICA,
            _ => {
                return Err(format!(
                    "{part:?} is neither weight=N nor role=voter, role=replica or role=both"
                ));
            }
        }
    }
    let votes = flags & FLAG_VOTER != 0;
    match weight {
        Some(weight) if votes != (weight > 0) => {
            Err(format!("weight {weight}: a voter has weight, and who only runs a replica has none"))
        }
        weight => Ok(Member { agent, key, weight: weight.unwrap_or(u64::from(votes)), flags }),
    }
}

/// A change of members that is proposed.
#[derive(Debug, Serialize)]
struct Proposed {
    proposal: ProposalId,
    closes_ms: TimestampMs,
    entry: u64,
    /// The epoch that would begin.
    epoch: Epoch,
    members: Vec<Member>,
}

impl Report for Proposed {
    fn text(&self) -> String {
        format!(
            "proposal {}\nis open for votes until {} s of Unix time\nin entry {}, whose receipt verified\n\nOnce approved, epoch {} has these members:\n{}",
            self.proposal,
            self.closes_ms.seconds(),
            self.entry,
            self.epoch,
            members_table(&self.members)
        )
    }
}

impl Change {
    pub(super) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let client = sdk::client(&connection).await?;
        let group = client.newest_group().await?;
        let members = self.apply(&group)?;
        let reason = self.reason.clone().unwrap_or_else(|| self.describe());
        let salt = self.salt.unwrap_or_else(rand::random);
        let proposed = client.change_members(&agent, members.clone(), reason, salt).await?;
        format.print(&Proposed {
            proposal: proposed.proposal,
            closes_ms: proposed.closes,
            entry: proposed.receipt.record.entry.index.0,
            epoch: Epoch(group.epoch.0 + 1),
            members,
        })
    }

    /// The members that come of it, in the order of their addresses.
    fn apply(&self, group: &Group) -> Result<Vec<Member>, CliError> {
        let mut members = group.members.clone();
        let stranger = |agent: &AgentId| CliError::Usage {
            cause: format!("{agent} is no member of the group in epoch {}", group.epoch),
            mend: "see the members with `quorate group show`".into(),
        };
        for agent in &self.remove {
            let at =
                members.iter().position(|member| member.agent == *agent).ok_or_else(|| stranger(agent))?;
            members.remove(at);
        }
        for (agent, key) in &self.rotate_key {
            let member = members.iter_mut().find(|member| member.agent == *agent);
            member.ok_or_else(|| stranger(agent))?.key = *key;
        }
        for added in &self.add {
            if members.iter().any(|member| member.agent == added.agent) {
                return Err(CliError::Usage {
                    cause: format!("{} is a member already", added.agent),
                    mend: "give it another key with --rotate-key, or remove and add it in one change".into(),
                });
            }
            members.push(added.clone());
        }
        members.sort_by_key(|member| member.agent);
        Ok(members)
    }

    fn describe(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.add.iter().map(|member| format!("add {}", member.agent)));
        parts.extend(self.remove.iter().map(|agent| format!("remove {agent}")));
        parts.extend(self.rotate_key.iter().map(|(agent, _)| format!("rotate the key of {agent}")));
        if parts.is_empty() {
            return "Renew the epoch with the same members".into();
        }
        format!("Change the members: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use quorate_protocol::{Class, GroupId, GroupIdentity, Terms};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        change: Change,
    }

    fn id(digit: u8) -> AgentId {
        AgentId::from([digit; 20])
    }

    fn key(digit: u8) -> PublicKey {
        PublicKey([digit; 32])
    }

    fn group() -> Group {
        let member = |digit| Member { agent: id(digit), key: key(digit), weight: 1, flags: 3 };
        let identity = GroupIdentity { chain_id: 1, contract: id(0xc0), group: GroupId::from([7; 32]) };
        let terms = Terms::of_class(Class::of_weight(3, 4, 60));
        let account = id(0xac);
        Group {
            identity,
            account,
            epoch: Epoch(2),
            members: [1, 2, 3, 4].map(member).to_vec(),
            terms,
            voters_since: Epoch(0),
        }
    }

    fn parse(line: &[String]) -> Result<Change, String> {
        let words = std::iter::once("change").chain(line.iter().map(String::as_str));
        Line::try_parse_from(words).map(|line| line.change).map_err(|error| error.to_string())
    }

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn members_are_added_removed_and_given_other_keys() {
        let line = format!(
            "--add {}={},weight=5,role=voter --remove {} --rotate-key {}={}",
            id(9),
            key(9),
            id(2),
            id(3),
            key(8)
        );
        let change = parse(&words(&line)).unwrap();
        let members = change.apply(&group()).unwrap();
        let agents: Vec<_> = members.iter().map(|member| member.agent).collect();
        assert_eq!(agents, [id(1), id(3), id(4), id(9)]);
        assert_eq!((members[1].key, members[1].weight), (key(8), 1));
        assert_eq!((members[3].weight, members[3].flags), (5, FLAG_VOTER));
        assert!(change.describe().contains(&format!("remove {}", id(2))), "{}", change.describe());
        let renewed = parse(&words("--renew")).unwrap().apply(&group()).unwrap();
        assert_eq!(renewed, group().members);
    }

    #[test]
    fn roles_have_the_weights_that_fit_them() {
        let both = added(&format!("{}={}", id(9), key(9))).unwrap();
        assert_eq!((both.weight, both.flags), (1, FLAG_VOTER | FLAG_REPLICA));
        let replica = added(&format!("{}={},role=replica", id(9), key(9))).unwrap();
        assert_eq!((replica.weight, replica.flags), (0, FLAG_REPLICA));
        for (rest, what) in [
            (",role=replica,weight=1", "weight 1"),
            (",weight=0", "weight 0"),
            (",weight=x", "no weight"),
            (",role=king", "neither"),
        ] {
            let error = added(&format!("{}={}{rest}", id(9), key(9))).unwrap_err();
            assert!(error.contains(what), "{rest}: {error}");
        }
        assert!(added(&id(9).to_string()).unwrap_err().contains("ACCOUNT=KEY"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        assert!(parse(&[]).unwrap_err().contains("--add"), "something has to change");
        assert!(parse(&words(&format!("--renew --remove {}", id(1)))).is_err(), "renewing changes nobody");
        let stranger = parse(&words(&format!("--remove {}", id(9)))).unwrap();
        let error = stranger.apply(&group()).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Usage);
        assert!(error.to_string().contains("epoch 2"), "{error}");
        let twice = parse(&words(&format!("--add {}={}", id(1), key(9)))).unwrap();
        assert!(twice.apply(&group()).unwrap_err().mend().unwrap().contains("--rotate-key"));
    }
}
