//! Keys on disk.

use quorate_sdk::{Agent, KeystoreOptions, ScryptCost};

use crate::{assert_fails, err, out, run, text};

#[test]
fn keys_are_shown_without_a_password_and_without_their_secrets() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
    let agent = Agent::create_with(dir.path(), "secret", options).expect("the directory is empty");
    let shown = run(&["keys", "show", "--keys", text(dir.path())]);
    assert_eq!(shown.status.code(), Some(0), "{}", err(&shown));
    assert!(
        out(&shown).contains(&agent.id().to_string())
            && out(&shown).contains(&agent.public_key().to_string())
    );

    let json = run(&["keys", "show", "--json", "--keys", text(dir.path())]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert_eq!(json["agent"], agent.id().to_string());
    assert_fails(&run(&["keys", "show", "--keys", text(&dir.path().join("none"))]), 5, &["quorate keys new"]);
}

#[test]
fn new_keys_need_a_password_and_never_replace_others() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (keys, password) = (dir.path().join("keys"), dir.path().join("password"));
    let new = ["keys", "new", "--keys", text(&keys), "--password-file", text(&password)];
    assert_fails(&run(&new[..4]), 5, &["no password", "QUORATE_PASSWORD"]);
    assert_fails(&run(&new), 5, &["password file"]);
    std::fs::write(&password, "correct horse\n").expect("the directory can be written");
    let made = run(&new);
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let agent = Agent::open(&keys, "correct horse").expect("the keys open with their password");
    assert!(out(&made).contains(&agent.id().to_string()));
    assert_fails(&run(&new), 5, &["--overwrite"]);
}

#[test]
fn an_import_names_what_it_imports() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (keys, password, secret) =
        (dir.path().join("keys"), dir.path().join("password"), dir.path().join("secret"));
    std::fs::write(&password, "correct horse\n").expect("the directory can be written");
    let import = ["keys", "import", "--keys", text(&keys), "--password-file", text(&password)];
    assert_fails(&run(&import), 2, &["--account", "quorate keys new"]);
    // The first account of every development chain.
    let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n";
    std::fs::write(&secret, digits).expect("the directory can be written");
    let imported = run(&[&import[..], &["--account-hex", text(&secret)]].concat());
    assert_eq!(imported.status.code(), Some(0), "{}", err(&imported));
    assert!(out(&imported).contains("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    assert!(!out(&imported).contains("ac0974"), "a secret is never printed");
    std::fs::write(&secret, "12").expect("the directory can be written");
    assert_fails(
        &run(&[&import[..], &["--overwrite", "--account-hex", text(&secret)]].concat()),
        5,
        &["64 hex digits"],
    );
}
