//! What the contract tells by its inbox: proposals that move to the on-chain lane, convictions, and who leaves.

use quorate_protocol::entry::InboxDisposition;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{
    AgentId, Choice, DecisionStatus, Epoch, InboxEvent, Member, MembersChange, OnChainStatus, ProposalId,
    Refusal,
};
use quorate_services::ProposalStatus;

use crate::fixture::*;
use crate::scene::*;

fn opened(proposal: ProposalId) -> InboxEvent {
    let (proposer, status) = (AgentId::from([5; 20]), OnChainStatus::Open);
    InboxEvent::ProposalOpenedOnChain { proposal, proposer, class: 0, voting_ends: 1_800_000_000, status }
}

fn closed(proposal: ProposalId) -> InboxEvent {
    InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Cancelled }
}

fn convicted(replica: AgentId) -> InboxEvent {
    InboxEvent::ReplicaConvicted { replica }
}

fn leaving(replica: AgentId) -> InboxEvent {
    InboxEvent::ReplicaLeaving { replica, exit_at: 1_800_000_000 }
}

fn left(member: AgentId) -> InboxEvent {
    InboxEvent::MemberLeft { member }
}

#[test]
fn every_event_has_a_disposition_and_an_entry_of_its_own() {
    let mut scene = Scene::new(5);
    let (id, nobody) = (ProposalId::from([3; 32]), AgentId::from([1; 20]));
    let events = [opened(id), convicted(nobody), closed(id), leaving(nobody), left(nobody)];
    let records = scene.told(&mut Chain::default(), &events);
    let expected = ["opened", "convicted", "closed", "leaving", "left"];
    assert_eq!(kinds(&records), expected.map(|kind| ["taken", kind]).concat());
    use InboxDisposition::{Closed, Convicted, Leaving, Left, Opened};
    assert_eq!(dispositions(&records), [Opened, Convicted, Closed, Leaving, Left]);
    assert!(!scene.machine.machine.change_pending(), "nobody of the group is meant");
}

#[test]
fn a_proposal_that_the_on_chain_lane_has_moves_there_without_a_decision() {
    for told in [opened, closed] {
        let mut scene = Scene::new(4);
        let id = id_of(&scene.keys[0], 1);
        scene.machine.does(1, &scene.keys[0], vec![propose(1), vote(id, Choice::For)]);
        let records = scene.told(&mut Chain::default(), &[told(id), told(id)]);
        assert!(decisions(&records).is_empty());
        let view = scene.machine.view(id);
        assert_eq!((view.status, view.for_weight), (ProposalStatus::Moved, 1));
        assert_eq!(view.decision, Some(records[1].entry.index), "the first entry closed it");

        assert_eq!(scene.machine.machine.next_due(), None);
        let (first, second) = (&scene.keys[0], &scene.keys[1]);
        assert_eq!(scene.machine.refuses(1, second, vote(id, Choice::For)), "proposal_closed");
        assert_eq!(scene.machine.refuses(1, first, cancel(id)), "proposal_closed");
        assert_eq!(scene.machine.refuses(1, first, propose(1)), "proposal_exists");
        let later = scene.machine.batch(1 + 2 * PERIOD_MS, &[]);
        assert_eq!(later.records.len(), 0, "it does not expire");
    }
}

#[test]
fn an_id_that_the_on_chain_lane_had_first_is_refused_for_good() {
    for told in [opened, closed] {
        let mut scene = Scene::new(4);
        let id = id_of(&scene.keys[0], 1);
        scene.told(&mut Chain::default(), &[told(id)]);
        assert_eq!(scene.machine.machine.proposal(&id), None, "the log has only heard of it");
        assert_eq!(scene.machine.refuses(1, &scene.keys[0], propose(1)), "proposal_moved");
        assert_eq!(scene.machine.refuses(1, &scene.keys[1], vote(id, Choice::For)), "unknown_proposal");

        let members = scene.machine.group.members.clone();
        scene.approve(members, &[0, 1, 2]);
        scene.end_epoch();
        assert_eq!(scene.machine.refuses(1, &scene.keys[0], propose(1)), "proposal_moved");
        scene.machine.does(1, &scene.keys[0], vec![propose(2)]);
    }
}

#[test]
fn a_decided_proposal_stays_as_it_was_decided() {
    let mut scene = Scene::new(4);
    let id = id_of(&scene.keys[0], 1);
    scene.machine.does(1, &scene.keys[0], vec![propose(1), cancel(id)]);
    let before = scene.machine.view(id);
    scene.told(&mut Chain::default(), &[opened(id), closed(id)]);
    assert_eq!(scene.machine.view(id), before);
}

#[test]
fn who_has_left_neither_proposes_nor_votes_also_in_later_epochs() {
    let mut scene = Scene::new(4);
    let (id, gone) = (id_of(&scene.keys[0], 1), scene.keys[3].id());
    scene.machine.does(1, &scene.keys[0], vec![propose(1)]);
    scene.machine.does(1, &scene.keys[3], vec![vote(id, Choice::For)]);
    scene.told(&mut Chain::default(), &[left(gone)]);
    assert_eq!(scene.machine.view(id).for_weight, 1, "what it voted before counts");

    for epoch in 0..2 {
        let agent = scene.machine.machine.agent(gone).unwrap();
        assert_eq!((agent.member, agent.voter, agent.replica, agent.weight), (true, false, true, 0));
        let (other, member) = (&scene.keys[0], &scene.keys[3]);
        assert_eq!(scene.machine.refuses(1, member, propose(2)), "not_a_voter", "epoch {epoch}");
        scene.machine.does(1, other, vec![propose(10 + epoch)]);
        let open = id_of(other, 10 + epoch);
        assert_eq!(scene.machine.refuses(1, member, vote(open, Choice::For)), "not_a_voter");
        let guest = admit(&scene.machine.group, &Keys::new(50));
        assert_eq!(scene.machine.refuses(1, member, guest), "not_a_voter");
        // Its weight is part of the whole, as on-chain.
        assert_eq!(scene.machine.machine.group().total_weight(), 4);
        if epoch == 0 {
            let members = scene.machine.group.members.clone();
            scene.approve(members, &[0, 1, 2]);
            scene.end_epoch();
        }
    }
}

#[test]
fn who_comes_back_after_it_was_no_member_begins_anew() {
    let mut scene = Scene::new(5);
    let (gone, members) = (scene.keys[4].id(), scene.machine.group.members.clone());
    let mut chain = Chain::default();
    scene.told(&mut chain, &[left(gone), left(AgentId::from([1; 20]))]);
    scene.approve(scene.without(4), &[0, 1, 2]);
    scene.end_epoch();
    assert_eq!(scene.machine.machine.agent(gone), None);
    // That one left who is no member any more says nothing of a later membership.
    scene.told(&mut chain, &[left(gone)]);
    scene.approve(members, &[0, 1, 2]);
    scene.end_epoch();
    assert!(scene.machine.machine.agent(gone).unwrap().voter);
    scene.machine.does(1, &scene.keys[4], vec![propose(1)]);
    let marks = scene.machine.machine.pairs().filter(|(key, _)| key.starts_with(b"members/l"));
    assert_eq!(marks.count(), 0, "nothing of it is left");
}

#[test]
fn who_is_convicted_or_leaves_is_out_of_the_next_epoch() {
    for told in [convicted, leaving] {
        let mut scene = Scene::new(5);
        let gone = scene.keys[4].id();
        let mut chain = Chain::default();
        scene.told(&mut chain, &[told(gone)]);
        assert!(scene.machine.machine.change_pending());
        let replicas = scene.machine.machine.group().replicas();
        assert!(replicas.index_of(gone).is_some(), "not before the checkpoint");
        scene.end_epoch();
        let group = scene.machine.machine.group().clone();
        assert_eq!((group.epoch, group.replicas().len()), (Epoch(1), 4));
        let member = group.member(gone).expect("it still votes");
        assert_eq!((member.flags, member.weight), (FLAG_VOTER, 1));
        assert_eq!(scene.machine.machine.mandate(), None, "nobody's weight is altered");
        assert!(!scene.machine.machine.change_pending());
    }
}

#[test]
fn who_is_convicted_is_no_replica_again_and_who_left_may_be() {
    for (told, may_return) in [(convicted as fn(AgentId) -> InboxEvent, false), (leaving, true)] {
        let mut scene = Scene::new(5);
        let (gone, before) = (scene.keys[4].id(), scene.machine.group.members.clone());
        scene.told(&mut Chain::default(), &[told(gone)]);
        scene.end_epoch();
        assert_eq!(scene.machine.machine.is_convicted(gone), !may_return);
        if may_return {
            scene.approve(before, &[0, 1, 2]);
            scene.end_epoch();
            assert_eq!(scene.machine.machine.group().replicas().len(), 5);
            continue;
        }
        let group = scene.machine.machine.group().clone();
        let back = MembersChange { epoch: Epoch(1), members: before };
        let (propose, _) = propose_change(&group, &scene.keys[0], 0, &back);
        let nonce = scene.machine.nonce(&scene.keys[0]);
        let outcome = scene.machine.one(1, scene.keys[0].command(nonce, vec![propose]));
        assert_eq!(code(&outcome), "invalid_members_change");
        let Some(Refusal::Service { detail, .. }) = outcome.refusal() else { panic!() };
        assert!(detail.contains("convicted"), "{detail}");
    }
}

#[test]
fn who_is_nothing_but_a_replica_goes_as_a_whole() {
    for told in [convicted, leaving] {
        let (mut group, keys) = replicas(5);
        let at = group.members.iter().position(|member| member.agent == keys[4].id()).unwrap();
        (group.members[at].flags, group.members[at].weight) = (FLAG_REPLICA, 0);
        let mut scene = Scene { machine: Machine::new(&group), keys };
        let gone = scene.keys[4].id();
        scene.told(&mut Chain::default(), &[told(gone)]);
        scene.end_epoch();
        assert_eq!(scene.machine.machine.group().member(gone), None);
    }
}

#[test]
fn with_four_replicas_who_goes_waits_for_the_voters() {
    for told in [convicted, leaving] {
        let mut scene = Scene::new(4);
        let gone = scene.keys[3].id();
        scene.told(&mut Chain::default(), &[told(gone)]);
        assert!(!scene.machine.machine.change_pending(), "three replicas tolerate no fault");
        if scene.machine.machine.is_convicted(gone) {
            let same = scene.machine.group.members.clone();
            assert_eq!(scene.refuses(0, same), "invalid_members_change");
        }
        // Another in its place is sound, and it keeps its vote.
        let newcomer = Keys::new(60);
        let mut members = scene.with(3, |member| member.flags = FLAG_VOTER);
        let (agent, key) = (newcomer.id(), newcomer.key.public());
        members.push(Member { agent, key, weight: 0, flags: FLAG_REPLICA });
        members.sort_by_key(|member| member.agent);
        scene.approve(members, &[0, 1, 2]);
        scene.end_epoch();
        let replicas = scene.machine.machine.group().replicas();
        assert_eq!((replicas.len(), replicas.index_of(gone)), (4, None));
    }
}

#[test]
fn a_change_of_replicas_that_waits_is_amended() {
    for told in [convicted, leaving] {
        let mut scene = Scene::new(5);
        let newcomer = Keys::new(60);
        let mut members = scene.machine.group.members.clone();
        let (agent, key) = (newcomer.id(), newcomer.key.public());
        members.push(Member { agent, key, weight: 0, flags: FLAG_REPLICA });
        members.sort_by_key(|member| member.agent);
        scene.approve(members, &[0, 1, 2]);
        let gone = [scene.keys[4].id(), agent];
        scene.told(&mut Chain::default(), &gone.map(told));
        scene.end_epoch();
        let group = scene.machine.machine.group().clone();
        let replicas: Vec<_> = group.replicas().iter().map(|(_, member)| member.agent).collect();
        let expected: Vec<_> = scene.keys[..4].iter().map(Keys::id).collect();
        assert_eq!((group.epoch, replicas), (Epoch(1), expected));
    }
}

/// Proposed and half approved before the conviction of a replica that it names.
#[test]
fn a_change_that_names_a_replica_convicted_meanwhile_has_no_effect() {
    let mut scene = Scene::new(4);
    let same = MembersChange { epoch: Epoch(0), members: scene.machine.group.members.clone() };
    let (propose, id) = propose_change(&scene.machine.group, &scene.keys[0], 0, &same);
    scene.machine.does(1, &scene.keys[0], vec![propose, vote(id, Choice::For)]);
    let gone = scene.keys[3].id();
    scene.told(&mut Chain::default(), &[convicted(gone)]);
    for voter in [1, 2] {
        scene.machine.does(1, &scene.keys[voter], vec![vote(id, Choice::For)]);
    }
    assert_eq!(scene.machine.view(id).status, DecisionStatus::Approved.into());
    assert!(!scene.machine.machine.change_pending());
}

/// What the voters signed is taken as they signed it, or the contract would find no mandate for it. Whoever goes
/// meanwhile is left out of the epoch after it, which needs nobody's word.
#[test]
fn who_goes_while_a_mandated_change_waits_is_out_of_the_epoch_after_it() {
    for told in [convicted, leaving] {
        let mut scene = Scene::new(6);
        let gone = scene.keys[5].id();
        let signed = scene.with(0, |member| member.weight = 2);
        scene.approve(signed.clone(), &[0, 1, 2, 3]);
        scene.told(&mut Chain::default(), &[told(gone)]);

        let mut store = Store::default();
        store.save(scene.machine.machine.take_changes());
        let mut restored = store.restore(&scene.machine.group);
        assert_eq!(
            restored.end_epoch(quorate_protocol::Sequence(scene.machine.sequence)),
            Some(scene.end_epoch())
        );
        assert_eq!(restored.state_root(), scene.machine.machine.state_root());

        assert_eq!(scene.machine.machine.group().members, signed);
        assert!(scene.machine.machine.mandate().is_some());
        assert!(scene.machine.machine.change_pending(), "the next one is due with the next checkpoint");
        scene.machine.batch(2, &[]);
        scene.end_epoch();
        let group = scene.machine.machine.group().clone();
        assert_eq!((group.epoch, group.replicas().index_of(gone)), (Epoch(2), None));
        assert_eq!(scene.machine.machine.mandate(), None);
        assert!(!scene.machine.machine.change_pending(), "it is done with");
        let notices = scene.machine.machine.pairs().filter(|(key, _)| key.starts_with(b"machine/leaving"));
        assert_eq!(notices.count(), 0);
    }
}
