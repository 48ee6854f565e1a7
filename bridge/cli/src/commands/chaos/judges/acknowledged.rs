//! Whatever was acknowledged is in every node's log, at its place and unchanged.

use super::leaves::Leaf;
use super::{Objection, Objections};
use crate::commands::chaos::history::History;

/// Objects to every acknowledged command that is not in each of `logs`, which are those of the nodes in their order,
/// and to every command that got another entry when it was sent again.
pub(crate) fn kept(history: &History, logs: &[Vec<Leaf>]) -> Vec<Objection> {
    let mut objections = Objections::of("acknowledged");
    for (log, at) in logs.iter().zip(1..) {
        for (sent, receipt) in history.acknowledged() {
            let found = usize::try_from(receipt.index).ok().and_then(|index| log.get(index));
            let what = format!("the {} that was acknowledged as entry {}", sent.what, receipt.index);
            match found {
                None => {
                    objections.add(format!("{what} is lost at node {at}, which has {} entries", log.len()))
                }
                Some(leaf) if !leaf.is_command || leaf.subject != sent.digest => {
                    objections.add(format!("{what} is not there at node {at}, but another"));
                }
                Some(leaf) if leaf.hash != receipt.leaf => {
                    objections.add(format!("{what} is there at node {at}, but with another leaf"));
                }
                Some(_) => {}
            }
        }
    }
    objections.finish()
}

/// Objects to commands that got another entry when they were sent again.
pub(crate) fn same_again(history: &History) -> Vec<Objection> {
    let mut objections = Objections::of("same again");
    for repeated in history.repeated().iter().filter(|repeated| repeated.first != repeated.second) {
        let (first, second) = (repeated.first, repeated.second);
        objections.add(format!("a command of entry {first} was sent again and got entry {second}"));
    }
    objections.finish()
}

/// Objects to commands that nobody acknowledged although the group went on: the client asks again until its time is
/// over, and that is longer than any fault.
pub(crate) fn answered(history: &History) -> Vec<Objection> {
    let mut objections = Objections::of("answered");
    for (reason, count) in history.failures() {
        objections.add(format!("{count} commands failed: {reason}"));
    }
    match history.on_their_way() {
        0 => {}
        waiting => objections.add(format!("{waiting} commands were never answered")),
    }
    objections.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::chaos::history::tests::acknowledged;
    use crate::commands::chaos::history::{Outcome, Repeated};

    fn history() -> History {
        let mut history = History::default();
        for index in 0..3u64 {
            let number = history.send("vote", [index as u8; 32], index as f64);
            history.settle(number, Outcome::Acknowledged(acknowledged(5.0, index)));
        }
        history
    }

    fn log() -> Vec<Leaf> {
        (0..4u8).map(|number| Leaf { is_command: true, subject: [number; 32], hash: [number; 32] }).collect()
    }

    #[test]
    fn what_is_in_every_log_is_kept() {
        assert!(kept(&history(), &[log(), log()]).is_empty());
    }

    #[test]
    fn a_lost_a_replaced_and_a_changed_entry_are_found() {
        let (mut lost, mut replaced, mut changed) = (log(), log(), log());
        lost.truncate(2);
        replaced[1].subject = [9; 32];
        changed[1].hash = [9; 32];
        for (bad, words) in [(lost, "lost"), (replaced, "but another"), (changed, "another leaf")] {
            let objections = kept(&history(), &[log(), bad]);
            assert_eq!(objections.len(), 1, "{objections:?}");
            assert!(objections[0].reason.contains(words), "{objections:?}");
            assert!(objections[0].reason.contains("node 2"), "{objections:?}");
        }
    }

    #[test]
    fn the_same_command_gets_the_same_entry() {
        let mut history = history();
        history.repeat(Repeated { digest: [1; 32], first: 1, second: 1 });
        assert!(same_again(&history).is_empty());
        history.repeat(Repeated { digest: [2; 32], first: 2, second: 3 });
        assert!(same_again(&history)[0].reason.contains("entry 2 was sent again and got entry 3"));
    }

    #[test]
    fn a_command_without_an_answer_is_objected_to() {
        let mut history = history();
        assert!(answered(&history).is_empty());
        let number = history.send("vote", [7; 32], 9.0);
        assert!(answered(&history)[0].reason.contains("1 commands were never answered"));
        history.settle(number, Outcome::Failed("no receipt".into()));
        assert!(answered(&history)[0].reason.contains("1 commands failed: no receipt"));
    }
}
