//! The service tells its node what the contract's inbox has, whether it submits anything or not.

use alloy::primitives::Bytes;
use quorate_anchor::Settings;
use quorate_contracts::AgentCoordinator;

use crate::chain::{Anvil, Deployment};
use crate::{LIMIT, Replica, settings, until};

impl Deployment {
    /// Puts a command into the inbox, from the first replica's account.
    async fn enqueue(&self, payload: &'static [u8]) {
        let identity = self.group.identity;
        let coordinator = AgentCoordinator::new(identity.contract.0, &self.provider);
        let call = coordinator.enqueue(identity.group.0, Bytes::from_static(payload));
        let sent = call.from(self.keys[0].address()).send().await.unwrap();
        assert!(sent.get_receipt().await.unwrap().status(), "the inbox takes it");
    }
}

#[tokio::test]
async fn a_node_that_submits_nothing_is_told_of_the_inbox_from_where_it_lacks_it() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let watching = Settings { submit: false, ..settings() };
    let mut replica = Replica::start(&anvil.url(), watching, &deployment.group, &deployment.keys[1]).await;
    for payload in [b"one".as_slice(), b"two", b"three"] {
        deployment.enqueue(payload).await;
    }
    let all = replica.inbox.wait_for(|view| view.end() == 3);
    let all = tokio::time::timeout(LIMIT, all).await.expect("in time").unwrap().clone();
    assert!(all.is_contiguous() && all.first == 0);
    let payloads: Vec<_> = all.messages.iter().map(|message| message.payload.as_slice()).collect();
    assert_eq!(payloads, [b"one".as_slice(), b"two", b"three"]);
    assert_eq!(all.messages[2].sender.0, deployment.keys[0].address());
    let inbox = replica.handle.status().inbox;
    assert_eq!((inbox.length, inbox.taken), (3, 0));

    // What the log has taken is told no more.
    replica.taken.send_replace(2);
    let rest = replica.inbox.wait_for(|view| view.first == 2);
    let rest = tokio::time::timeout(LIMIT, rest).await.expect("in time").unwrap().clone();
    assert_eq!(rest.messages[..], all.messages[2..]);
    replica.taken.send_replace(3);
    deployment.enqueue(b"four").await;
    until("the next message is told", async || {
        let view = replica.inbox.borrow().clone();
        view.first == 3 && view.end() == 4
    })
    .await;
    replica.handle.shutdown().await;
}
