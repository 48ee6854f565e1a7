//! What voters do by the command line when something happens on-chain: they see it, object to it, take part, leave, replace
//! their replicas; and anybody anchors for nodes that do not.

use std::path::PathBuf;
use std::process::Command;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::api::InboxPage;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, Call, Choice, Epoch, InboxEvent, Terms};
use quorate_sdk::{Agent, KeystoreOptions, ScryptCost, SdkError};
use serde_json::Value;

use crate::inbox::{command, enqueue};
use crate::network::{Network, Options, pass, usual_terms, wait_for};
use crate::receipts::audit_receipt;

const HOUR_S: u32 = 3_600;
const ETHER: u128 = 1_000_000_000_000_000_000;

/// Runs `quorate` with the keys of an agent, and returns its exit code, what it printed, and what it said beside.
fn run(network: &Network, agent: usize, arguments: &[&str]) -> (i32, String, String) {
    run_with(network, network.node_dir(0).with_file_name(format!("keys-{agent}")), arguments)
}

fn run_with(network: &Network, keys: PathBuf, arguments: &[&str]) -> (i32, String, String) {
    let mut quorate = Command::new(env!("CARGO_BIN_EXE_quorate"));
    quorate.args(arguments).args(["--rpc", &network.anvil.url]);
    quorate.args(["--contract", &network.contract.to_string(), "--group", &network.group.to_string()]);
    for at in 0..network.agents.len() {
        quorate.args(["--node", &network.url(at)]);
    }
    quorate.arg("--keys").arg(keys);
    quorate.arg("--password-file").arg(network.node_dir(0).with_file_name("password"));
    let output = quorate.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// As [`run`], for what must succeed, as JSON.
pub(crate) fn json(network: &Network, agent: usize, arguments: &[&str]) -> Value {
    let (code, out, err) = run(network, agent, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

pub(crate) fn succeed(network: &Network, agent: usize, arguments: &[&str]) -> String {
    let (code, out, err) = run(network, agent, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// Runs what must fail with this exit code and these words.
pub(crate) fn fail(network: &Network, agent: usize, arguments: &[&str], code: i32, words: &str) {
    let (found, out, err) = run(network, agent, arguments);
    assert_eq!((found, out.as_str()), (code, ""), "{arguments:?}: {err}");
    assert!(err.contains(words), "{arguments:?}: {err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voters_take_back_what_is_queued_and_see_what_is_opened_on_chain() {
    let network = Network::start().await;
    let client = network.client().await;
    let calls = vec![Call::payment(AgentId::from([0x51; 20]), U256::from(2 * ETHER))];
    let propose = Propose { salt: 1, description: "The harbour".into(), calls, class: 1 };
    let id = client.propose(&network.agents[0], propose).await.unwrap().proposal;
    for agent in &network.agents[..3] {
        client.vote(agent, id, Choice::For).await.unwrap();
    }
    let proposal = id.to_string();
    let queued = succeed(&network, 0, &["decision", &proposal, "--wait", "60", "--execute"]);
    assert!(queued.contains("queued on-chain") && queued.contains("quorate veto sign"), "{queued}");

    // Nobody misses it.
    let shown = json(&network, 3, &["proposals"]);
    let known = &shown["on_chain"][0];
    assert_eq!((&known["proposal"], &known["status"]), (&proposal.as_str().into(), &"approved".into()));
    assert_eq!(known["calls"][0]["target"], AgentId::from([0x51; 20]).to_string().to_lowercase());
    assert_eq!(known["objections_needed"], "2");
    assert!(known["executable_from"].as_u64() > shown["chain_time"].as_u64());
    for arguments in [&["group", "show"][..], &["proposals"]] {
        let text = succeed(&network, 3, arguments);
        assert!(text.starts_with(&format!("! proposal {proposal} is approved on-chain")), "{text}");
    }

    let files: Vec<String> = (1..3)
        .map(|at| network.node_dir(0).with_file_name(format!("{at}.json")).to_str().unwrap().to_owned())
        .collect();
    for (at, file) in (1..3).zip(&files) {
        let signed = json(&network, at, &["veto", "sign", &proposal, file]);
        assert_eq!((&signed["weight"], &signed["needed"]), (&"1".into(), &"2".into()));
    }
    fail(&network, 0, &["veto", "submit", &proposal, &files[0]], 9, "weigh 1, it takes 2");
    let revoked = succeed(&network, 0, &["veto", "submit", &proposal, &files[0], &files[1]]);
    assert!(revoked.contains("never be executed"), "{revoked}");
    fail(&network, 0, &["veto", "submit", &proposal, &files[0], &files[1]], 9, "is revoked");
    fail(&network, 0, &["revoke", &proposal], 9, "is revoked");
    pass(&network.provider(), HOUR_S).await;
    fail(&network, 0, &["execute", &proposal], 9, "is revoked");
    let shown = json(&network, 0, &["decision", &proposal]);
    assert_eq!(
        (&shown["decision"]["status"], &shown["on_chain"]["status"]),
        (&"approved".into(), &"revoked".into())
    );
    let text = succeed(&network, 0, &["decision", &proposal]);
    assert!(text.contains("is approved") && text.contains("on-chain it is revoked"), "{text}");

    opened_on_chain(&network).await;
    a_member_leaves(&network).await;
}

/// A proposal of the on-chain lane: announced by every node, voted on and executed by the command line.
async fn opened_on_chain(network: &Network) {
    let payee = AgentId::from([0x52; 20]);
    let pay = format!("{payee}=1 ether");
    let arguments = ["propose", "Tea", "--class", "constitution", "--on-chain", "--pay", &pay];
    let opened = json(network, 3, &arguments);
    let proposal = opened["proposal"].as_str().unwrap();
    for at in 0..4 {
        let told = wait_for("the log to take the message in", async || {
            let page: InboxPage = serde_json::from_value(network.get_json(at, "/inbox").await).ok()?;
            page.told.into_iter().find_map(|told| match told.event {
                InboxEvent::ProposalOpenedOnChain { proposal, proposer, .. } => Some((proposal, proposer)),
                _ => None,
            })
        })
        .await;
        assert_eq!((told.0.to_string(), told.1), (proposal.to_owned(), network.agents[3].id()));
        wait_for("the node to announce it", async || {
            network.said(at, "a proposal is open in the on-chain lane").then_some(())
        })
        .await;
        let metrics =
            reqwest::get(format!("{}/metrics", network.url(at))).await.unwrap().text().await.unwrap();
        let counted = "quorate_on_chain_events_total{event=\"proposal_opened_on_chain\"} 1";
        assert!(metrics.contains(counted), "{metrics}");
    }
    // It is not the log's to decide, and who waits for a decision waits for the contract's.
    fail(network, 0, &["decision", proposal], 10, "on-chain it is open until");
    // Whoever does anything else is told.
    let (code, _, err) = run(network, 2, &["propose", "Coffee"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("! proposal {proposal} is open on-chain")), "{err}");

    for voter in 0..3 {
        succeed(network, voter, &["vote", proposal, "for", "--on-chain"]);
    }
    fail(network, 0, &["execute", proposal], 9, "may be executed from");
    pass(&network.provider(), HOUR_S).await;
    let waits = succeed(network, 0, &["decision", proposal, "--wait", "30"]);
    assert!(waits.contains("Tea") && waits.contains(&format!("`quorate execute {proposal}`")), "{waits}");
    fail(network, 0, &["decision", proposal, "--execute"], 9, "no decision of the log");
    succeed(network, 0, &["execute", proposal]);
    let done = json(network, 0, &["decision", proposal]);
    assert_eq!((&done["decision"], &done["on_chain"]["status"]), (&Value::Null, &"executed".into()));
    assert_eq!((&done["description"], &done["calls"][0]["value"].is_string()), (&"Tea".into(), &true));
    assert_eq!(network.provider().get_balance(payee.0).await.unwrap(), U256::from(ETHER));
    let shown = json(network, 0, &["proposals", "--all"]);
    let status = |known: &Value| known["status"].as_str().unwrap().to_owned();
    let statuses: Vec<_> = shown["on_chain"].as_array().unwrap().iter().map(status).collect();
    assert_eq!(statuses, ["revoked", "executed"]);
}

async fn a_member_leaves(network: &Network) {
    let client = network.client().await;
    // What is open in the log is shown with all that it does, and what nobody knows is told apart.
    let call = format!("{}:0xa9059cbb00", AgentId::from([0x53; 20]));
    let open = json(network, 1, &["propose", "Look first", "--class", "constitution", "--call", &call]);
    let open = open["proposal"].as_str().unwrap();
    for words in ["\"Look first\"", "0xa9059cbb00", "open until"] {
        fail(network, 2, &["decision", open], 10, words);
    }
    fail(
        network,
        2,
        &["decision", &format!("0x{}", "77".repeat(32))],
        10,
        "neither the nodes nor the contract",
    );
    succeed(network, 3, &["leave"]);
    let leaver = network.agents[3].id();
    let text = succeed(network, 0, &["group", "show"]);
    assert!(text.starts_with(&format!("! member {leaver} left")), "{text}");
    fail(network, 3, &["leave"], 9, "has left");
    wait_for("the log to refuse the vote of who has left", async || {
        let propose = Propose { salt: rand::random(), description: "late".into(), calls: vec![], class: 0 };
        match client.propose(&network.agents[3], propose).await {
            Err(SdkError::Refused { .. }) => Some(()),
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outsider_anchors_for_nodes_that_do_not() {
    let mut network = Network::found().await;
    for at in 0..4 {
        let config = std::fs::read_to_string(network.config(at)).unwrap();
        let off = config.replace("[anchor]\n", "[anchor]\nenabled = false\n");
        std::fs::write(network.config(at), off).unwrap();
    }
    network.launch_all().await;
    let keys = network.node_dir(0).with_file_name("outsider");
    let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
    let outsider = Agent::create_with(&keys, "correct horse battery staple", options).unwrap();
    let money = (outsider.id().0, U256::from(ETHER));
    let () = network.provider().raw_request("anvil_setBalance".into(), money).await.unwrap();

    let (client, reader) = (network.client().await, network.reader().await);
    client.submit(command(&network, 2, 1)).await.unwrap();
    enqueue(&network, 0, &command(&network, 1, 1)).await;
    wait_for("the log to take the message in and a checkpoint of it", async || {
        let checkpoint = network.get_json(0, "/checkpoint").await;
        (checkpoint["checkpoint"]["inbox_count"] == 1).then_some(())
    })
    .await;
    assert_eq!(reader.latest_anchor(network.group).await.unwrap(), None, "the nodes' own are off");
    let first = anchored(&network, &keys).await;
    let inbox = reader.inbox(network.group).await.unwrap();
    assert_eq!((inbox.taken, inbox.length), (1, 1));

    // On top of it, with a proof of consistency; and the nodes see the anchor and prove by it.
    let receipt = client.submit(command(&network, 2, 2)).await.unwrap();
    let index = receipt.record.entry.index.0;
    wait_for("a checkpoint of it", async || {
        let checkpoint = network.get_json(0, "/checkpoint").await;
        (checkpoint["checkpoint"]["log_size"].as_u64()? > index).then_some(())
    })
    .await;
    let second = anchored(&network, &keys).await;
    assert!(second["log_size"].as_u64() > first["log_size"].as_u64(), "{first} {second}");
    wait_for("a receipt under the anchor", async || {
        client.receipt(command(&network, 2, 2).digest()).await.ok()??.anchor
    })
    .await;
    let (code, _, err) = run_with(&network, keys, &["anchor"]);
    assert!(code == 10 && err.contains("beyond sequence"), "{code} {err}");
    a_receipt_of_an_epoch_that_is_not_anchored_is_proven_by_a_node(&network).await;
}

/// The group goes on to an epoch that the contract does not know of: nobody anchors it.
async fn a_receipt_of_an_epoch_that_is_not_anchored_is_proven_by_a_node(network: &Network) {
    let client = network.client().await;
    let members = client.group().members.clone();
    let renewed = client.change_members(&network.agents[0], members, "renew".into(), 9).await.unwrap();
    for agent in &network.agents[..3] {
        client.vote(agent, renewed.proposal, Choice::For).await.unwrap();
    }
    let receipt = wait_for("a receipt of the next epoch", async || {
        let propose = Propose { salt: rand::random(), description: "on".into(), calls: vec![], class: 0 };
        let receipt = client.propose(&network.agents[1], propose).await.ok()?.receipt;
        (receipt.epoch == Epoch(1)).then_some(receipt)
    })
    .await;
    let group = Some(network.group);
    let (code, said) = audit_receipt(network, &receipt, group, &[]);
    assert!(code == 10 && said.contains("neither true nor false"), "{code} {said}");
    let (code, said) = audit_receipt(network, &receipt, group, &["--node", &network.url(2)]);
    assert!(code == 0 && said.contains("not anchored yet"), "{code} {said}");
    let mut forged = receipt;
    forged.certificate.head.time_s += 1;
    let (code, said) = audit_receipt(network, &forged, group, &["--node", &network.url(2)]);
    assert!(code == 8, "{code} {said}");
}

/// Anchors by the command line as soon as there is something that a quorum's signatures have reached a node for.
async fn anchored(network: &Network, keys: &std::path::Path) -> Value {
    wait_for("an anchor", async || {
        let (code, out, err) = run_with(network, keys.to_owned(), &["anchor", "--json"]);
        assert!(code == 0 || code == 10, "{err}");
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_voters_replace_replicas_that_are_gone() {
    // No node ever runs.
    let recovery_time_s = 14 * 24 * HOUR_S;
    let terms = Terms { recovery_time_s, ..usual_terms() };
    let network = Network::found_with(Options { terms, ..Options::default() }).await;
    let (provider, reader) = (network.provider(), network.reader().await);
    let quiet = succeed(&network, 0, &["recover", "show"]);
    assert!(quiet.contains("no message of its inbox waits"), "{quiet}");

    let file = network.node_dir(0).with_file_name("members.toml");
    let member = |agent: &Agent| {
        format!(
            "[[members]]\naccount = \"{}\"\nkey = \"{}\"\nweight = 1\nreplica = true\n",
            agent.id(),
            agent.public_key()
        )
    };
    let file_of =
        |agents: &[Agent]| std::fs::write(&file, agents.iter().map(member).collect::<String>()).unwrap();
    let path = file.to_str().unwrap();
    file_of(&network.agents[..3]);
    fail(&network, 0, &["recover", "propose", path], 3, "members.toml");
    file_of(&network.agents);
    let proposed = json(&network, 0, &["recover", "propose", path]);
    let proposal = proposed["proposal"].as_str().unwrap();
    for voter in 0..3 {
        succeed(&network, voter, &["vote", proposal, "for", "--on-chain"]);
    }
    fail(&network, 0, &["recover", "execute", proposal], 10, "not dead");

    enqueue(&network, 0, &command(&network, 1, 1)).await;
    fail(&network, 0, &["recover", "execute", proposal], 10, "not dead yet");
    pass(&provider, recovery_time_s).await;
    assert!(json(&network, 0, &["recover", "show"])["dead"].as_bool().unwrap());
    // The first decision's time is over by now; the voters make another.
    fail(&network, 0, &["recover", "execute", proposal], 9, "is expired");
    let again = json(&network, 1, &["recover", "propose", path]);
    let proposal = again["proposal"].as_str().unwrap();
    for voter in 0..3 {
        succeed(&network, voter, &["vote", proposal, "for", "--on-chain"]);
    }
    pass(&provider, HOUR_S).await;
    let done = succeed(&network, 0, &["recover", "execute", proposal]);
    assert!(done.contains("4 replicas"), "{done}");
    assert_eq!(reader.epoch(network.group).await.unwrap(), Epoch::default().next_era());
}
