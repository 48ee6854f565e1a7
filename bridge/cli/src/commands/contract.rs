//! `quorate contract`: puts the contract on a chain, says where it goes, and checks one that somebody else put there.

mod deploy;
mod verify;

use alloy::primitives::{Address, B256, keccak256};
use clap::{Args, Subcommand};
use deploy::Deploy;
use quorate_contracts::code::Build;
use quorate_contracts::deployment::{PROXY, SALT};
use serde::Serialize;
use verify::Verify;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};

/// Deploys the contract, and verifies one that others deployed.
#[derive(Debug, Subcommand)]
pub(crate) enum Contract {
    Deploy(Deploy),
    /// Prints the address that the contract of this build has on every chain, without asking any
    Address(ShowAddress),
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct ShowAddress {
    #[command(flatten)]
    output: OutputOptions,
}

/// Where the contract goes, with what the address follows from (EIP-1014).
#[derive(Debug, Serialize)]
struct Addressed {
    contract: Address,
    proxy: Address,
    salt: B256,
    creation_code_hash: B256,
}

impl Report for Addressed {
    fn text(&self) -> String {
        format!(
            "contract      {}\nproxy         {}\nsalt          {}\ncreation code {} is its keccak256\n",
            self.contract, self.proxy, self.salt, self.creation_code_hash
        )
    }
}

impl Contract {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Deploy(Deploy { output, .. })
            | Self::Address(ShowAddress { output })
            | Self::Verify(Verify { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        match self {
            Self::Deploy(_) => deploy::run(format, &connection).await,
            Self::Address(_) => {
                let build = Build::built_in();
                let [.., coordinator] = build.creations();
                let creation_code_hash = keccak256(&coordinator.calldata[SALT.len()..]);
                format.print(&Addressed {
                    contract: build.address(),
                    proxy: PROXY,
                    salt: SALT,
                    creation_code_hash,
                })
            }
            Self::Verify(verify) => verify.run(format, connection).await,
        }
    }
}
