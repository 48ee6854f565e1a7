//! What is wrong with a command is a typed error to its sender and never has an effect.

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{Command, GroupId, Nonce, Outcome, Receipt, Signature, SignedCommand, TimestampMs};
use quorate_sdk::Agent;

use crate::network::Network;

fn command(network: &Network, agent: &Agent, nonce: u64) -> Command {
    let propose = Propose { salt: nonce, description: "x".into(), calls: vec![], class: 0 };
    Command {
        group: network.group,
        agent: agent.id(),
        key: agent.public_key(),
        nonce: Nonce(nonce),
        expires: TimestampMs(u64::MAX),
        operations: vec![ProposalsOperation::Propose(propose).to_operation()],
    }
}

fn error_code(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_command_is_a_typed_error_and_has_no_effect() {
    let network = Network::start().await;
    let agent = &network.agents[0];
    let good = SignedCommand::sign(command(&network, agent, 1), &agent.key);
    let (status, body) = network.post(0, good.encode()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let first = Receipt::decode(&body).unwrap();
    let (size, root) = network.one_log(&[0, 1, 2, 3]).await;

    let forged = SignedCommand::from_parts(command(&network, agent, 2), Signature([7; 64]));
    let stranger = Agent::generate();
    let unknown = SignedCommand::sign(command(&network, &stranger, 1), &stranger.key);
    let other_group = Command { group: GroupId::from([9; 32]), ..command(&network, agent, 3) };
    let expired = Command { expires: TimestampMs(1), ..command(&network, agent, 4) };
    let reused = Command { expires: TimestampMs(u64::MAX - 1), ..command(&network, agent, 1) };
    let empty = Command { operations: vec![], ..command(&network, agent, 5) };
    let mut malformed = good.encode();
    malformed.push(0);
    let cases: [(&str, Vec<u8>, u16); 8] = [
        ("bad_signature", forged.encode(), 401),
        ("unknown_agent", unknown.encode(), 403),
        ("wrong_group", SignedCommand::sign(other_group, &agent.key).encode(), 400),
        ("expired", SignedCommand::sign(expired, &agent.key).encode(), 410),
        ("nonce_reused", SignedCommand::sign(reused, &agent.key).encode(), 409),
        ("empty", SignedCommand::sign(empty, &agent.key).encode(), 400),
        ("malformed", malformed, 400),
        ("too_large", vec![0; 140 * 1024], 413),
    ];
    for (code, bytes, expected) in cases {
        for at in 0..4 {
            let (status, body) = network.post(at, bytes.clone()).await;
            let text = String::from_utf8_lossy(&body);
            assert_eq!((status, error_code(&body).as_str()), (expected, code), "node {at}: {text}");
        }
    }
    assert_eq!(network.one_log(&[0, 1, 2, 3]).await, (size, root), "none of them made an entry");

    for at in 0..4 {
        let (status, body) = network.post(at, good.encode()).await;
        assert_eq!(status, 200);
        assert_eq!(Receipt::decode(&body).unwrap().record, first.record, "the same command, the same entry");
    }
    assert_eq!(network.log(0).await.0, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_services_refuse_is_an_entry_with_its_reason() {
    let network = Network::start().await;
    let agent = &network.agents[1];
    let same_proposal = |nonce| {
        let mut command = command(&network, agent, 7);
        command.nonce = Nonce(nonce);
        SignedCommand::sign(command, &agent.key)
    };
    let (_, body) = network.post(0, same_proposal(1).encode()).await;
    let applied = Receipt::decode(&body).unwrap();
    assert!(matches!(applied.record.outcome, Outcome::Applied { .. }));

    let (status, body) = network.post(2, same_proposal(2).encode()).await;
    assert_eq!(status, 200, "an ordered refusal comes with its receipt");
    let refused = Receipt::decode(&body).unwrap();
    let refusal = refused.record.outcome.refusal().expect("the proposal exists already");
    assert!(refusal.to_string().contains("proposals"), "{refusal}");
    let client = network.client().await;
    refused.verify(client.group()).unwrap();
}
