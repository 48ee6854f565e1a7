//! That the actors' lies are what they claim to be: believable where they should be, refused where they must
//! be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_node::frame::Frame;
use quorate_pbft::certificate::SignedVote;
use quorate_pbft::message::{NewView, ViewChange};
use quorate_pbft::{Batch, Context, Message, PreparedCertificate, ReplicaKeys, verify};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Checkpoint, Class, Command, Digest, Epoch, Group, GroupId, GroupIdentity,
    Member, Nonce, Operation, ReplicaIndex, Sequence, Signature, SignedCheckpoint, SignedCommand, Terms,
    TimestampMs, View, domain,
};

use super::bad_new_view::{BadNewView, Flaw};
use super::corrupt_transfer::bogus_certificate;
use super::forged_view_change::{ForgedViewChange, Lie};
use super::seen::Seen;
use super::{ActorKind, Said, Stage, TICK_MS};
use crate::random::Random;

/// Four replicas with all their keys, and what one of them needs to act.
struct Party {
    context: Arc<Context>,
    keys: Vec<ReplicaKeys>,
    random: Random,
    now_ms: u64,
}

impl Party {
    fn new(seed: u64) -> Self {
        let mut keys: Vec<ReplicaKeys> = (1..=4)
            .map(|i| ReplicaKeys {
                agent: AgentKey::from_secret(&[i; 32]),
                account: AccountKey::from_secret(&[i; 32]).unwrap(),
            })
            .collect();
        keys.sort_by_key(|keys| keys.account.address());
        let member = |keys: &ReplicaKeys| Member {
            agent: AgentId(keys.account.address()),
            key: keys.agent.public(),
            weight: 1,
            flags: FLAG_VOTER | FLAG_REPLICA,
        };
        let identity = GroupIdentity {
            chain_id: 31_337,
            contract: AgentId::from([0xcc; 20]),
            group: GroupId::from([0x11; 32]),
        };
        let terms = Terms::of_class(Class::of_weight(3, 4, 60));
        let group = Group {
            identity,
            account: AgentId::from([0xac; 20]),
            epoch: Epoch(0),
            members: keys.iter().map(member).collect(),
            terms,
            voters_since: Epoch(0),
        };
        let context = Arc::new(Context::of(&group, Sequence(0)));
        Self { context, keys, random: Random::new(seed), now_ms: 0 }
    }

    /// The stage of the replica at `index`.
    fn stage(&mut self, index: usize) -> Stage<'_> {
        Stage {
            now_ms: self.now_ms,
            wall: TimestampMs(1_700_000_000_000 + self.now_ms),
            keys: &self.keys[index],
            me: AgentId(self.keys[index].account.address()),
            context: &self.context,
            view_timeout_ms: 2_000,
            random: &mut self.random,
        }
    }

    fn agent(&self, index: usize) -> AgentId {
        AgentId(self.keys[index].account.address())
    }

    fn batch(&self, nonces: std::ops::Range<u64>) -> Batch {
        let key = AgentKey::from_secret(&[9; 32]);
        let command = |nonce| Command {
            group: self.context.identity.group,
            agent: AgentId::from([9; 20]),
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![Operation { service: "proposals".into(), body: vec![1] }],
        };
        let commands = nonces.map(|nonce| SignedCommand::sign(command(nonce), &key)).collect();
        Batch { timestamp: TimestampMs(1_700_000_000_000), checkpoint: false, commands }
    }

    /// The proof that everybody prepared a batch in view 0.
    fn certificate(&mut self, sequence: u64) -> PreparedCertificate {
        let (view, sequence) = (View(0), Sequence(sequence));
        let digest = self.batch(sequence.0..sequence.0 + 2).digest(&self.context);
        let pre_prepare = self.stage(0).vote_signature(domain::PRE_PREPARE, view, sequence, digest);
        let prepares = [1, 2].map(|by| SignedVote {
            replica: ReplicaIndex(by),
            signature: self.stage(by.into()).vote_signature(domain::PREPARE, view, sequence, digest),
        });
        PreparedCertificate { view, sequence, digest, pre_prepare, prepares: prepares.to_vec() }
    }

    /// Replica `by` wants view 1 and shows two batches.
    fn view_change(&mut self, by: usize, prepared: &[PreparedCertificate]) -> ViewChange {
        let unsigned = ViewChange {
            view: View(1),
            stable: None,
            prepared: prepared.to_vec(),
            replica: ReplicaIndex(0),
            signature: Signature([0; 64]),
        };
        self.stage(by).signed_view_change(unsigned)
    }

    /// Whether a correct replica believes what came over the link of `from`.
    fn believes(&self, from: usize, message: &Message) -> bool {
        let checks = verify::checks(&self.context, ReplicaIndex(from as u16), message);
        checks.is_ok_and(|checks| verify_all(&checks.all()))
    }

    /// What the node of replica 0, the primary of view 0, would say.
    fn traffic(&mut self, sequence: u64) -> Vec<Message> {
        let batch = self.batch(sequence * 3..sequence * 3 + 3);
        let checkpoint = Checkpoint {
            group: self.context.identity.group,
            epoch: Epoch(0),
            sequence: Sequence(sequence),
            log_size: sequence,
            log_root: Digest::of(&[b"log"]),
            state_root: Digest::of(&[b"state"]),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest::default(),
        };
        let stage = self.stage(0);
        let signed = SignedCheckpoint::sign(&stage.context.identity, checkpoint, &stage.keys.account);
        let proposal = stage.pre_prepare(View(0), Sequence(sequence), batch);
        let commit = stage.commit(View(0), Sequence(sequence), proposal.digest);
        vec![Message::PrePrepare(proposal), commit, Message::Checkpoint(signed)]
    }

    /// Everything that an actor of replica 0 says in some seconds, with the traffic of its node.
    fn perform(&mut self, kind: ActorKind, ticks: u64) -> Vec<Said> {
        let mut actor = kind.make(&mut self.random);
        let mut said = Vec::new();
        for tick in 1..=ticks {
            self.now_ms += TICK_MS;
            for message in self.traffic(tick) {
                let frame = Frame::Consensus { epoch: Epoch(0), message };
                for to in 1..4 {
                    let to = self.agent(to);
                    said.extend(actor.outgoing(&mut self.stage(0), to, frame.clone()));
                }
            }
            let from = self.agent(1);
            let digest = Digest::of(&[&tick.to_be_bytes()]);
            let message = self.stage(1).prepare(View(0), Sequence(tick), digest);
            actor.incoming(&mut self.stage(0), from, &Frame::Consensus { epoch: Epoch(0), message });
            said.extend(actor.tick(&mut self.stage(0)));
        }
        said
    }
}

fn digests(said: &[Said]) -> Vec<Digest> {
    said.iter()
        .map(|said| Digest::of(&[said.to.as_bytes(), &said.delay_ms.to_be_bytes(), &said.bytes]))
        .collect()
}

#[test]
fn every_actor_has_its_name_and_does_the_same_under_the_same_seed() {
    for kind in ActorKind::ALL {
        assert_eq!(ActorKind::named(kind.name()), Some(kind));
        let [once, again] = [(); 2].map(|()| digests(&Party::new(7).perform(kind, 30)));
        assert_eq!(once, again, "{}", kind.name());
    }
}

#[test]
fn who_keeps_the_rules_says_nothing_that_is_refused() {
    for kind in ActorKind::ALL.into_iter().filter(|kind| !kind.breaks_rules()) {
        for seed in 0..4 {
            let mut party = Party::new(seed);
            for said in party.perform(kind, 15) {
                let frame = Frame::decode(&said.bytes).expect("a frame");
                if let Frame::Consensus { message, .. } = frame {
                    assert!(party.believes(0, &message), "{}: {message:?}", kind.name());
                }
            }
        }
    }
}

#[test]
fn no_actor_says_more_than_twenty_frames_a_tick_of_its_own() {
    const TICKS: u64 = 60;
    for kind in ActorKind::ALL {
        for seed in 0..3 {
            let said = Party::new(seed).perform(kind, TICKS).len() as u64;
            // The node's own nine frames a tick, which an equivocator makes four of each proposal.
            assert!(said <= TICKS * (9 + 20), "{} says {said}", kind.name());
        }
    }
}

#[test]
fn an_equivocator_signs_two_believable_batches_for_one_sequence() {
    let forks = (0..20).filter(|&seed| {
        let mut party = Party::new(seed);
        let said = party.perform(ActorKind::EquivocatingPrimary, 10);
        let mut proposed: BTreeMap<Sequence, BTreeSet<Digest>> = BTreeMap::new();
        for said in said {
            let frame = Frame::decode(&said.bytes).unwrap();
            if let Frame::Consensus { message, .. } = frame
                && let Message::PrePrepare(proposal) = &message
            {
                assert!(party.believes(0, &message));
                proposed.entry(proposal.sequence).or_default().insert(proposal.digest);
            }
        }
        assert!(proposed.values().all(|digests| digests.len() <= 2));
        proposed.values().any(|digests| digests.len() == 2)
    });
    assert!(forks.count() >= 5);
}

#[test]
fn a_view_change_with_a_spoilt_certificate_is_refused_and_a_forgetful_one_is_not() {
    let mut party = Party::new(3);
    let prepared = [party.certificate(1), party.certificate(2)];
    for shown in [&prepared[..], &[]] {
        let honest = party.view_change(3, shown);
        assert!(party.believes(3, &Message::ViewChange(honest.clone())));
        for lie in Lie::ALL {
            let mut seen = Seen::default();
            seen.stable.push_back(bogus_certificate(&mut party.stage(3)));
            let forged = match lie {
                Lie::StaleCheckpoint => {
                    ForgedViewChange::forge(&mut party.stage(3), &Seen::default(), &honest, lie)
                }
                _ => ForgedViewChange::forge(&mut party.stage(3), &seen, &honest, lie),
            };
            let sound =
                matches!(lie, Lie::Forget | Lie::StaleCertificates | Lie::StaleCheckpoint | Lie::FarAhead);
            assert_eq!(party.believes(3, &Message::ViewChange(forged)), sound, "{lie:?}");
        }
    }
}

#[test]
fn a_new_view_that_does_not_follow_is_refused_and_the_second_sound_one_is_not() {
    let mut party = Party::new(4);
    let prepared = [party.certificate(1), party.certificate(2)];
    // Replica 1 opens view 1. It alone shows the second batch.
    let view_changes = vec![
        party.view_change(0, &prepared[..1]),
        party.view_change(1, &prepared),
        party.view_change(2, &[]),
    ];
    let proposals: Vec<_> = prepared.iter().map(|proof| (proof.sequence, proof.digest)).collect();
    let honest: NewView = party.stage(1).new_view(View(1), view_changes, &proposals);
    assert!(party.believes(1, &Message::NewView(honest.clone())));
    for flaw in Flaw::ALL {
        let bad = BadNewView::spoil(&mut party.stage(1), &honest, flaw);
        assert_ne!(bad, honest);
        let forgets = flaw == Flaw::Other;
        assert_eq!(party.believes(1, &Message::NewView(bad.clone())), forgets, "{flaw:?}");
        assert_eq!(bad.reproposals.len() == 1, forgets || flaw == Flaw::Drop, "{flaw:?}");
    }
}

#[test]
fn wrong_checkpoints_are_well_signed_and_a_certificate_of_one_is_refused() {
    let mut party = Party::new(5);
    let mut wrong = 0;
    for said in party.perform(ActorKind::WrongAttestation, 60) {
        let frame = Frame::decode(&said.bytes).unwrap();
        if let Frame::Consensus { message, .. } = frame
            && message.kind() == "checkpoint"
        {
            assert!(party.believes(0, &message));
            wrong += usize::from(matches!(
                &message,
                Message::Checkpoint(signed) if signed.checkpoint.state_root != Digest::of(&[b"state"])
            ));
        }
    }
    assert!(wrong > 0);
    let bogus = bogus_certificate(&mut party.stage(0));
    assert!(!party.believes(0, &Message::Stable(bogus)));
}
