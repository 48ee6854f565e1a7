//! One log on all nodes, of which every log that was ever shown is a prefix, with one entry a command.

use std::collections::{BTreeMap, BTreeSet};

use super::leaves::{Leaf, Tree};
use super::{Objection, Objections};
use crate::commands::chaos::history::Hash;

/// A log's size and root, and who showed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Such as `node 2` or `a receipt`.
    pub(crate) shown_by: String,
}

/// Objects unless all nodes have the same entries. `logs` are those of the nodes, in their order.
pub(crate) fn same_everywhere(logs: &[Vec<Leaf>]) -> Vec<Objection> {
    let mut objections = Objections::of("one log");
    let Some((first, others)) = logs.split_first() else { return Vec::new() };
    for (other, at) in others.iter().zip(2..) {
        let differs = first.iter().zip(other).position(|(one, two)| one != two);
        match differs {
            Some(index) => objections.add(format!("entry {index} is another at node {at} than at node 1")),
            None if first.len() != other.len() => {
                objections.add(format!("node {at} has {} entries, node 1 has {}", other.len(), first.len()));
            }
            None => {}
        }
    }
    objections.finish()
}

/// Objects to every head that is not that of a prefix of `log`.
pub(crate) fn prefixes(log: &[Leaf], heads: BTreeSet<Head>) -> Vec<Objection> {
    let mut objections = Objections::of("prefixes");
    let mut tree = Tree::default();
    let mut size = 0;
    // In ascending order of size.
    for head in heads {
        while size < head.size {
            let Some(leaf) = usize::try_from(size).ok().and_then(|at| log.get(at)) else { break };
            tree.append(leaf.hash);
            size += 1;
        }
        if size < head.size {
            objections
                .add(format!("{} showed {} entries, at last there are {size}", head.shown_by, head.size));
        } else if tree.root() != head.root {
            objections.add(format!(
                "{} showed {} entries whose root is not that of the first {} at last",
                head.shown_by, head.size, head.size
            ));
        }
    }
    objections.finish()
}

/// Objects to commands with two entries.
pub(crate) fn one_entry_a_command(log: &[Leaf]) -> Vec<Objection> {
    let mut objections = Objections::of("one entry");
    let mut met: BTreeMap<Hash, usize> = BTreeMap::new();
    for (index, leaf) in log.iter().enumerate().filter(|(_, leaf)| leaf.is_command) {
        if let Some(first) = met.insert(leaf.subject, index) {
            objections.add(format!("one command is entry {first} and entry {index}"));
        }
    }
    objections.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(numbers: &[u8]) -> Vec<Leaf> {
        let leaf = |number: &u8| Leaf { is_command: true, subject: [*number; 32], hash: [*number; 32] };
        numbers.iter().map(leaf).collect()
    }

    fn head(numbers: &[u8]) -> Head {
        let mut tree = Tree::default();
        numbers.iter().for_each(|number| tree.append([*number; 32]));
        Head { size: numbers.len() as u64, root: tree.root(), shown_by: "node 3".into() }
    }

    #[test]
    fn equal_logs_are_in_order_and_others_are_not() {
        assert!(same_everywhere(&[log(&[1, 2]), log(&[1, 2]), log(&[1, 2])]).is_empty());
        let other = same_everywhere(&[log(&[1, 2, 3]), log(&[1, 2, 3]), log(&[1, 9, 3])]);
        assert!(other[0].reason.contains("entry 1 ") && other[0].reason.contains("node 3"), "{other:?}");
        let shorter = same_everywhere(&[log(&[1, 2]), log(&[1])]);
        assert!(shorter[0].reason.contains("node 2 has 1 entries"), "{shorter:?}");
    }

    #[test]
    fn every_head_that_was_shown_is_of_a_prefix() {
        let all = log(&[1, 2, 3, 4, 5]);
        let good = [head(&[]), head(&[1]), head(&[1, 2, 3]), head(&[1, 2, 3, 4, 5])];
        assert!(prefixes(&all, good.clone().into()).is_empty());
        for bad in [head(&[1, 9]), head(&[1, 2, 3, 4, 5, 6])] {
            let heads: BTreeSet<_> = good.iter().cloned().chain([bad]).collect();
            let objections = prefixes(&all, heads);
            assert_eq!(objections.len(), 1);
            assert!(objections[0].reason.contains("node 3"), "{objections:?}");
        }
    }

    #[test]
    fn a_command_has_one_entry_and_other_subjects_may_recur() {
        assert!(one_entry_a_command(&log(&[1, 2, 3])).is_empty());
        let twice = one_entry_a_command(&log(&[1, 2, 1]));
        assert_eq!(twice[0].reason, "one command is entry 0 and entry 2");
        let mut decisions = log(&[1, 1]);
        decisions.iter_mut().for_each(|leaf| leaf.is_command = false);
        assert!(one_entry_a_command(&decisions).is_empty());
    }

    #[test]
    fn a_flood_of_objections_is_cut() {
        let twice = one_entry_a_command(&log(&[7; 40]));
        assert_eq!(twice.len(), 11);
        assert!(twice[10].reason.contains("29 more"), "{twice:?}");
    }
}
