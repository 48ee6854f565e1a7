//! The command line: the tree of commands. Each command's own options stand in its file in [`crate::commands`].

use clap::{Args, Parser, Subcommand};

use crate::commands::anchor::Anchor;
use crate::commands::audit::Audit;
use crate::commands::bond::Bond;
use crate::commands::chaos::Chaos;
use crate::commands::completions::Completions;
use crate::commands::contract::Contract;
use crate::commands::decision::DecisionCommand;
use crate::commands::demo::Demo;
use crate::commands::devnet::Devnet;
use crate::commands::directory::Directory;
use crate::commands::escape::Escape;
use crate::commands::execute::Execute;
use crate::commands::group::Group;
use crate::commands::guard::Guard;
use crate::commands::keys::Keys;
use crate::commands::leave::Leave;
use crate::commands::node::Node;
use crate::commands::proposals::Proposals;
use crate::commands::propose::Propose;
use crate::commands::recover::Recover;
use crate::commands::revoke::Revoke;
use crate::commands::transaction::Transaction;
use crate::commands::veto::Veto;
use crate::commands::vote::Vote;
use crate::connection::ConnectionOptions;
use crate::exit;

/// Quorate: groups of agents decide together, and anyone can prove later what was decided.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_help = exit::table(), disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Prints data, and failures, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a command that prints data prints it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct OutputOptions {
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Devnet(Devnet),
    Chaos(Chaos),
    #[command(subcommand)]
    Node(Node),
    #[command(subcommand)]
    Keys(Keys),
    #[command(subcommand)]
    Contract(Contract),
    #[command(subcommand)]
    Group(Group),
    Propose(Propose),
    Vote(Vote),
    Decision(DecisionCommand),
    Proposals(Proposals),
    Execute(Execute),
    #[command(subcommand)]
    Veto(Veto),
    Revoke(Revoke),
    Escape(Escape),
    #[command(subcommand)]
    Recover(Recover),
    Anchor(Anchor),
    Transaction(Transaction),
    Leave(Leave),
    #[command(subcommand)]
    Bond(Bond),
    #[command(subcommand)]
    Directory(Directory),
    #[command(subcommand)]
    Audit(Audit),
    Completions(Completions),
    #[command(hide = true)]
    Guard(Guard),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    /// A global option and an option of a command must not share a name within clap, which only parsing tells.
    #[test]
    fn every_command_parses() {
        let id = format!("0x{}", "00".repeat(32));
        for line in [
            "quorate demo --json out.json --nodes 7",
            "quorate devnet --nodes 4 --dir net --block-time 0.5 --json",
            "quorate chaos --minutes 60 --seed 7 --rate 20 --report chaos.json",
            "quorate chaos --rounds 1 --faults kill,chain-down --hold 2 --pause 1 --dir net",
            "quorate node run --config node.toml --exit-with-stdin",
            "quorate node check-config --json",
            "quorate keys new --overwrite --keys keys",
            "quorate keys import --account-hex file",
            "quorate keys show",
            "quorate keys register",
            "quorate contract deploy --json",
            "quorate contract address --json",
            "quorate contract verify 0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0 --sources checkout/contracts",
            "quorate contract verify --contract 0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0 --built-in --json",
            "quorate group create group.toml --deploy",
            "quorate --profile profile.toml group show",
            "quorate group change --renew --json",
            "quorate propose tea --salt 3 --json",
            "quorate vote ID abstain",
            "quorate vote ID for --inbox --nonce 4 --json",
            "quorate propose tea --class payment --inbox",
            "quorate escape ID --execute",
            "quorate propose tea --class constitution --on-chain",
            "quorate vote ID against --on-chain",
            "quorate execute ID --json",
            "quorate proposals --all --limit 5 --from-block 7 --json",
            "quorate veto sign ID objection.json",
            "quorate veto submit ID one.json two.json --own",
            "quorate veto submit ID --own",
            "quorate revoke ID --on-chain --reason why",
            "quorate recover show",
            "quorate recover propose members.toml --json",
            "quorate recover execute ID",
            "quorate anchor --json",
            "quorate transaction ID --wait 60 --json",
            "quorate anchor --rpc http://a --rpc http://b,http://c",
            "quorate propose tea --expires-in 7200",
            "quorate leave",
            "quorate bond show --json",
            "quorate bond request",
            "quorate bond withdraw",
            "quorate directory show --json --directory 0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
            "quorate directory announce https://node.example:8443",
            "quorate directory announce --clear",
            "quorate directory accept --epoch 3",
            "quorate directory accept --withdraw",
            "quorate decision ID --wait 3 --receipt file",
            "quorate completions bash",
        ] {
            let line = line.replace("ID", &id);
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
        }
        for line in [
            "quorate devnet --nodes 3",
            "quorate devnet --nodes 17",
            "quorate devnet --block-time 0",
            "quorate chaos --minutes 1 --rounds 2",
            "quorate chaos --faults flood",
            "quorate chaos --rate 0",
            "quorate contract verify 0x12",
            "quorate vote 0x00 for --nonce 4",
            "quorate propose tea --inbox --on-chain",
            "quorate veto submit 0x00",
            "quorate bond deposit much",
            "quorate transaction 0x12",
            "quorate propose tea --expires-in 0",
            "quorate directory announce",
            "quorate directory announce https://node.example --clear",
            "quorate directory accept --epoch 3 --withdraw",
            "quorate contract verify --sources contracts --built-in",
            "quorate",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn connection_options_stand_before_and_behind_the_command() {
        for line in [
            "quorate --node http://a vote 0x00 for",
            "quorate vote --node http://a 0x00 for",
            "quorate vote 0x00 for --node http://a",
        ] {
            // The proposal id is too short: what matters is that nothing but that is wrong.
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(error.contains("is not a proposal id"), "{line}: {error}");
        }
    }

    #[test]
    fn the_help_of_the_binary_lists_the_exit_codes() {
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("10  time-out"), "{help}");
        assert!(!help.contains("guard"), "{help}");
    }
}
