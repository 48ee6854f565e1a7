//! The contract's inbox: a command that stands in it is executed, whoever keeps quiet about it.

use std::time::Duration;

use alloy::primitives::{B256, Bytes};
use alloy::providers::Provider as _;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorInstance};
use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::faults::Fault;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::InboxOperation;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    Command, Digest, EntryBody, EntryIndex, EntryRecord, EntryStatus, InboxTaken, Nonce, Receipt,
    SignedCommand, Terms, TimestampMs, codec,
};
use quorate_sdk::{ChainAgent, Client, verify_receipt};

use crate::network::{Network, Options, pass, usual_terms, wait_for};

/// How long a message may be left out where a test waits for the end of that.
const DEADLINE_S: u32 = 3_600;

/// A command of an agent that proposes something, for ever.
pub(crate) fn command(network: &Network, agent: usize, nonce: u64) -> SignedCommand {
    let agent = &network.agents[agent];
    let propose = Propose { salt: nonce, description: "Hear me".into(), calls: vec![], class: 0 };
    let command = Command {
        group: network.group,
        agent: agent.id(),
        key: agent.public_key(),
        nonce: Nonce(nonce),
        expires: TimestampMs(u64::MAX),
        operations: vec![ProposalsOperation::Propose(propose).to_operation()],
    };
    SignedCommand::sign(command, &agent.key)
}

pub(crate) async fn enqueue(network: &Network, by: usize, command: &SignedCommand) {
    let account = network.agents[by].account.clone();
    let chain = ChainAgent::new(&network.anvil.url, network.contract, account).await.unwrap();
    chain.enqueue(network.group, command).await.unwrap();
}

/// Puts bytes into the inbox that are no command.
async fn enqueue_garbage(network: &Network) {
    let (provider, sender) = (network.provider(), network.agents[0].id().0);
    let () = provider.raw_request("anvil_impersonateAccount".into(), (sender,)).await.unwrap();
    let call = AgentCoordinator::new(network.contract, &provider);
    let call = call.enqueue(network.group.0, Bytes::from_static(b"anything at all")).from(sender);
    assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
}

fn coordinator(network: &Network) -> AgentCoordinatorInstance<alloy::providers::DynProvider> {
    AgentCoordinator::new(network.contract, network.provider())
}

/// Waits until anchors have taken so many messages in.
async fn anchored_inbox(network: &Network, count: u64) {
    let coordinator = coordinator(network);
    wait_for("an anchor with the inbox taken in", async || {
        let inbox = coordinator.inbox(network.group.0).call().await.ok()?;
        assert!(inbox.taken <= inbox.length);
        (inbox.taken == count).then_some(())
    })
    .await;
}

async fn receipt(client: &Client, command: &SignedCommand) -> Receipt {
    wait_for("the command's receipt", async || client.receipt(command.digest()).await.ok()?).await
}

pub(crate) async fn log(client: &Client) -> Vec<EntryRecord> {
    let mut pages = client.audit(EntryIndex(0));
    let mut records = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        records.extend(page);
    }
    records
}

/// The messages that the log took, in order: their places, the chain's hashes, and what became of them.
fn taken(records: &[EntryRecord]) -> Vec<(u64, B256, InboxDisposition)> {
    let event = |record: &EntryRecord| match record.body {
        EntryBody::System(SystemEvent::InboxTaken(InboxTaken { index, hash, disposition })) => {
            Some((index, hash.0, disposition))
        }
        _ => None,
    };
    records.iter().filter_map(event).collect()
}

/// How many entries are about this subject.
fn entries_of(records: &[EntryRecord], subject: Digest) -> usize {
    records.iter().filter(|record| record.entry.subject == subject).count()
}

/// What the log took is what the contract has, from the first message on.
async fn assert_as_on_chain(network: &Network, taken: &[(u64, B256, InboxDisposition)]) {
    let coordinator = coordinator(network);
    for (place, (index, hash, _)) in (0..).zip(taken) {
        let message = coordinator.inboxMessage(network.group.0, *index).call().await.unwrap();
        assert_eq!((place, message.inboxHash), (*index, *hash));
    }
}

async fn view(network: &Network, at: usize) -> u64 {
    network.get_json(at, "").await["view"].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_in_the_inbox_is_executed_once_and_garbage_does_nothing() {
    let network = Network::start().await;
    let client = network.client().await;
    let reader = network.reader().await;

    // No node was ever sent it, and somebody else's account put it there.
    let forced = command(&network, 1, 1);
    enqueue(&network, 0, &forced).await;
    let held = receipt(&client, &forced).await;
    assert_eq!(held.record.entry.status, EntryStatus::Applied);
    verify_receipt(&reader, network.group, &held.encode()).await.unwrap();
    anchored_inbox(&network, 1).await;

    enqueue_garbage(&network).await;
    // Sent to the nodes before, and put into the inbox at the same time as it is sent.
    let (before, beside) = (command(&network, 1, 2), command(&network, 2, 1));
    let first = client.submit(before.clone()).await.unwrap();
    enqueue(&network, 0, &before).await;
    let (sent, ()) = tokio::join!(client.submit(beside.clone()), enqueue(&network, 3, &beside));
    let sent = sent.unwrap();
    anchored_inbox(&network, 4).await;
    assert_eq!(receipt(&client, &before).await.record.entry, first.record.entry, "it stays the same entry");
    assert_eq!(receipt(&client, &beside).await.record.entry, sent.record.entry);

    let records = log(&client).await;
    for command in [&forced, &before, &beside] {
        assert_eq!(entries_of(&records, command.digest()), 1);
    }
    let taken = taken(&records);
    assert_as_on_chain(&network, &taken).await;
    let became: Vec<_> = taken.iter().map(|(.., disposition)| *disposition).collect();
    assert_eq!(
        became[..3],
        [InboxDisposition::CarriedOut, InboxDisposition::Malformed, InboxDisposition::Duplicate]
    );
    assert!(
        became.len() == 4 && [InboxDisposition::CarriedOut, InboxDisposition::Duplicate].contains(&became[3])
    );
    network.one_log(&[0, 1, 2, 3]).await;
    network.assert_audited(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_censors_the_inbox_is_replaced() {
    let mut network = Network::found().await;
    let censor = network.node_of_replica(0);
    network.set_fault(censor, Some(Fault::InboxCensored));
    network.launch_all().await;
    let client = network.client().await;

    // Everything else goes its way under this primary.
    client.submit(command(&network, 2, 1)).await.unwrap();
    let honest: Vec<usize> = (0..4).filter(|at| *at != censor).collect();
    for at in &honest {
        assert_eq!(view(&network, *at).await, 0, "node {at}");
    }
    let forced = command(&network, 1, 1);
    enqueue(&network, 0, &forced).await;
    // While the view is its own, no word on the inbox is in the log.
    let told = wait_for("the backups to give the primary up", async || {
        let told = log(&client).await.iter().any(is_observation);
        let replaced = view(&network, honest[0]).await > 0;
        assert!(replaced || !told, "the primary let a word on the inbox in");
        replaced.then_some(told)
    })
    .await;
    let held = receipt(&client, &forced).await;
    assert_eq!(held.record.entry.status, EntryStatus::Applied);
    for at in &honest {
        assert!(view(&network, *at).await > 0, "node {at} (a word was in the log: {told})");
    }
    anchored_inbox(&network, 1).await;
    network.one_log(&honest).await;
    network.assert_audited(honest[1]).await;
}

/// Whether the entry is a replica's word on the inbox.
fn is_observation(record: &EntryRecord) -> bool {
    match &record.body {
        EntryBody::Command(command) => {
            command.command().operations.iter().any(|operation| operation.service == InboxOperation::SERVICE)
        }
        _ => false,
    }
}

/// The payloads that this replica said the inbox has.
fn said(records: &[EntryRecord], by: quorate_protocol::AgentId) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for record in records {
        let EntryBody::Command(command) = &record.body else { continue };
        if command.command().agent != by || !is_observation(record) {
            continue;
        }
        for operation in &command.command().operations {
            let InboxOperation::Observe(observe) = codec::decode(&operation.body, 1 << 20).unwrap();
            payloads.extend(observe.messages.into_iter().map(|message| message.payload));
        }
    }
    payloads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_colluders_neither_keep_a_command_out_nor_bring_one_in() {
    let options = Options { nodes: 7, ..Options::default() };
    let mut network = Network::found_with(options).await;
    // The primaries of the first two views.
    let colluders = [network.node_of_replica(0), network.node_of_replica(1)];
    for at in colluders {
        network.set_fault(at, Some(Fault::InboxInvented));
    }
    network.launch_all().await;
    let honest: Vec<usize> = (0..7).filter(|at| !colluders.contains(at)).collect();
    let client = network.client_of(honest[0]).await;

    let forced = command(&network, honest[1], 1);
    enqueue(&network, honest[0], &forced).await;
    let held = receipt(&client, &forced).await;
    assert_eq!(held.record.entry.status, EntryStatus::Applied);
    anchored_inbox(&network, 1).await;

    // Both colluders have had their say by now or have it soon, and it counts for nothing.
    let records = wait_for("the colluders to lie", async || {
        let records = log(&client).await;
        let lie =
            |at: &usize| said(&records, network.agents[*at].id()).contains(&b"nobody enqueued this".to_vec());
        colluders.iter().all(lie).then_some(records)
    })
    .await;
    let taken = taken(&records);
    assert_eq!(taken.len(), 1);
    assert_as_on_chain(&network, &taken).await;
    assert_eq!(entries_of(&records, forced.digest()), 1);
    network.one_log(&honest).await;
    network.assert_audited(honest[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_that_censors_the_inbox_anchors_nothing_more() {
    let terms = Terms { inbox_deadline_s: DEADLINE_S, ..usual_terms() };
    let faults = (0..4).map(|at| (at, Fault::InboxCensored)).collect();
    let mut network = Network::start_with(Options { terms, faults, ..Options::default() }).await;
    let client = network.client().await;
    let forced = command(&network, 1, 1);
    enqueue(&network, 0, &forced).await;

    // Until the deadline it can be left out.
    let before = client.submit(command(&network, 2, 1)).await.unwrap().record.entry.index.0;
    let anchored = async |network: &Network| {
        coordinator(network).latestAnchor(network.group.0).call().await.unwrap().logSize
    };
    wait_for("an anchor before the deadline", async || (anchored(&network).await > before).then_some(()))
        .await;
    pass(&network.provider(), DEADLINE_S + 60).await;

    // What the log does after that is proved to nobody who trusts the chain alone.
    let after = client.submit(command(&network, 2, 2)).await.unwrap().record.entry.index.0;
    wait_for("the contract to refuse an anchor", async || {
        let refused = (0..4).any(|at| network.said(at, "has not taken inbox message 0 in, which was due"));
        refused.then_some(())
    })
    .await;
    assert!(client.receipt(forced.digest()).await.unwrap().is_none());
    assert!(anchored(&network).await <= after, "nothing new is anchored");

    // Once they relent, the message comes in and anchors go on.
    for at in 0..4 {
        network.kill_9(at);
        network.set_fault(at, None);
    }
    network.launch_all().await;
    let held = receipt(&network.client().await, &forced).await;
    assert_eq!(held.record.entry.status, EntryStatus::Applied);
    anchored_inbox(&network, 1).await;
    wait_for("anchors to go on", async || {
        (anchored(&network).await > held.record.entry.index.0).then_some(())
    })
    .await;
    tokio::time::timeout(Duration::from_secs(30), network.one_log(&[0, 1, 2, 3])).await.unwrap();
    network.assert_audited(3).await;
}
