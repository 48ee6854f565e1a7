//! The corpus is what the code makes today.

use std::collections::BTreeMap;

use quorate_fuzz::{corpus, targets};

/// `QUORATE_WRITE_CORPUS=1 cargo test -p quorate-fuzz the_corpus` writes it anew.
#[test]
fn the_corpus_holds_what_the_code_makes() {
    for target in &targets::ALL {
        if std::env::var_os("QUORATE_WRITE_CORPUS").is_some() {
            corpus::write(target).expect("the corpus is writable");
        }
        let seeds = (target.seeds)().into_iter().map(|seed| (seed.name, seed.bytes));
        let made: BTreeMap<_, _> = seeds.collect();
        let stored = corpus::read(&corpus::seeds_dir(target)).expect("the corpus is readable");
        assert!(!made.is_empty(), "{} has no seed", target.name);
        let (made_names, stored_names): (Vec<_>, Vec<_>) = (made.keys().collect(), stored.keys().collect());
        assert_eq!(made_names, stored_names, "the corpus of {}", target.name);
        for (name, bytes) in made {
            assert!(stored[&name] == bytes, "{}/{name} is not what the code makes", target.name);
        }
    }
}
