//! A correct replica says one thing about each topic, before and after a crash. Nothing leaves before what it
//! must remember is durable, or this checker sees it.

use std::collections::BTreeMap;

use quorate_node::frame::Frame;
use quorate_pbft::message::{Message, ViewChange};
use quorate_protocol::{AgentId, Digest, Epoch, Group, Sequence, View, codec};

use super::quorums::replicas;
use crate::violation::{Verdict, Violation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Proposal(View, Sequence),
    Prepare(View, Sequence),
    Commit(View, Sequence),
    Checkpoint(Sequence),
    ViewChange(View),
    NewView(View),
    Head(u64),
}

/// What each correct replica said in each epoch.
#[derive(Debug, Default)]
pub struct Contradiction {
    said: BTreeMap<(AgentId, Epoch), Said>,
}

#[derive(Debug, Default)]
struct Said {
    topics: BTreeMap<Topic, Digest>,
    /// The latest view that it asked for.
    asked: View,
}

impl Contradiction {
    /// A correct replica lets a frame out.
    ///
    /// # Errors
    /// When it said something else before.
    pub fn said(&mut self, who: &str, agent: AgentId, groups: &[Group], frame: &Frame) -> Verdict {
        match frame {
            Frame::Consensus { epoch, message } if !is_anothers(message, agent, *epoch, groups) => {
                self.message(who, agent, *epoch, message)
            }
            Frame::Attestation { signed, .. } if signed.attestation.replica == agent => {
                // One log: what was attested in one epoch holds in all.
                let content = Digest::of(&[&codec::encode(&signed.head)]);
                self.note(who, (agent, Epoch(u64::MAX)), Topic::Head(signed.head.size), content)
            }
            _ => Ok(()),
        }
    }

    fn message(&mut self, who: &str, agent: AgentId, epoch: Epoch, message: &Message) -> Verdict {
        let of = (agent, epoch);
        let (topic, content) = match message {
            Message::PrePrepare(said) => (Topic::Proposal(said.view, said.sequence), said.digest),
            Message::Prepare(said) => (Topic::Prepare(said.view, said.sequence), said.digest),
            Message::Commit(said) => (Topic::Commit(said.view, said.sequence), said.digest),
            Message::Checkpoint(said) if said.replica == agent => {
                (Topic::Checkpoint(said.checkpoint.sequence), Digest::of(&[&codec::encode(&said.checkpoint)]))
            }
            Message::ViewChange(said) => {
                (Topic::ViewChange(said.view), Digest::of(&[&codec::encode(&said.prepared)]))
            }
            Message::NewView(said) => (Topic::NewView(said.view), Digest::of(&[&codec::encode(said)])),
            _ => return Ok(()),
        };
        let known = self.said.entry(of).or_default();
        let first_time = !known.topics.contains_key(&topic);
        match topic {
            // The primary repeats what it said in a view that it left.
            Topic::Proposal(..) | Topic::NewView(_) => {}
            Topic::Prepare(view, _) | Topic::Commit(view, _) if first_time && view < known.asked => {
                let detail = format!("{who} says {topic:?} after it asked for view {}", known.asked);
                return Err(Violation::new("contradiction", detail));
            }
            Topic::ViewChange(view) if first_time => {
                if view < known.asked {
                    let detail = format!("{who} asks for view {view} after {}", known.asked);
                    return Err(Violation::new("contradiction", detail));
                }
                known.asked = view;
                if let Message::ViewChange(view_change) = message {
                    shows_all_commits(who, known, view_change)?;
                }
            }
            _ => {}
        }
        self.note(who, of, topic, content)
    }

    fn note(&mut self, who: &str, of: (AgentId, Epoch), topic: Topic, content: Digest) -> Verdict {
        let first = *self.said.entry(of).or_default().topics.entry(topic).or_insert(content);
        if first == content {
            return Ok(());
        }
        let detail =
            format!("{who} says {content} about {topic:?} in epoch {}, it said {first} before", of.1);
        Err(Violation::new("contradiction", detail))
    }
}

/// Whether a replica hands on what only the primary of a view says. Whoever remembers nothing of a primary's first
/// word, because it votes on neither or lost power before it did, may hand on the second.
fn is_anothers(message: &Message, agent: AgentId, epoch: Epoch, groups: &[Group]) -> bool {
    let view = match message {
        Message::PrePrepare(said) => said.view,
        Message::NewView(said) => said.view,
        _ => return false,
    };
    let replicas = groups.get(epoch.0 as usize).map(replicas).unwrap_or_default();
    view.0.checked_rem(replicas.len() as u64).is_none_or(|turn| replicas[turn as usize] != agent)
}

/// Whatever a replica committed above its stable checkpoint stands in its VIEW-CHANGE.
fn shows_all_commits(who: &str, known: &Said, asked: &ViewChange) -> Verdict {
    let stable = asked.stable.as_ref().map_or(Sequence(0), |stable| stable.checkpoint.sequence);
    for (topic, digest) in &known.topics {
        let Topic::Commit(view, sequence) = *topic else { continue };
        if sequence <= stable {
            continue;
        }
        let shown = asked.prepared.iter().find(|shown| shown.sequence == sequence);
        let fits =
            shown.is_some_and(|shown| shown.view > view || (shown.view == view && shown.digest == *digest));
        if !fits {
            let detail = format!("{who} committed {topic:?} and hides it when it asks for {}", asked.view);
            return Err(Violation::new("contradiction", detail));
        }
    }
    Ok(())
}
