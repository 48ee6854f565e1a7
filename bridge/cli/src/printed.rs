//! Every command that a page, a help text or a message prints is one that this binary takes.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

use crate::args::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words of a line as a shell splits them, without a comment at its end.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            '#' if !quoted && !begun => break,
            ' ' if !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// What a reader puts in place of the words that stand for something.
fn filled(word: &str) -> String {
    let id = format!("0x{}", "11".repeat(32));
    let address = format!("0x{}", "11".repeat(20));
    word.replace("0xPROPOSAL", &id)
        .replace("0xHASH", &id)
        .replace("0xGROUP", &id)
        .replace("0xCONTRACT", &address)
        .replace("URL", "http://a")
}

#[test]
fn every_command_in_a_block_of_the_pages_parses() {
    let mut seen = 0;
    for page in ["README.md", "ARCHITECTURE.md", "contracts/README.md"] {
        let text = read(&root().join(page));
        for block in text.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            for command in block.lines().flat_map(|line| line.split("; ")) {
                let words: Vec<String> = words(command).iter().map(|word| filled(word)).collect();
                if words.first().is_none_or(|word| word != "quorate") {
                    continue;
                }
                seen += 1;
                let help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
                if let Err(error) =
                    Cli::try_parse_from(&words).map(drop).or_else(|e| if help(&e) { Ok(()) } else { Err(e) })
                {
                    panic!("{page}: {command}\n{error}");
                }
            }
        }
    }
    assert!(seen > 20, "{seen} commands");
}

/// Every text of the pages and of the program's own sources.
fn texts() -> Vec<(PathBuf, String)> {
    let mut found: Vec<_> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "contracts/README.md", "contracts/docs/auditors.md"]
            .iter()
            .map(|page| root().join(page))
            .map(|path| (path.clone(), read(&path)))
            .collect();
    let mut folders = vec![root().join("bridge/cli/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources are here") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "printed.rs") {
                found.push((path.clone(), read(&path)));
            }
        }
    }
    found
}

/// Commands that are named in the middle of a text: their subcommands and options are there, whatever stands for values.
#[test]
fn every_command_named_in_a_text_exists() {
    let mut seen = 0;
    for (path, text) in texts() {
        for named in text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.strip_prefix("quorate ")) {
            if named.contains('\n') {
                continue;
            }
            seen += 1;
            let mut command = Cli::command();
            command.build();
            let mut may_name_a_command = true;
            for word in named.split(' ') {
                let word = word.trim_matches(|c: char| matches!(c, ',' | '…' | '"'));
                if let Some(option) = word.strip_prefix("--") {
                    let known = command.get_arguments().any(|argument| argument.get_long() == Some(option));
                    assert!(known || option == "help", "{}: `quorate {named}`: no {word}", path.display());
                } else if may_name_a_command && command.has_subcommands() && !word.is_empty() {
                    let next = command.find_subcommand(word).cloned();
                    command =
                        next.unwrap_or_else(|| panic!("{}: `quorate {named}`: no {word}", path.display()));
                } else {
                    may_name_a_command = false;
                }
            }
        }
    }
    assert!(seen > 40, "{seen} commands");
}
