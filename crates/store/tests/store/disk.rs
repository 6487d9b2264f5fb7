//! Disks that are full, read-only, damaged, of another version, in use by another.

use parlour_store::{Action, Store, StoreError, Unavailable};

use crate::stage::{NOW, change, record, session};

fn unavailable<T>(result: Result<T, StoreError>) -> Option<Unavailable> {
    if let Err(StoreError::Unavailable(why)) = result { Some(why) } else { None }
}

#[test]
fn a_full_disk_refuses_whole_changes_and_is_well_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("db")).unwrap();
    change(&mut store, |change| change.create_session(&session("first")));
    store.limit_pages(60).unwrap();
    let (mut kept, mut refused) = (0, None);
    for number in 0..2_000 {
        let id = format!("s{number}");
        let result: Result<(), StoreError> = store.change(|change| {
            change.create_session(&session(&id))?;
            change.audit(&record(Action::SessionCreated, Some(&id))).map(drop)
        });
        match result {
            Ok(()) => kept += 1,
            Err(error) => {
                refused = unavailable(Err::<(), _>(error));
                break;
            }
        }
    }
    assert_eq!(refused, Some(Unavailable::DiskFull));
    assert!(kept > 10);
    let chain = store.verify_audit().unwrap();
    assert_eq!((chain.records, chain.broken), (kept, None), "what was refused left nothing, in neither table");
    assert!(store.session(&"first".into()).is_ok(), "reading goes on");

    store.limit_pages(1_000_000).unwrap();
    change(&mut store, |change| change.audit(&record(Action::SessionCreated, None)));
    assert_eq!(store.verify_audit().unwrap().broken, None);
}

#[test]
fn a_store_open_for_looking_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    change(&mut Store::open(&path).unwrap(), |change| change.audit(&record(Action::ConfigChanged, None)));
    let mut store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.verify_audit().unwrap().records, 1);
    let refused = store.change(|change| change.audit(&record(Action::ConfigChanged, None)));
    assert_eq!(unavailable(refused), Some(Unavailable::ReadOnly));
    let nowhere = Store::open_read_only(&folder.path().join("none"));
    assert_eq!(unavailable(nowhere), Some(Unavailable::CannotOpen));
}

#[test]
fn a_file_of_a_newer_version_or_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer");
    drop(Store::open(&newer).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&newer), Err(StoreError::TooNew { found: 99, .. })));

    let foreign = folder.path().join("foreign");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Store::open(&foreign), Err(StoreError::Damaged)));

    let text = folder.path().join("text");
    std::fs::write(&text, vec![b'x'; 8_192]).unwrap();
    assert!(matches!(Store::open(&text), Err(StoreError::Damaged)));
}

#[test]
fn opening_again_migrates_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for _ in 0..3 {
        let mut store = Store::open(&path).unwrap();
        change(&mut store, |change| change.audit(&record(Action::ConfigChanged, None)));
    }
    assert_eq!(Store::open(&path).unwrap().verify_audit().unwrap().records, 3);
}

#[test]
fn a_backup_is_whole_while_the_store_is_in_use_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("db"), folder.path().join("copy"));
    let mut store = Store::open(&path).unwrap();
    for number in 0..300 {
        change(&mut store, |change| {
            change.create_session(&session(&format!("s{number}")))?;
            change.audit(&record(Action::SessionCreated, None))
        });
    }
    let mut writer = Store::open(&path).unwrap();
    let writing = std::thread::spawn(move || {
        for _ in 0..50 {
            change(&mut writer, |change| change.audit(&record(Action::ConfigChanged, None)));
        }
    });
    store.back_up(&copy).unwrap();
    writing.join().unwrap();
    let copied = Store::open(&copy).unwrap();
    let chain = copied.verify_audit().unwrap();
    assert!(chain.broken.is_none() && chain.records >= 300);
    assert_eq!(copied.sessions_after(0, 1_000).unwrap().len(), 300);
    assert!(matches!(store.back_up(&copy), Err(StoreError::AlreadyExists)));
}

#[test]
fn two_writers_take_turns_and_the_chain_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    drop(Store::open(&path).unwrap());
    let writers = [0, 1].map(|_| {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut store = Store::open(&path).unwrap();
            for _ in 0..100 {
                // On a slow disk a turn may be long in coming; that is told, and nothing is half done.
                let mut write = || store.change(|change| change.audit(&record(Action::ConfigChanged, None)));
                while unavailable(write()) == Some(Unavailable::Locked) {}
            }
        })
    });
    for writer in writers {
        writer.join().unwrap();
    }
    let chain = Store::open(&path).unwrap().verify_audit().unwrap();
    assert_eq!((chain.records, chain.broken), (200, None));
}

#[test]
fn writing_forbidden_is_told_as_a_read_only_disk_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("db")).unwrap();
    change(&mut store, |change| change.create_session(&session("s")));
    store.forbid_writing().unwrap();
    let refused = store.change(|change| change.end_session(&"s".into(), NOW));
    assert_eq!(unavailable(refused), Some(Unavailable::ReadOnly));
    assert!(store.session(&"s".into()).is_ok());
}

/// The folder is a small file system of its own, made by whoever runs this: `mount -t tmpfs -o size=400k`.
#[test]
fn a_disk_that_is_really_full_is_told_as_such_and_loses_nothing() {
    let Some(folder) = std::env::var_os("PARLOUR_STORE_SMALL_DISK") else { return };
    let path = std::path::Path::new(&folder).join("db");
    let mut store = Store::open(&path).unwrap();
    let mut kept = 0;
    let refused = loop {
        let id = format!("s{kept}");
        let result: Result<(), StoreError> = store.change(|change| {
            change.create_session(&session(&id))?;
            change.audit(&record(Action::SessionCreated, Some(&id))).map(drop)
        });
        match result {
            Ok(()) => kept += 1,
            Err(error) => break unavailable(Err::<(), _>(error)),
        }
    };
    assert_eq!(refused, Some(Unavailable::DiskFull), "after {kept}");
    let count = store.sessions_after(0, 1_000).unwrap().len();
    assert_eq!((count as u64, store.verify_audit().unwrap().broken), (kept, None));
    drop(store);
    let again = Store::open(&path).unwrap();
    assert_eq!((again.verify_audit().unwrap().records, again.verify_audit().unwrap().broken), (kept, None));
}
