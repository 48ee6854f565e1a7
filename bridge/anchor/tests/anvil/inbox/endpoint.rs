//! An endpoint of a chain that is made up: it counts what it is asked, and may refuse, withhold or lie.

use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::Block;
use alloy::sol_types::SolValue;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use quorate_anchor::{AnchorError, BlockRef, InboxLook, InboxWatcher};
use quorate_protocol::{AgentId, GroupId, InboxMessage};
use serde_json::{Value, json};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const GROUP: [u8; 32] = [7; 32];
const GENESIS_S: u64 = 1_000;

/// The messages with their blocks, in order.
pub(super) type Messages = Vec<(u64, InboxMessage)>;
/// Changes events before they are given out.
type Lie = Box<dyn Fn(&mut Messages) + Send>;

/// Blocks that follow each other at one pace.
#[derive(Clone, Copy, Debug)]
struct Pace {
    first_block: u64,
    first_s: u64,
    blocks: u64,
    /// The seconds that so many blocks take.
    seconds: u64,
}

/// A chain with an inbox, and what its endpoint does with it.
pub(super) struct Chain {
    pub(super) messages: Messages,
    /// The contract's hash after each message.
    hashes: Vec<B256>,
    paces: Vec<Pace>,
    /// How often the chain became another one.
    fork: u64,
    /// The windows of blocks whose events were given out.
    pub(super) asked: Vec<(u64, u64)>,
    /// How many requests came, of whatever kind.
    pub(super) requests: u64,
    /// How many of them were for a block's header.
    pub(super) headers: u64,
    /// The most blocks that one question for events may cover.
    pub(super) most_blocks: Option<u64>,
    pub(super) lie: Option<Lie>,
}

pub(super) type Shared = Arc<Mutex<Chain>>;

impl Chain {
    /// A chain with two blocks a second, and one message in each of these blocks.
    pub(super) fn with(blocks: &[u64]) -> Shared {
        let mut chain = Self::of_pace(2, 1);
        blocks.iter().for_each(|block| chain.put(*block));
        Arc::new(Mutex::new(chain))
    }

    /// A chain without messages, of so many blocks in so many seconds.
    pub(super) fn of_pace(blocks: u64, seconds: u64) -> Self {
        Self {
            messages: Vec::new(),
            hashes: Vec::new(),
            paces: vec![Pace { first_block: 0, first_s: GENESIS_S, blocks, seconds }],
            fork: 0,
            asked: Vec::new(),
            requests: 0,
            headers: 0,
            most_blocks: None,
            lie: None,
        }
    }

    /// From the block after `last` on, blocks come at another pace.
    pub(super) fn change_pace(&mut self, last: u64, blocks: u64, seconds: u64) {
        let first_s = self.time_of(last);
        self.paces.push(Pace { first_block: last + 1, first_s, blocks, seconds });
    }

    /// The time of a block, in seconds.
    fn time_of(&self, block: u64) -> u64 {
        let pace =
            self.paces.iter().rfind(|pace| pace.first_block <= block).expect("the first is of block 0");
        pace.first_s + (block - pace.first_block) * pace.seconds / pace.blocks
    }

    /// Puts one more message into the inbox, in this block.
    pub(super) fn put(&mut self, block: u64) {
        let index = self.messages.len() as u64;
        let payload = vec![u8::try_from(index % 251).unwrap(); usize::try_from(index % 70).unwrap()];
        // Other chains have other messages.
        let kind = u8::try_from(self.fork % 200).unwrap();
        let (sender, enqueued_at) = (AgentId::from([5; 20]), self.time_of(block));
        self.push(block, InboxMessage { index, kind, sender, enqueued_at, payload });
    }

    fn push(&mut self, block: u64, message: InboxMessage) {
        assert!(self.messages.last().is_none_or(|(last, _)| *last <= block), "blocks come in their order");
        let before = self.hashes.last().copied().unwrap_or_default();
        self.hashes.push(chained(before, &message));
        self.messages.push((block, message));
    }

    /// Everything above block `last` is gone.
    pub(super) fn reorganise(&mut self, last: u64) {
        self.fork += 1;
        self.paces.retain(|pace| pace.first_block == 0 || pace.first_block <= last);
        self.messages.truncate(self.known(last));
        self.hashes.truncate(self.messages.len());
    }

    /// How many messages there are up to and with this block.
    pub(super) fn known(&self, block: u64) -> usize {
        self.messages.partition_point(|(at, _)| *at <= block)
    }

    pub(super) fn block(&self, number: u64) -> BlockRef {
        BlockRef { number, hash: B256::from(U256::from(number) | (U256::from(self.fork) << 64)) }
    }

    fn answer(&mut self, request: &Value) -> Result<Value, &'static str> {
        let parameters = &request["params"];
        let bytes = |value: &Value| -> Bytes { serde_json::from_value(value.clone()).expect("bytes") };
        let number =
            |value: &Value| -> u64 { serde_json::from_value::<U256>(value.clone()).expect("a number").to() };
        self.requests += 1;
        match request["method"].as_str().expect("a method") {
            "eth_call" => {
                let hash = B256::from_slice(&bytes(&parameters[1]));
                let block = U256::from_be_bytes(hash.0).as_limbs()[0];
                if hash != self.block(block).hash {
                    return Err("header not found");
                }
                let input = bytes(&parameters[0]["input"]);
                let known = self.known(block);
                let answer = if input[..4] == keccak256("inbox(bytes32)")[..4] {
                    (known as u64, 0u64, 0u64, 99u64).abi_encode()
                } else {
                    assert_eq!(input[..4], keccak256("inboxMessage(bytes32,uint64)")[..4]);
                    let index = usize::try_from(U256::from_be_slice(&input[36..68])).unwrap();
                    assert!(index < known, "nobody asks for what is not there");
                    (self.hashes[index], self.messages[index].1.enqueued_at).abi_encode()
                };
                Ok(json!(Bytes::from(answer)))
            }
            "eth_getBlockByNumber" => {
                self.headers += 1;
                let number = number(&parameters[0]);
                let mut block: Block = Block::default();
                block.header.hash = self.block(number).hash;
                block.header.inner.number = number;
                block.header.inner.timestamp = self.time_of(number);
                Ok(serde_json::to_value(block).expect("a block is JSON"))
            }
            "eth_getLogs" => {
                let filter = &parameters[0];
                self.events(number(&filter["fromBlock"]), number(&filter["toBlock"]))
            }
            method => panic!("{method} is not needed"),
        }
    }

    fn events(&mut self, oldest: u64, newest: u64) -> Result<Value, &'static str> {
        if self.most_blocks.is_some_and(|most| newest - oldest >= most) {
            return Err("query exceeds max block range");
        }
        self.asked.push((oldest, newest));
        let first = self.messages.partition_point(|(at, _)| *at < oldest);
        let mut events = self.messages[first..self.known(newest)].to_vec();
        if let Some(lie) = &self.lie {
            lie(&mut events);
        }
        Ok(events.iter().map(|(block, message)| self.event(*block, message)).collect())
    }

    fn event(&self, block: u64, message: &InboxMessage) -> Value {
        let signature = "Enqueued(bytes32,uint64,uint8,address,uint64,bytes,bytes32)";
        let topics = [
            keccak256(signature),
            B256::from(GROUP),
            B256::from(U256::from(message.index)),
            message.sender.0.into_word(),
        ];
        let hash = self.hashes.get(usize::try_from(message.index).unwrap()).copied().unwrap_or_default();
        let data =
            (U256::from(message.kind), message.enqueued_at, Bytes::from(message.payload.clone()), hash)
                .abi_encode_params();
        json!({
            "address": CONTRACT, "topics": topics, "data": Bytes::from(data), "blockNumber": U256::from(block),
            "blockHash": self.block(block).hash, "transactionHash": B256::repeat_byte(3),
            "transactionIndex": "0x0", "logIndex": "0x0", "removed": false,
        })
    }
}

/// The hash after a message, computed as the contract does.
fn chained(before: B256, message: &InboxMessage) -> B256 {
    let InboxMessage { index, kind, sender, enqueued_at, payload } = message;
    let words = [
        before,
        B256::from(U256::from(*index)),
        B256::from(U256::from(*kind)),
        sender.0.into_word(),
        B256::from(U256::from(*enqueued_at)),
        keccak256(payload),
    ];
    keccak256(words.concat())
}

async fn answer(State(chain): State<Shared>, Json(request): Json<Value>) -> Json<Value> {
    let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
    match chain.lock().unwrap().answer(&request) {
        Ok(result) => answer["result"] = result,
        Err(reason) => answer["error"] = json!({ "code": -32000, "message": reason }),
    }
    Json(answer)
}

/// A node with a watcher of a chain's inbox: it takes messages in the order that it is told of them.
pub(super) struct Reader {
    pub(super) chain: Shared,
    provider: DynProvider,
    watcher: InboxWatcher,
    /// How many messages are taken.
    pub(super) taken: u64,
}

impl Reader {
    /// Starts the endpoint of `chain`, and a node that has taken nothing.
    pub(super) async fn start(chain: &Shared) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(answer)).with_state(Arc::clone(chain));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let provider = ProviderBuilder::new().connect_http(url.parse().unwrap()).erased();
        let watcher = InboxWatcher::new(provider.clone(), CONTRACT, GroupId::from(GROUP));
        Self { chain: Arc::clone(chain), provider, watcher, taken: 0 }
    }

    /// Starts the node anew: what it has taken is all that it knows.
    pub(super) fn restart(&mut self) {
        self.watcher = InboxWatcher::new(self.provider.clone(), CONTRACT, GroupId::from(GROUP));
    }

    /// Looks at the inbox as of the block of this number.
    pub(super) async fn look(&mut self, number: u64) -> Result<InboxLook, AnchorError> {
        self.look_after(number, false).await
    }

    /// The same, where the chain may have been `reorganised`.
    pub(super) async fn look_after(
        &mut self,
        number: u64,
        reorganised: bool,
    ) -> Result<InboxLook, AnchorError> {
        let block = self.chain.lock().unwrap().block(number);
        let seen = self.watcher.look(block, reorganised, self.taken).await?;
        let first = usize::try_from(self.taken).unwrap();
        let chain = self.chain.lock().unwrap();
        assert_eq!(seen.length, chain.known(number) as u64);
        let expected = chain.messages[..chain.known(number)].iter().skip(first).map(|(_, message)| message);
        assert!(seen.messages.len() <= 256);
        assert!(
            seen.messages.iter().eq(expected.take(seen.messages.len())),
            "in order, in full, the chain's own"
        );
        Ok(seen)
    }

    /// Looks, and takes all that it is told. Returns how much that was.
    pub(super) async fn read(&mut self, number: u64) -> Result<u64, AnchorError> {
        let found = self.look(number).await?.messages.len() as u64;
        self.taken += found;
        Ok(found)
    }
}

pub(super) fn indices(view: &InboxLook) -> Vec<u64> {
    view.messages.iter().map(|message| message.index).collect()
}
