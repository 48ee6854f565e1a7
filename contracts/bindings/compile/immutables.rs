//! The names of immutables. The compiler refers to them by numbers of its syntax tree, which change with every edit.

use std::collections::BTreeMap;

use foundry_compilers::ProjectCompileOutput;
use foundry_compilers::artifacts::ast::{Node, NodeType};
use foundry_compilers::compilers::solc::SolcCompiler;

/// The immutables of all sources: number in the syntax tree, and name after that of the declaring contract.
pub(super) type Names = BTreeMap<String, String>;

/// Reads the syntax trees, which the profile asks the compiler for.
pub(super) fn names(output: &ProjectCompileOutput<SolcCompiler>) -> Names {
    let files = output.output().sources.0.values().flatten();
    let trees = files.filter_map(|file| file.source_file.ast.as_ref());
    let contracts = trees
        .flat_map(|tree| &tree.nodes)
        .filter(|node| matches!(node.node_type, NodeType::ContractDefinition));
    contracts.flat_map(of_contract).collect()
}

fn of_contract(contract: &Node) -> impl Iterator<Item = (String, String)> + '_ {
    contract.nodes.iter().filter(|node| text(node, "mutability") == Some("immutable")).filter_map(|node| {
        Some((node.id?.to_string(), format!("{}.{}", text(contract, "name")?, text(node, "name")?)))
    })
}

fn text<'a>(node: &'a Node, attribute: &str) -> Option<&'a str> {
    node.other.get(attribute)?.as_str()
}
