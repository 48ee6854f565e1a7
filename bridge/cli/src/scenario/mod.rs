//! The scenario that `quorate demo` runs, read from a file.
//!
//! [`mod@file`] is the file as it is written; [`Scenario`] is what [`check`] makes of it: every name is resolved to
//! a position, every amount is a number, and what contradicts itself was refused with its place in the file.

mod check;
mod file;

use std::path::Path;

use alloy::primitives::U256;
use quorate_protocol::{Choice, Class, DecisionStatus, Opening, Terms};

use crate::error::CliError;

/// The scenario that runs when no file is given, so that the demo works from anywhere.
const TREASURY: &str = include_str!("../../../../scripts/scenarios/treasury.toml");

/// The position of an organisation in [`Scenario::organisations`].
pub(crate) type OrganisationIndex = usize;
/// The position of a payee in [`Scenario::payees`].
pub(crate) type PayeeIndex = usize;
/// The position of a proposal in [`Scenario::proposals`].
pub(crate) type ProposalIndex = usize;

/// A scenario without contradictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// What the story is called.
    pub(crate) title: String,
    /// Wei in the group's account at first.
    pub(crate) funding: U256,
    /// How many commands the latency is measured over.
    pub(crate) burst: usize,
    /// The class of what is decided off-chain.
    pub(crate) class: Class,
    /// Who decides. At least one.
    pub(crate) organisations: Vec<Organisation>,
    /// Names of those who can be paid.
    pub(crate) payees: Vec<String>,
    /// What is decided, in the order of the steps.
    pub(crate) proposals: Vec<Proposal>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// The class of what a scenario decides off-chain, by its place in the terms.
pub(crate) const OFF_CHAIN_CLASS: u8 = 0;
/// The class of what a scenario decides on-chain.
pub(crate) const ON_CHAIN_CLASS: u8 = 1;
/// How long the on-chain lane takes votes at least, in seconds.
const ON_CHAIN_VOTING_S: u32 = 60 * 60;

impl Scenario {
    /// What the group agrees on: the scenario's class, and the same for the on-chain lane, where voting takes an hour at least.
    pub(crate) fn terms(&self) -> Terms {
        let on_chain = Class {
            name: "open".into(),
            opening: Opening::Always,
            voting_period_s: self.class.voting_period_s.max(ON_CHAIN_VOTING_S),
            ..self.class.clone()
        };
        Terms::of_classes(vec![self.class.clone(), on_chain])
    }
}

/// A party of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Organisation {
    /// Its name in the story.
    pub(crate) name: String,
    /// Its voting weight, above zero.
    pub(crate) weight: u64,
}

/// A proposal with the votes on it and what should become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Its short name in the story.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// Who proposes.
    pub(crate) proposer: OrganisationIndex,
    /// Who is paid how many wei, if anybody.
    pub(crate) payment: Option<(PayeeIndex, U256)>,
    /// The votes, in the order in which they are cast. No organisation votes twice.
    pub(crate) votes: Vec<(OrganisationIndex, Choice)>,
    /// How it should close: what the votes and the policy make of it.
    pub(crate) expect: DecisionStatus,
    /// Whether its payment is made on-chain.
    pub(crate) execute: bool,
    /// Where it is decided.
    pub(crate) lane: Lane,
}

/// Where a proposal is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In the group's log; executed by an anchored proof.
    Anchored,
    /// By transactions alone.
    OnChain,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A proposal is made and voted on, and its decision awaited unless it is to expire.
    Decide(ProposalIndex),
    /// A vote in the name of `voter` is sent that `signed_by` signed.
    Forge {
        /// On what.
        proposal: ProposalIndex,
        /// In whose name.
        voter: OrganisationIndex,
        /// Whose key signs.
        signed_by: OrganisationIndex,
    },
    /// A vote is sent once more, byte for byte.
    Repeat {
        /// On what.
        proposal: ProposalIndex,
        /// Whose vote.
        voter: OrganisationIndex,
    },
    /// A node is killed.
    Kill(Target),
    /// The killed node is started again, and its catching up awaited.
    Restart,
}

/// Which node is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that leads at that time.
    Primary,
    /// The node of an organisation.
    Of(OrganisationIndex),
}

impl Scenario {
    /// The scenario of `path`, or the treasury that pays suppliers.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, CliError> {
        let (path, text) = match path {
            Some(path) => (path, std::fs::read_to_string(path).map_err(CliError::unreadable(path))?),
            None => (Path::new("scripts/scenarios/treasury.toml"), TREASURY.to_owned()),
        };
        Self::parse(&text).map_err(|cause| CliError::Config {
            path: path.to_owned(),
            cause,
            mend: "write it as scripts/scenarios/treasury.toml is written".into(),
        })
    }

    /// Reads and checks the text of a scenario file. The error names the place and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: file::File =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        check::scenario(file)
    }
}

#[cfg(test)]
mod tests;
