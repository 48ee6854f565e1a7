//! What must hold after a run, judged from what was seen from outside.
//!
//! The judges are functions of plain data. They share no code with what they judge: leaves and roots are hashed here
//! anew ([`leaves`]), and what a node says counts only as something that must fit the rest.
//!
//! | module | what it judges |
//! |---|---|
//! | [`leaves`] | nothing: leaf hashes and roots by the letter of RFC 9162 |
//! | [`logs`] | one log on all nodes; every log that was ever shown is a prefix of it; one entry a command |
//! | [`acknowledged`] | whatever was acknowledged is in it |
//! | [`liveness`] | the group went on after every fault, and the anchors caught up |

pub(super) mod acknowledged;
pub(super) mod leaves;
pub(super) mod liveness;
pub(super) mod logs;

use serde::Serialize;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Objection {
    /// Which judge objects.
    pub(crate) judge: &'static str,
    /// To what.
    pub(crate) reason: String,
}

/// The most objections of one judge that are kept: the first tell what there is to know.
const MOST: usize = 10;

/// Objections of one judge, of which only the first are kept.
#[derive(Debug)]
struct Objections {
    judge: &'static str,
    kept: Vec<Objection>,
    more: usize,
}

impl Objections {
    fn of(judge: &'static str) -> Self {
        Self { judge, kept: Vec::new(), more: 0 }
    }

    fn add(&mut self, reason: String) {
        if self.kept.len() < MOST {
            self.kept.push(Objection { judge: self.judge, reason });
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<Objection> {
        if self.more > 0 {
            let reason = format!("and {} more of the kind", self.more);
            self.kept.push(Objection { judge: self.judge, reason });
        }
        self.kept
    }
}
