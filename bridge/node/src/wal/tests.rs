use std::fs::{self, OpenOptions};
use std::sync::mpsc;

use super::*;

fn records(from: u32, to: u32) -> Vec<Vec<u8>> {
    (from..to).map(|i| i.to_be_bytes().repeat(5)).collect()
}

/// A log with three appends in a fresh directory, closed; the bytes of its only segment; and where each
/// append begins and the last one ends.
fn three_appends() -> (tempfile::TempDir, PathBuf, Vec<u8>, [usize; 4]) {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, found, report) = Wal::open(dir.path()).unwrap();
    assert!(found.is_empty() && report.created);
    let mut starts = [0; 4];
    for (i, start) in starts.iter_mut().enumerate() {
        *start = usize::try_from(wal.len()).unwrap();
        if i < 3 {
            let i = u32::try_from(i).unwrap();
            wal.append(&records(i * 2, i * 2 + 2)).unwrap();
        }
    }
    let path = wal.path.clone();
    drop(wal);
    let bytes = fs::read(&path).unwrap();
    (dir, path, bytes, starts)
}

#[test]
fn what_was_appended_is_read_back() {
    let (dir, ..) = three_appends();
    let (mut wal, found, report) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, records(0, 6));
    assert!(report.is_clean());
    wal.append(&[vec![], vec![0; 10]]).unwrap();
    wal.append(&[]).unwrap();
    drop(wal);
    let (_, found, _) = Wal::open(dir.path()).unwrap();
    assert_eq!(found[6..], [vec![], vec![0; 10]]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_writing_goes_on() {
    let (dir, path, bytes, starts) = three_appends();
    for torn in starts[2]..starts[3] {
        let mut damaged = bytes.clone();
        damaged[torn..].fill(0);
        fs::write(&path, &damaged).unwrap();
        let (mut wal, found, report) = Wal::open(dir.path()).unwrap();
        assert_eq!(found, records(0, 4), "torn at byte {torn}");
        // Nothing of the frame is left when it is torn before its first byte that is not zero.
        assert_eq!(report.cut_bytes > 0, torn > starts[2], "torn at byte {torn}");
        wal.append(&records(9, 10)).unwrap();
        drop(wal);
        let (_, found, report) = Wal::open(dir.path()).unwrap();
        assert_eq!(found.len(), 5);
        assert!(report.is_clean(), "torn at byte {torn}: {report:?}");
    }
}

#[test]
fn a_file_that_ends_at_any_byte_of_its_last_frame_is_reported() {
    let (dir, path, bytes, starts) = three_appends();
    for end in starts[2]..starts[3] {
        fs::write(&path, &bytes[..end]).unwrap();
        let (wal, found, report) = Wal::open(dir.path()).unwrap();
        assert_eq!(found, records(0, 4), "ends at byte {end}");
        assert!(report.shortened, "ends at byte {end}");
        drop(wal);
        let (_, _, report) = Wal::open(dir.path()).unwrap();
        assert!(report.is_clean(), "the allocation is whole again");
    }
}

#[test]
fn a_flipped_bit_in_the_last_frame_is_cut_and_anywhere_before_it_is_corruption() {
    let (dir, path, bytes, starts) = three_appends();
    for at in 0..starts[3] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        let result = Wal::open(dir.path());
        if at < starts[2] {
            let error = result.expect_err("a durable frame is lost");
            assert!(matches!(error, NodeError::DataCorrupt { .. }), "byte {at}: {error}");
        } else {
            let (_, found, report) = result.unwrap();
            assert_eq!(found, records(0, 4), "byte {at}");
            assert!(report.cut_bytes > 0, "byte {at}");
        }
    }
}

#[test]
fn a_record_that_looks_like_a_later_frame_does_not_hide_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    // What an attacker can make without the salt: a frame of a segment with another one.
    let other = Header::new(1, 0, 77);
    let forged = segment::encode(&other, 1, &records(0, 1)).unwrap();
    wal.append(&[forged.frames().next().unwrap().to_vec(), vec![7; 100]]).unwrap();
    let (path, end) = (wal.path.clone(), usize::try_from(wal.len()).unwrap());
    drop(wal);
    let mut bytes = fs::read(&path).unwrap();
    bytes[end - 1] = 0;
    fs::write(&path, &bytes).unwrap();
    let (_, found, report) = Wal::open(dir.path()).unwrap();
    assert!(found.is_empty() && report.cut_bytes > 0);
}

#[test]
fn a_rotation_replaces_everything_before_it() {
    let (dir, old, ..) = three_appends();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    wal.rotate(&records(4, 6)).unwrap();
    assert!(wal.is_empty() && !old.exists());
    wal.append(&records(6, 7)).unwrap();
    drop(wal);
    let (_, found, report) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, records(4, 7));
    assert!(report.is_clean());
}

#[test]
fn a_crash_during_rotation_leaves_the_old_log_or_the_new_one() {
    let (dir, old, old_bytes, _) = three_appends();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    wal.rotate(&records(4, 6)).unwrap();
    let (new, end) = (wal.path.clone(), usize::try_from(wal.len()).unwrap());
    drop(wal);
    let new_bytes = fs::read(&new).unwrap();

    // Crashed while the new segment was being written: it does not have its name yet.
    fs::remove_file(&new).unwrap();
    fs::write(&old, &old_bytes).unwrap();
    let unfinished = new.with_extension("unfinished");
    fs::write(&unfinished, &new_bytes[..end - 1]).unwrap();
    let (wal, found, report) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, records(0, 6));
    assert!(report.is_clean() && !unfinished.exists());
    drop(wal);

    // Crashed before the old segment was removed.
    fs::write(&new, &new_bytes).unwrap();
    let (wal, found, report) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, records(4, 6));
    assert!(report.is_clean() && !old.exists());
    drop(wal);

    // What a segment began with was durable before it got its name: no crash damages it.
    let mut damaged = new_bytes;
    damaged[end - 1] ^= 1;
    fs::write(&new, &damaged).unwrap();
    assert!(matches!(Wal::open(dir.path()), Err(NodeError::DataCorrupt { .. })));
}

#[test]
fn a_segment_grows_past_its_first_allocation() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    let big: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i; 700_000]).collect();
    for record in &big {
        wal.append(std::slice::from_ref(record)).unwrap();
    }
    drop(wal);
    let (_, found, report) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, big);
    assert!(report.is_clean());
}

#[test]
fn a_record_above_the_bound_is_refused_and_the_log_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    let error = wal.append(&[vec![0; MAX_RECORD_BYTES + 1]]).expect_err("too long");
    assert!(matches!(error, NodeError::RecordTooLong { .. }));
    wal.append(&[vec![1; MAX_RECORD_BYTES], vec![2; MAX_RECORD_BYTES], vec![3]]).unwrap();
    drop(wal);
    let (_, found, _) = Wal::open(dir.path()).unwrap();
    assert_eq!(found.len(), 3, "more than one frame takes");
}

/// `/dev/full` refuses every write as a full disk does; `/dev/null` takes them, but cannot be synced.
#[test]
fn after_a_failed_write_or_sync_nothing_more_is_taken() {
    for device in ["/dev/full", "/dev/null"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, ..) = Wal::open(dir.path()).unwrap();
        let healthy = std::mem::replace(&mut wal.file, OpenOptions::new().write(true).open(device).unwrap());
        let error = wal.append(&records(0, 1)).expect_err("the disk refuses");
        assert!(matches!(error, NodeError::Storage { .. }), "{device}: {error}");
        wal.file = healthy;
        let error = wal.append(&records(0, 1)).expect_err("the disk has failed once");
        assert!(matches!(error, NodeError::StorageStopped { .. }), "{device}: {error}");
        let error = wal.rotate(&[]).expect_err("the disk has failed once");
        assert!(matches!(error, NodeError::StorageStopped { .. }), "{device}: {error}");
    }
}

#[test]
fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, ..) = Wal::open(dir.path()).unwrap();
    assert!(matches!(Wal::open(dir.path()), Err(NodeError::DataInUse { .. })));
    drop(wal);
    assert!(Wal::open(dir.path()).is_ok());
}

#[test]
fn tokens_come_back_in_order_and_only_when_their_records_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, ..) = Wal::open(dir.path()).unwrap();
    let path = wal.path.clone();
    let (sink, released) = mpsc::channel();
    let writer = WalWriter::start(wal, 16, move |event| {
        let WalEvent::Durable(token) = event else { panic!("{event:?}") };
        // Reads the file while it is open; what is released must be in it.
        let found = segment::scan(&fs::read(&path).unwrap(), 1).unwrap().records.len();
        sink.send((token, found)).unwrap();
    })
    .unwrap();
    for i in 0..200 {
        let records = if i % 3 == 0 { vec![] } else { records(i, i + 1) };
        writer.persist(records, i).unwrap();
    }
    drop(writer);
    let mut records_before = 0;
    let mut tokens = Vec::new();
    for (token, found) in released {
        records_before += usize::from(token % 3 != 0);
        assert!(found >= records_before, "token {token} came before its records");
        tokens.push(token);
    }
    assert_eq!(tokens, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_rotation_keeps_its_place_among_the_appends() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, ..) = Wal::open(dir.path()).unwrap();
    let (sink, released) = mpsc::channel();
    let writer = WalWriter::start(wal, 16, move |event| {
        if let WalEvent::Durable(token) = event {
            sink.send(token).unwrap();
        }
    })
    .unwrap();
    writer.persist(records(0, 3), "before").unwrap();
    writer.rotate(records(2, 3), "rotated").unwrap();
    writer.persist(records(3, 4), "after").unwrap();
    drop(writer);
    assert_eq!(released.iter().collect::<Vec<_>>(), ["before", "rotated", "after"]);
    let (_, found, _) = Wal::open(dir.path()).unwrap();
    assert_eq!(found, records(2, 4));
}

#[test]
fn a_failure_is_told_once_and_nothing_is_released_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = Wal::open(dir.path()).unwrap();
    wal.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (sink, events) = mpsc::channel();
    let writer = WalWriter::start(wal, 16, move |event| sink.send(event).unwrap()).unwrap();
    writer.persist(records(0, 1), ()).unwrap();
    assert!(matches!(events.recv().unwrap(), WalEvent::Failed(NodeError::Storage { .. })));
    let error = writer.persist(records(1, 2), ()).expect_err("the log has failed");
    assert!(matches!(error, NodeError::StorageStopped { .. }));
    drop(writer);
    assert!(events.recv().is_err(), "nothing comes after the failure");
}

#[test]
fn a_header_that_counts_more_than_a_log_can_hold_is_refused() {
    let sound = Header::new(1, 0, 7);
    assert!(segment::scan(&sound.encode(), 1).is_ok());
    let counts: [fn(&mut Header); 3] =
        [|h| h.segment = u64::MAX, |h| h.first_frame = u64::MAX, |h| h.base_frames = u64::MAX];
    for count in counts {
        let mut header = sound;
        count(&mut header);
        assert!(segment::scan(&header.encode(), header.segment).is_err(), "{header:?}");
    }
}
