//! Reading the inbox from an endpoint that counts what it is asked, and may lie. The contract behind it is made up: it
//! needs no chain.

mod endpoint;
mod floods;
mod histories;

use quorate_anchor::AnchorError;
use quorate_protocol::{AgentId, InboxMessage};

use self::endpoint::{Chain, Messages, Reader, indices};

#[tokio::test]
async fn messages_are_read_oldest_first_and_no_block_is_read_twice() {
    let chain = Chain::with(&[10, 700, 11_100, 11_101]);
    let mut reader = Reader::start(&chain).await;
    let view = reader.look(12_000).await.unwrap();
    assert_eq!((view.length, view.taken), (4, 0));
    assert_eq!((indices(&view), view.trouble), (vec![0, 1, 2, 3], None));
    let asked = std::mem::take(&mut chain.lock().unwrap().asked);
    assert_eq!(
        asked,
        [(10, 509), (510, 1_009), (1_010, 1_509), (11_100, 11_599)],
        "what is near is read, what is far is located"
    );
    let headers = chain.lock().unwrap().headers;
    assert!(headers <= 2 * 14 + 1, "two bisections of 12,000 blocks: {headers}");

    // What is known is not asked for again, and a new message only in new blocks.
    reader.taken = 1;
    assert_eq!(indices(&reader.look(12_050).await.unwrap()), [1, 2, 3]);
    assert!(chain.lock().unwrap().asked.is_empty());
    chain.lock().unwrap().put(12_060);
    reader.taken = 3;
    let view = reader.look(12_059).await.unwrap();
    assert_eq!((view.length, indices(&view)), (4, vec![3]), "the final block does not have it yet");
    let view = reader.look(12_060).await.unwrap();
    assert_eq!(indices(&view), [3, 4]);
    assert_eq!(std::mem::take(&mut chain.lock().unwrap().asked), [(12_060, 12_060)]);
}

#[tokio::test]
async fn nothing_that_does_not_fit_the_contracts_hash_is_given_out() {
    let lies: [fn(&mut Messages); 5] = [
        |events| events[1].1.payload = b"pay me".to_vec(),
        |events| events[1].1.sender = AgentId::default(),
        |events| events[2].1.enqueued_at += 1,
        |events| {
            events[0].1.index = 1;
            events[1].1.index = 0;
        },
        |events| {
            let third = events[2].1.clone();
            events.insert(0, (20, InboxMessage { kind: 9, ..third }));
        },
    ];
    for lie in lies {
        let chain = Chain::with(&[20, 20, 21, 25]);
        let mut reader = Reader::start(&chain).await;
        chain.lock().unwrap().lie = Some(Box::new(lie));
        let error = reader.look(30).await.expect_err("it is a lie");
        assert!(matches!(error, AnchorError::WrongMessage { .. }), "{error}");
        chain.lock().unwrap().lie = None;
        assert_eq!(indices(&reader.look(30).await.unwrap()), [0, 1, 2, 3], "the truth is taken later");
    }
}

#[tokio::test]
async fn a_message_that_is_withheld_holds_up_those_after_it_until_it_comes() {
    let chain = Chain::with(&[20, 20, 21, 25]);
    let mut reader = Reader::start(&chain).await;
    chain.lock().unwrap().lie = Some(Box::new(|events| events.retain(|(_, message)| message.index != 1)));
    for round in 0..3 {
        let view = reader.look(30).await.unwrap();
        assert_eq!((view.length, indices(&view)), (4, vec![0]), "the length says that more are there");
        // Endpoints are often a moment late. That is not worth a word.
        assert_eq!(view.trouble, (round > 0).then_some(AnchorError::Withheld { index: 1 }));
    }
    let windows = chain.lock().unwrap().asked.len();
    assert!(windows <= 6, "it is asked again, and not in a hurry: {windows}");
    // And what nobody asked for is passed over.
    let unknown = InboxMessage { index: 70, ..chain.lock().unwrap().messages[0].1.clone() };
    chain.lock().unwrap().lie = Some(Box::new(move |events| events.push((24, unknown.clone()))));
    let view = reader.look(30).await.unwrap();
    assert_eq!((indices(&view), view.trouble), (vec![0, 1, 2, 3], None));
}

#[tokio::test]
async fn after_a_reorganisation_everything_is_searched_anew() {
    let chain = Chain::with(&[20, 21, 25]);
    let mut reader = Reader::start(&chain).await;
    assert_eq!(indices(&reader.look(30).await.unwrap()), [0, 1, 2]);
    chain.lock().unwrap().reorganise(20);
    chain.lock().unwrap().put(23);
    assert_eq!(indices(&reader.look_after(30, true).await.unwrap()), [0, 1]);

    // Unnoticed, what was found before no longer fits, and is found anew after that.
    chain.lock().unwrap().reorganise(20);
    chain.lock().unwrap().put(27);
    assert!(matches!(reader.look(30).await, Err(AnchorError::WrongMessage { index: 1 })));
    assert_eq!(indices(&reader.look(30).await.unwrap()), [0, 1]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_long_ranges_is_asked_for_shorter_ones() {
    let chain = Chain::with(&[100, 900]);
    chain.lock().unwrap().most_blocks = Some(100);
    let mut reader = Reader::start(&chain).await;
    for round in 0.. {
        assert!(round < 3, "it ends");
        let view = reader.look(1_000).await.unwrap();
        assert_eq!(view.trouble, None, "that is no trouble");
        if view.messages.len() == 2 {
            break;
        }
    }
    chain.lock().unwrap().most_blocks = Some(0);
    chain.lock().unwrap().put(1_100);
    let view = reader.look(1_200).await.unwrap();
    assert_eq!(indices(&view), [0, 1], "what was found is told all the same");
    assert!(matches!(view.trouble, Some(AnchorError::Unreachable { .. })), "{:?}", view.trouble);
}

#[tokio::test]
async fn a_long_inbox_is_held_in_part_and_read_in_full() {
    let blocks: Vec<u64> = (0..1_000).map(|index| 50 + index / 3).collect();
    let chain = Chain::with(&blocks);
    let mut reader = Reader::start(&chain).await;
    for _ in 0..5 {
        reader.read(3_000).await.unwrap();
    }
    assert_eq!(reader.taken, 1_000);

    // While nobody takes any, nothing is searched again and again.
    reader.restart();
    reader.taken = 0;
    reader.look(3_000).await.unwrap();
    chain.lock().unwrap().asked.clear();
    for _ in 0..5 {
        assert_eq!(reader.look(3_000).await.unwrap().messages.len(), 256);
    }
    assert!(chain.lock().unwrap().asked.is_empty());
}

/// On rollups with many blocks a second, a message's second may be longer than a window.
#[tokio::test]
async fn a_second_of_many_blocks_is_read_to_its_end() {
    let mut slow = Chain::of_pace(2_000, 1);
    slow.put(7_999);
    slow.put(9_000);
    let chain = std::sync::Arc::new(std::sync::Mutex::new(slow));
    let mut reader = Reader::start(&chain).await;
    assert_eq!(indices(&reader.look(9_500).await.unwrap()), [0]);
    assert_eq!(indices(&reader.look(9_500).await.unwrap()), [0, 1], "a look asks no more than so much");
    let asked = std::mem::take(&mut chain.lock().unwrap().asked);
    assert_eq!(asked[..4], [(6_000, 6_499), (6_500, 6_999), (7_000, 7_499), (7_500, 7_999)]);
}
