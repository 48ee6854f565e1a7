//! The node's configuration file.

use quorate_node::NodeConfig;

use super::{Format, Memory, QUICK, Target};
use crate::corpus::Seed;

/// The parser keeps a place and a few words of each sign, and its errors quote the line.
const MEMORY: Memory = Memory { base: 256 * 1024, per_byte: 512 };

pub(super) const TARGET: Target = Target {
    name: "configs",
    format: Format::Text,
    memory: MEMORY,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

const EXAMPLE: &str = include_str!("../../../../bridge/node/node.example.toml");
const LEAST: &str = r#"
[chain]
rpc_url = "http://127.0.0.1:8545"
contract = "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
group = "0x0707070707070707070707070707070707070707070707070707070707070707"
[keys]
account = "keys/account.json"
agent = "keys/agent.json"
"#;

fn seeds() -> Vec<Seed> {
    // Comments only keep mutations from what counts; keys that are only shown count too.
    let shown = |line: &'static str| line.strip_prefix('#').unwrap_or(line);
    let lines = EXAMPLE.lines().map(shown).filter(|line| !line.starts_with(' ') && !line.is_empty());
    let example: String = lines.flat_map(|line| [line, "\n"]).collect();
    vec![Seed::new("example.toml", example), Seed::new("least.toml", LEAST)]
}

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match toml::from_str::<NodeConfig>(text) {
        Ok(config) => {
            let written = toml::to_string(&config).expect("what was read can be written");
            let again: NodeConfig = toml::from_str(&written).expect("what was written can be read");
            // Compared as text: a rate that is no number does not equal itself.
            assert_eq!(toml::to_string(&again).as_ref(), Ok(&written), "it reads back as something else");
            for problem in config.check() {
                assert!(!problem.to_string().is_empty(), "a problem without words");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
}
