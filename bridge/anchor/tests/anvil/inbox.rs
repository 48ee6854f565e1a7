//! Reading the inbox from an endpoint that counts what it is asked, and may lie. The contract behind it is made up: it
//! needs no chain.

use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::sol_types::SolValue;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use quorate_anchor::{AnchorError, BlockRef, InboxLook, InboxWatcher};
use quorate_protocol::{AgentId, GroupId, InboxMessage};
use serde_json::{Value, json};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const GROUP: [u8; 32] = [7; 32];

/// The messages with their blocks, in order.
type Messages = Vec<(u64, InboxMessage)>;
/// Changes events before they are given out.
type Lie = fn(&mut Messages);

/// A chain with an inbox, and what its endpoint does with it.
#[derive(Default)]
struct Chain {
    messages: Messages,
    /// The windows that were asked for.
    asked: Vec<(u64, u64)>,
    /// The most blocks that one question may cover.
    most_blocks: Option<u64>,
    lie: Option<Lie>,
}

type Shared = Arc<Mutex<Chain>>;

fn hash_of(block: u64) -> B256 {
    B256::from(U256::from(block))
}

fn message(index: u64) -> InboxMessage {
    let payload = vec![u8::try_from(index % 251).unwrap(); usize::try_from(index % 70).unwrap()];
    InboxMessage { index, kind: 1, sender: AgentId::from([5; 20]), enqueued_at: 1_000 + index, payload }
}

/// The hashes up to and including each message, computed as the contract does.
fn chained(messages: &[(u64, InboxMessage)]) -> Vec<B256> {
    let mut hash = B256::ZERO;
    let mut next = |(_, message): &(u64, InboxMessage)| {
        let InboxMessage { index, kind, sender, enqueued_at, payload } = message;
        let words = [
            hash,
            B256::from(U256::from(*index)),
            B256::from(U256::from(*kind)),
            sender.0.into_word(),
            B256::from(U256::from(*enqueued_at)),
            keccak256(payload),
        ];
        hash = keccak256(words.concat());
        hash
    };
    messages.iter().map(&mut next).collect()
}

impl Chain {
    fn with(blocks: &[u64]) -> Shared {
        let messages = (0..).zip(blocks).map(|(index, block)| (*block, message(index))).collect();
        Arc::new(Mutex::new(Self { messages, ..Self::default() }))
    }

    fn answer(&mut self, request: &Value) -> Result<Value, &'static str> {
        let parameters = &request["params"];
        let bytes = |value: &Value| -> Bytes { serde_json::from_value(value.clone()).expect("bytes") };
        let number =
            |value: &Value| -> u64 { serde_json::from_value::<U256>(value.clone()).expect("a number").to() };
        match request["method"].as_str().expect("a method") {
            "eth_call" => {
                let block = U256::from_be_slice(&bytes(&parameters[1])).to::<u64>();
                let input = bytes(&parameters[0]["input"]);
                let known: Vec<_> = self.messages.iter().filter(|(at, _)| *at <= block).cloned().collect();
                let answer = if input[..4] == keccak256("inbox(bytes32)")[..4] {
                    (known.len() as u64, 0u64, 99u64).abi_encode()
                } else {
                    assert_eq!(input[..4], keccak256("inboxMessage(bytes32,uint64)")[..4]);
                    let index = U256::from_be_slice(&input[36..68]).to::<u64>();
                    assert!(index < known.len() as u64, "the contract would revert");
                    (chained(&known)[usize::try_from(index).unwrap()], 1_000 + index).abi_encode()
                };
                Ok(json!(Bytes::from(answer)))
            }
            "eth_getLogs" => {
                let filter = &parameters[0];
                let (oldest, newest) = (number(&filter["fromBlock"]), number(&filter["toBlock"]));
                if self.most_blocks.is_some_and(|most| newest - oldest >= most) {
                    return Err("query exceeds max block range");
                }
                self.asked.push((oldest, newest));
                let mut events: Vec<_> =
                    self.messages.iter().filter(|(at, _)| (oldest..=newest).contains(at)).cloned().collect();
                if let Some(lie) = self.lie {
                    lie(&mut events);
                }
                let hashes = chained(&self.messages);
                Ok(events.iter().map(|(block, message)| event(*block, message, &hashes)).collect())
            }
            method => panic!("{method} is not needed"),
        }
    }
}

fn event(block: u64, message: &InboxMessage, hashes: &[B256]) -> Value {
    let signature = "Enqueued(bytes32,uint64,uint8,address,uint64,bytes,bytes32)";
    let topics = [
        keccak256(signature),
        B256::from(GROUP),
        B256::from(U256::from(message.index)),
        message.sender.0.into_word(),
    ];
    let hash = hashes.get(usize::try_from(message.index).unwrap()).copied().unwrap_or_default();
    let data = (U256::from(message.kind), message.enqueued_at, Bytes::from(message.payload.clone()), hash)
        .abi_encode_params();
    json!({
        "address": CONTRACT, "topics": topics, "data": Bytes::from(data), "blockNumber": U256::from(block),
        "blockHash": hash_of(block), "transactionHash": B256::repeat_byte(3), "transactionIndex": "0x0",
        "logIndex": "0x0", "removed": false,
    })
}

async fn answer(State(chain): State<Shared>, Json(request): Json<Value>) -> Json<Value> {
    let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
    match chain.lock().unwrap().answer(&request) {
        Ok(result) => answer["result"] = result,
        Err(reason) => answer["error"] = json!({ "code": -32000, "message": reason }),
    }
    Json(answer)
}

/// A watcher of this chain's inbox.
async fn watch(chain: &Shared) -> InboxWatcher {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/", post(answer)).with_state(Arc::clone(chain));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let provider = ProviderBuilder::new().connect_http(url.parse().unwrap()).erased();
    InboxWatcher::new(provider, CONTRACT, GroupId::from(GROUP))
}

async fn look(watcher: &mut InboxWatcher, block: u64, from: u64) -> Result<InboxLook, AnchorError> {
    watcher.look(BlockRef { number: block, hash: hash_of(block) }, false, from).await
}

fn indices(view: &InboxLook) -> Vec<u64> {
    view.messages.iter().map(|message| message.index).collect()
}

#[tokio::test]
async fn messages_are_searched_back_in_bounded_windows_and_no_block_twice() {
    let chain = Chain::with(&[10, 700, 11_100, 11_101]);
    let mut watcher = watch(&chain).await;
    let mut looks = Vec::new();
    for _ in 0..3 {
        let view = look(&mut watcher, 12_000, 0).await.unwrap();
        assert_eq!((view.length, view.taken, view.deadline_s), (4, 0, 99));
        looks.push(view.messages.len());
    }
    assert_eq!(looks, [0, 0, 4], "ten windows of 500 blocks a look, and none without the first message");
    let asked = std::mem::take(&mut chain.lock().unwrap().asked);
    let blocks: u64 = asked.iter().map(|(oldest, newest)| newest - oldest + 1).sum();
    assert_eq!((asked.len(), blocks), (24, 12_000), "and no further than to the first message");
    assert!(asked.windows(2).all(|pair| pair[1].1 + 1 == pair[0].0), "from the top down: {asked:?}");

    // What is known is not asked for again, and a new message only in new blocks.
    assert_eq!(indices(&look(&mut watcher, 12_050, 1).await.unwrap()), [1, 2, 3]);
    assert!(chain.lock().unwrap().asked.is_empty());
    chain.lock().unwrap().messages.push((12_060, message(4)));
    let view = look(&mut watcher, 12_059, 3).await.unwrap();
    assert_eq!((view.length, indices(&view)), (4, vec![3]), "the final block does not have it yet");
    let view = look(&mut watcher, 12_060, 3).await.unwrap();
    assert_eq!(view.messages, [message(3), message(4)]);
    assert_eq!(std::mem::take(&mut chain.lock().unwrap().asked), [(12_001, 12_060)]);
}

#[tokio::test]
async fn nothing_that_does_not_fit_the_contracts_hash_is_given_out() {
    let lies: [Lie; 5] = [
        |events| events[1].1.payload = b"pay me".to_vec(),
        |events| events[1].1.sender = AgentId::default(),
        |events| events[2].1.enqueued_at += 1,
        |events| {
            events[0].1.index = 1;
            events[1].1.index = 0;
        },
        |events| events.insert(0, (20, InboxMessage { kind: 9, ..message(2) })),
    ];
    for lie in lies {
        let chain = Chain::with(&[20, 20, 21, 25]);
        let mut watcher = watch(&chain).await;
        chain.lock().unwrap().lie = Some(lie);
        let error = look(&mut watcher, 30, 0).await.expect_err("it is a lie");
        assert!(matches!(error, AnchorError::WrongMessage { .. }), "{error}");
        chain.lock().unwrap().lie = None;
        assert_eq!(
            indices(&look(&mut watcher, 30, 0).await.unwrap()),
            [0, 1, 2, 3],
            "the truth is taken later"
        );
    }
}

#[tokio::test]
async fn a_message_that_is_withheld_holds_up_those_after_it_until_it_comes() {
    let chain = Chain::with(&[20, 20, 21, 25]);
    let mut watcher = watch(&chain).await;
    chain.lock().unwrap().lie = Some(|events| events.retain(|(_, message)| message.index != 1));
    for _ in 0..3 {
        let view = look(&mut watcher, 30, 0).await.unwrap();
        assert_eq!((view.length, indices(&view)), (4, vec![0]), "the length says that more are there");
    }
    let windows = chain.lock().unwrap().asked.len();
    assert!(windows <= 6, "it is asked again, and not in a hurry: {windows}");
    chain.lock().unwrap().lie = Some(|events| {
        // And what nobody asked for is passed over.
        events.push((24, message(70)));
    });
    assert_eq!(indices(&look(&mut watcher, 30, 0).await.unwrap()), [0, 1, 2, 3]);
}

#[tokio::test]
async fn after_a_reorganisation_everything_is_searched_anew() {
    let chain = Chain::with(&[20, 21, 25]);
    let mut watcher = watch(&chain).await;
    assert_eq!(indices(&look(&mut watcher, 30, 0).await.unwrap()), [0, 1, 2]);
    let other = InboxMessage { kind: 2, ..message(1) };
    chain.lock().unwrap().messages = vec![(20, message(0)), (23, other.clone())];
    let block = BlockRef { number: 30, hash: hash_of(30) };
    let view = watcher.look(block, true, 0).await.unwrap();
    assert_eq!((view.length, view.messages), (2, vec![message(0), other.clone()]));

    // Unnoticed, what was found before no longer fits, and is found anew after that.
    chain.lock().unwrap().messages = vec![(20, message(0)), (23, message(1))];
    assert!(matches!(look(&mut watcher, 30, 0).await, Err(AnchorError::WrongMessage { index: 1 })));
    assert_eq!(look(&mut watcher, 30, 0).await.unwrap().messages, [message(0), message(1)]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_long_ranges_is_asked_for_shorter_ones() {
    let chain = Chain::with(&[100, 900]);
    chain.lock().unwrap().most_blocks = Some(100);
    let mut watcher = watch(&chain).await;
    let mut refused = 0;
    let view = loop {
        match look(&mut watcher, 1_000, 0).await {
            Ok(view) if view.messages.len() == 2 => break view,
            Ok(_) => {}
            Err(AnchorError::Unreachable { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(refused < 40, "it ends");
    };
    assert_eq!(indices(&view), [0, 1]);
}

#[tokio::test]
async fn a_long_inbox_is_held_in_part_and_read_in_full() {
    let blocks: Vec<u64> = (0..1_000).map(|index| 50 + index / 3).collect();
    let chain = Chain::with(&blocks);
    let mut watcher = watch(&chain).await;
    let mut from = 0;
    for _ in 0..20 {
        let view = look(&mut watcher, 3_000, from).await.unwrap();
        assert!(view.messages.len() <= 256);
        let expected: Vec<u64> = (from..).take(view.messages.len()).collect();
        assert_eq!(indices(&view), expected);
        from += view.messages.len() as u64;
    }
    assert_eq!(from, 1_000);

    // While nobody takes any, nothing is searched again and again.
    let mut watcher = watch(&chain).await;
    for _ in 0..3 {
        look(&mut watcher, 3_000, 0).await.unwrap();
    }
    chain.lock().unwrap().asked.clear();
    for _ in 0..5 {
        assert_eq!(look(&mut watcher, 3_000, 0).await.unwrap().messages.len(), 256);
    }
    assert!(chain.lock().unwrap().asked.is_empty());
}
