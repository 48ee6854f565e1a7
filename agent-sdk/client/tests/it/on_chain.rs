//! What happens on-chain beside the log, as the contract has it: what is open, what waits and can be taken back, who leaves.

use std::sync::{Arc, Mutex};

use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::ProposalEventKind;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Call, Choice, ProposalId, U256};
use quorate_sdk::{Alert, Client, OnChain, OnChainOptions, SdkError, SignedObjection, revoke_call};

use crate::chain::Stage;
use crate::node::{Behaviour, Node};
use crate::world::World;

async fn read(stage: &Stage) -> OnChain {
    OnChain::read(stage.reader(), stage.id(), &[], OnChainOptions::default()).await.unwrap()
}

#[tokio::test]
async fn what_is_open_approved_or_leaving_is_shown_as_the_contract_has_it() {
    let stage = Stage::new().await;
    let group = stage.id();
    assert_eq!(read(&stage).await.alerts(), []);
    let calls = vec![Call::payment(quorate_protocol::AgentId::from([0xaa; 20]), U256::from(5))];
    let propose = Propose { salt: 1, description: "tea".into(), calls: calls.clone(), class: 1 };
    let (id, _) = stage.chain[0].propose(group, &propose).await.unwrap();
    let shown = read(&stage).await;
    let [proposal] = &shown.proposals[..] else { panic!("{:?}", shown.proposals) };
    let event = proposal.event.as_ref().unwrap();
    assert_eq!((proposal.id, proposal.state.status, &event.calls), (id, ProposalStatus::Open, &calls));
    assert!(matches!(&event.kind, ProposalEventKind::Created { description, .. } if description == "tea"));
    let until_s = proposal.state.voting_ends_s.unwrap();
    assert_eq!(shown.alerts(), [Alert::Open { proposal: id, until_s }]);

    // Approved: it waits for the timelock, and two of four take it back.
    for voter in &stage.chain[..3] {
        voter.vote(group, id, Choice::For).await.unwrap();
    }
    stage.chain[3].leave(group).await.unwrap();
    let shown = read(&stage).await;
    let executable_s = shown.proposals[0].state.executable_s.unwrap();
    assert!(executable_s.0 > shown.time_s);
    let approved = Alert::Approved { proposal: id, executable_s, objections: Some(2) };
    assert_eq!(shown.alerts(), [approved, Alert::Left { member: stage.chain[3].id() }]);

    // Objections as files; what does not count is named before anything is sent.
    let own = stage.chain[0].object(group, id);
    let json = serde_json::to_vec(&own).unwrap();
    assert_eq!(SignedObjection::from_json(&json).unwrap(), own);
    assert_eq!(own.weight(&shown.group, id).unwrap(), 1);
    let refused = |objection: &SignedObjection, proposal| match objection.weight(&shown.group, proposal) {
        Err(SdkError::Objection { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(&own, ProposalId::from([9; 32])).contains("another proposal"));
    let others = SignedObjection { voter: stage.chain[1].id(), ..own.clone() };
    assert!(refused(&others, id).contains("not the voter's"));
    let stranger = SignedObjection { voter: quorate_protocol::AgentId::from([9; 20]), ..own.clone() };
    assert!(refused(&stranger, id).contains("no voter"));
    let mut elsewhere = own.clone();
    elsewhere.identity.chain_id += 1;
    assert!(refused(&elsewhere, id).contains("another group"));
    assert!(SignedObjection::from_json(&vec![b' '; 10_000]).is_err());

    let second = stage.chain[1].object(group, id);
    let objections = [own, second].map(|objection| (objection.voter, objection.signature));
    stage.chain[2].veto(group, id, &objections).await.unwrap();
    let shown = read(&stage).await;
    assert_eq!(shown.proposals[0].state.status, ProposalStatus::Revoked);
    assert_eq!(shown.alerts(), [Alert::Left { member: stage.chain[3].id() }]);
}

#[tokio::test]
async fn a_decision_of_the_group_revokes_what_is_queued() {
    let stage = Stage::new().await;
    let group = stage.id();
    let condemned = ProposalId::from([0xc0; 32]);
    let calls = vec![revoke_call(&stage.group.identity, condemned)];
    let propose = Propose { salt: 1, description: "never".into(), calls, class: 1 };
    let (id, _) = stage.chain[0].propose(group, &propose).await.unwrap();
    for voter in &stage.chain[..3] {
        voter.vote(group, id, Choice::For).await.unwrap();
    }
    stage.pass(stage.group.terms.classes[1].timelock_s).await;
    let content = stage.reader().proposal_events(group, id).await.unwrap()[0].content();
    stage.chain[3].execute(group, &content).await.unwrap();
    let status = stage.reader().proposal(group, condemned).await.unwrap().unwrap().status;
    assert_eq!(status, ProposalStatus::Revoked);
}

#[tokio::test]
async fn nodes_help_to_find_what_the_endpoint_leaves_out_and_are_believed_for_nothing() {
    let stage = Stage::new().await;
    let propose = Propose { salt: 1, description: "tea".into(), calls: vec![], class: 1 };
    let (id, _) = stage.chain[0].propose(stage.id(), &propose).await.unwrap();
    let world = Arc::new(Mutex::new(World::of(stage.group.clone(), stage.agents.clone())));
    let naming = |ids: &[ProposalId]| Node::start(&world, Behaviour::Naming(ids.to_vec()));
    let (honest, liar) = (naming(&[id]).await, naming(&[ProposalId::from([7; 32])]).await);
    let nodes = [honest.url.clone(), liar.url.clone(), Node::dead().await];
    let client = Client::connect(nodes, &stage.anvil.url, stage.contract, stage.id()).await.unwrap();
    assert_eq!(client.inbox_page(0).await.unwrap().taken, 0);
    // Without events: as if the endpoint had kept them back. What was made up is nothing to the contract.
    let shown = client.on_chain(OnChainOptions { from_block: None, most: 10 }).await.unwrap();
    let [proposal] = &shown.proposals[..] else { panic!("{:?}", shown.proposals) };
    assert_eq!((proposal.id, proposal.state.status), (id, ProposalStatus::Open));
    assert!(proposal.event.is_none() && !proposal.is_withheld);
    let shown = client.on_chain(OnChainOptions::default()).await.unwrap();
    assert_eq!(shown.proposals.len(), 1);
    assert!(shown.proposals[0].event.is_some() && !shown.proposals[0].is_withheld);
    let later = OnChainOptions { from_block: Some(1_000_000), most: 10 };
    assert!(client.on_chain(later).await.unwrap().proposals[0].event.is_none());
}
