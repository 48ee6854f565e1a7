//! Dependencies point one way: `protocol <- pbft, services <- node <- anchor <- cli` and
//! `protocol <- sdk <- cli`. The contract's bindings stand beside the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each crate of the workspace may depend on.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("quorate-protocol", &[]),
    ("quorate-contracts", &["quorate-protocol"]),
    ("quorate-pbft", &["quorate-protocol"]),
    ("quorate-services", &["quorate-protocol"]),
    ("quorate-node", &["quorate-pbft", "quorate-protocol", "quorate-services"]),
    ("quorate-anchor", &["quorate-contracts", "quorate-node", "quorate-protocol"]),
    ("quorate-sdk", &["quorate-contracts", "quorate-protocol"]),
    ("quorate", &["quorate-anchor", "quorate-contracts", "quorate-node", "quorate-protocol", "quorate-sdk"]),
    ("quorate-tests", &[]),
    ("quorate-model", &["quorate-pbft", "quorate-protocol"]),
    ("quorate-sim", &["quorate-node", "quorate-pbft", "quorate-protocol", "quorate-services"]),
    (
        "quorate-fuzz",
        &[
            "quorate-contracts",
            "quorate-node",
            "quorate-pbft",
            "quorate-protocol",
            "quorate-sdk",
            "quorate-services",
        ],
    ),
];

/// Crates that must stay free of I/O, and what would bring it in.
const WITHOUT_IO: [&str; 3] = ["quorate-protocol", "quorate-pbft", "quorate-services"];
const IO: [&str; 7] = ["tokio", "axum", "reqwest", "redb", "rustls", "alloy", "mio"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate").to_owned()
}

fn manifest(path: &Path) -> toml::Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> Vec<toml::Table> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("the workspace has members");
    let folders = members.iter().map(|member| member.as_str().expect("a member is a path"));
    folders.map(|folder| manifest(&root().join(folder).join("Cargo.toml"))).collect()
}

/// Each member's name with its normal dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    manifests()
        .into_iter()
        .map(|manifest| {
            let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
            let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
            (name, dependencies.into_iter().flat_map(|table| table.keys().cloned()).collect())
        })
        .collect()
}

#[test]
fn nothing_points_back() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let found = dependencies();
    assert_eq!(found.len(), allowed.len(), "every crate of the workspace has its rule");
    for (name, dependencies) in found {
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no rule"));
        let ours = dependencies.iter().filter(|dependency| dependency.starts_with("quorate"));
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn the_deterministic_crates_have_nothing_to_do_io_with() {
    for (name, dependencies) in dependencies() {
        if WITHOUT_IO.contains(&name.as_str()) {
            let io: Vec<_> =
                dependencies.iter().filter(|dependency| IO.contains(&dependency.as_str())).collect();
            assert!(io.is_empty(), "{name} depends on {io:?}");
        }
    }
}

/// The crates whose tests need faults compiled in, which no other build of the crate sees: what a package's tests alone
/// depend on adds no feature to what is built without them.
const TESTED_WITH_FAULTS: [&str; 1] = ["quorate"];

/// Faults that are put in on purpose belong to the tests: whoever wants them compiled in has to ask for them.
#[test]
fn nothing_has_deliberate_faults_by_default() {
    let names = |value: Option<&toml::Value>| -> Vec<String> {
        let list = value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut declared = 0;
    for manifest in manifests() {
        let crate_name = &manifest["package"]["name"];
        let features = manifest.get("features").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for (feature, enabled) in &features {
            let enables = names(Some(enabled)).iter().any(|name| name.ends_with("faults"));
            assert!(feature == "faults" || !enables, "{crate_name}: {feature} enables faults");
            declared += usize::from(feature == "faults");
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = manifest.get(kind).and_then(toml::Value::as_table).cloned().unwrap_or_default();
            for (dependency, how) in &table {
                let enabled = names(how.get("features"));
                let tests = TESTED_WITH_FAULTS.map(toml::Value::from);
                if kind == "dev-dependencies" && tests.contains(crate_name) {
                    continue;
                }
                assert!(!enabled.contains(&"faults".into()), "{crate_name} enables faults in {dependency}");
            }
        }
    }
    assert!(declared >= 4, "the core's crates have the feature, {declared} do");
}

/// Reads every source of the crates without I/O for what would make two replicas differ.
#[test]
fn the_deterministic_crates_read_no_clock_and_iterate_no_hash_map() {
    const FORBIDDEN: [&str; 6] =
        ["SystemTime", "Instant::now", "HashMap", "HashSet", "std::thread", "std::net"];
    for folder in ["bridge/pbft/src", "bridge/services/src"] {
        for file in sources(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).expect("a source is readable");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                for word in FORBIDDEN {
                    assert!(!line.contains(word), "{}: {word} in {line:?}", file.display());
                }
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    assert!(!files.is_empty(), "{} holds sources", folder.display());
    files
}
