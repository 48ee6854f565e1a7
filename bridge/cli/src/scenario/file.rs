//! The scenario file as it is written. Unknown keys are refused, so that a slip of the pen does not pass.

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) title: String,
    pub(super) funding: String,
    #[serde(default = "default_burst")]
    pub(super) burst: usize,
    pub(super) policy: Policy,
    pub(super) organisations: Vec<Organisation>,
    #[serde(default)]
    pub(super) payees: Vec<Payee>,
    pub(super) steps: Vec<Step>,
}

fn default_burst() -> usize {
    200
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) threshold: u64,
    pub(super) voting_period_s: u32,
    pub(super) per_decision: String,
    pub(super) per_day: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organisation {
    pub(super) name: String,
    pub(super) weight: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payee {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Step {
    Decide(Decide),
    Forge { proposal: String, voter: String, signed_by: String },
    Repeat { proposal: String, voter: String },
    Kill { node: String },
    Restart {},
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    pub(super) proposal: String,
    pub(super) description: String,
    pub(super) proposer: String,
    pub(super) pay: Option<Payment>,
    #[serde(default, rename = "for")]
    pub(super) votes_for: Vec<String>,
    #[serde(default)]
    pub(super) against: Vec<String>,
    #[serde(default)]
    pub(super) abstain: Vec<String>,
    pub(super) expect: quorate_protocol::DecisionStatus,
    #[serde(default)]
    pub(super) execute: bool,
    #[serde(default)]
    pub(super) lane: Lane,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    pub(super) to: String,
    pub(super) amount: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Lane {
    #[default]
    Anchored,
    OnChain,
}
