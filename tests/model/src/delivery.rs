//! Which deliveries are steps of the model.

use std::collections::BTreeMap;

use quorate_protocol::{ReplicaIndex, View};

use crate::claim::{About, Claim, MessageId, Messages};
use crate::model::Group;
use crate::node::Node;
use crate::properties;

/// How finely deliveries are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Every message arrives by itself.
    Message,
    /// Votes arrive together with the one that completes a quorum, view changes with the one that makes a
    /// replica join or wait.
    ///
    /// A vote that completes nothing changes nothing that a correct replica says of a batch: it is only kept.
    /// So in every run it may as well arrive together with the vote that completes the quorum, or never, and
    /// the run that results says and executes the same. What this grain does not see is the evidence that votes
    /// make against their voter.
    Quorum,
}

type Votes = BTreeMap<About, Vec<(ReplicaIndex, MessageId)>>;

/// All that can arrive somewhere, sorted by what it can complete.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    all: Vec<MessageId>,
    /// What is heeded by itself: proposals, new views, batches.
    single: Vec<MessageId>,
    prepares: Votes,
    commits: Votes,
    view_changes: Vec<(ReplicaIndex, View, MessageId)>,
    /// Whether what a quorum committed was kept in what was said.
    pub(crate) kept: bool,
}

impl UnderWay {
    /// What is under way when the correct replicas said `said` and the faulty one may say `menu`.
    pub(crate) fn new(group: &Group, said: &Messages, menu: &Messages) -> Self {
        let kept = properties::kept(group, &group.book.claims(said));
        let mut under_way = Self { kept, ..Self::default() };
        for id in said.union(menu).iter() {
            under_way.all.push(id);
            match group.book.entry(id).claim {
                Claim::PrePrepare(_) | Claim::NewView(..) | Claim::BatchReply(_) => under_way.single.push(id),
                Claim::Prepare(by, about) => under_way.prepares.entry(about).or_default().push((by, id)),
                Claim::Commit(by, about) => under_way.commits.entry(about).or_default().push((by, id)),
                Claim::ViewChange(by, view, _) => under_way.view_changes.push((by, view, id)),
            }
        }
        under_way.view_changes.sort_unstable();
        // The faulty replica's votes come last: it lends them only where the others are too few.
        for votes in under_way.prepares.values_mut().chain(under_way.commits.values_mut()) {
            votes.sort_by_key(|(by, _)| (*by == group.faulty, *by));
        }
        under_way
    }

    /// What may arrive at `node`, each at once and in order. `may_time_out` tells whether it could lose
    /// patience with its view instead.
    pub(crate) fn deliveries(&self, group: &Group, node: &Node, may_time_out: bool) -> Vec<Vec<MessageId>> {
        let changes = |messages: &Vec<MessageId>| node.after_all(group, messages).is_some();
        match group.bounds.grain {
            Grain::Message => self.all.iter().map(|&id| vec![id]).filter(changes).collect(),
            Grain::Quorum => {
                let single = self.single.iter().map(|&id| vec![id]);
                let view_changes = self.view_change_quorums(group, node, may_time_out);
                let mut deliveries: Vec<_> = single.chain(view_changes).filter(changes).collect();
                deliveries.extend(self.prepare_quorums(group, node));
                deliveries.extend(self.commit_quorums(group, node));
                deliveries
            }
        }
    }

    /// Prepares that make the node commit.
    fn prepare_quorums(&self, group: &Group, node: &Node) -> impl Iterator<Item = Vec<MessageId>> {
        // The primary's pre-prepare stands for its prepare.
        let needed = group.setting.context.replicas.quorum() - 1;
        let open = self
            .prepares
            .iter()
            .filter(move |(about, _)| about.view == node.view() && !node.has_committed(**about));
        open.filter_map(move |(&about, votes)| {
            let messages = bundle(votes, node.index, needed)?;
            node.after_all(group, &messages)?.has_committed(about).then_some(messages)
        })
    }

    /// Commits that make the node execute.
    fn commit_quorums(&self, group: &Group, node: &Node) -> impl Iterator<Item = Vec<MessageId>> {
        let needed = group.setting.context.replicas.quorum();
        let open = self.commits.iter().filter(|(about, _)| !node.has_executed(about.sequence));
        open.filter_map(move |(&about, votes)| {
            let messages = bundle(votes, node.index, needed)?;
            node.after_all(group, &messages)?.has_executed(about.sequence).then_some(messages)
        })
    }

    /// To the primary of a view that it asks for, every VIEW-CHANGE by itself: it makes a difference which.
    /// To whoever waits for another's NEW-VIEW, two more, a quorum with its own, which gives its wait an end.
    /// To whoever does not ask for the view, two that make it join, f + 1; not where it could lose patience
    /// with its own view just as well and hear of the others afterwards.
    fn view_change_quorums(&self, group: &Group, node: &Node, may_time_out: bool) -> Vec<Vec<MessageId>> {
        let (here, me) = (node.view(), node.index);
        let mut deliveries = Vec::new();
        for &(by, view, id) in self.view_changes.iter().filter(|(by, ..)| *by != me) {
            let leads = group.setting.primary(view) == me;
            if leads && view == here {
                deliveries.push(vec![id]);
                continue;
            }
            let joins = view > here && !(may_time_out && view == here.next());
            let waits = view == here && here.0 < group.bounds.max_view;
            if joins || waits {
                let fits = |(other, of, _): &&(ReplicaIndex, View, MessageId)| {
                    *other != me && *other != by && *of >= view
                };
                let mut others: Vec<_> = self.view_changes.iter().filter(fits).collect();
                if !leads {
                    // What they show is heeded by the primary of their view alone.
                    others.dedup_by_key(|(other, of, _)| (*other, *of));
                }
                deliveries.extend(others.into_iter().map(|&(_, _, second)| vec![id, second]));
            }
        }
        deliveries
    }
}

/// The first votes of others that make `needed` together with the one of `own`, if it is among them.
fn bundle(votes: &[(ReplicaIndex, MessageId)], own: ReplicaIndex, needed: usize) -> Option<Vec<MessageId>> {
    let counted = usize::from(votes.iter().any(|(by, _)| *by == own));
    let others = votes.iter().filter(|(by, _)| *by != own);
    let bundle: Vec<MessageId> = others.map(|&(_, id)| id).take(needed - counted).collect();
    (bundle.len() + counted == needed).then_some(bundle)
}
