//! `quorate node recover`: a replica's data directory in the era that the voters began on-chain.

use std::path::PathBuf;

use clap::Args;
use quorate_node::Node as RunningNode;
use quorate_node::config::NodeConfig;
use serde::Serialize;

use super::contract::read_plan;
use super::open_keys;
use crate::args::OutputOptions;
use crate::error::CliError;
use crate::output::{Format, Report};

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The node's configuration; its data directory must be empty
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
    /// The data directory of any node of before the recovery, or a copy of it; that node must not run
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// What a data directory was rebuilt to.
#[derive(Debug, Serialize)]
struct Rebuilt {
    data_dir: PathBuf,
    era: u32,
    sequence: u64,
    log_size: u64,
    /// Entries of the old log that were not anchored.
    void_entries: u64,
    silent: bool,
}

impl Report for Rebuilt {
    fn text(&self) -> String {
        let silent = match self.silent {
            true => {
                "\nThe key has spoken in this epoch before: the node says nothing until the members change."
            }
            false => "",
        };
        format!(
            "{} goes on in era {} from the last anchor: sequence {}, {} entries; {} later ones are void.\nStart the node: \
             quorate node run{silent}",
            self.data_dir.display(),
            self.era,
            self.sequence,
            self.log_size,
            self.void_entries,
        )
    }
}

impl Recover {
    pub(super) async fn run(self, format: Format) -> Result<(), CliError> {
        let config = NodeConfig::load(&self.config)?;
        let keys = open_keys(&config).await?;
        let plan = read_plan(&config, &keys.account).await?;
        let recovered = RunningNode::recover(&config, &keys, self.from, plan).await?;
        format.print(&Rebuilt {
            data_dir: config.data_dir,
            era: recovered.start.epoch.era(),
            sequence: recovered.start.sequence.0,
            log_size: recovered.start.log_size,
            void_entries: recovered.dropped_entries,
            silent: recovered.silent,
        })
    }
}
