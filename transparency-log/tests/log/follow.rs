//! Following a log: every entry once, in order, proven; and what a log can try.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use sealwax_tlog::Checkpoint;
use sealwax_transparency_log::{Error, Follower, Result, from_directory};

use crate::world::{World, append, body};

type Served = std::result::Result<Option<Vec<u8>>, String>;

fn poll(follower: &mut Follower, fetch: &dyn Fn(&str) -> Served) -> Result<Vec<u64>> {
    let mut seen = Vec::new();
    follower.poll(fetch, |index, entry| -> Result<_> {
        assert_eq!(entry, body(index));
        seen.push(index);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(seen)
}

fn start(world: &World, from: Option<u64>) -> Follower {
    Follower::start(&from_directory(&world.path()), world.verifier.clone(), from).unwrap()
}

#[test]
fn every_entry_is_handed_on_once_from_wherever_one_starts() {
    let world = World::with_entries(300);
    let fetch = from_directory(&world.path());
    for from in [0, 1, 255, 256, 299, 300] {
        let mut follower = start(&world, Some(from));
        assert_eq!(poll(&mut follower, &fetch).unwrap(), (from..300).collect::<Vec<_>>());
        assert_eq!(follower.position(), 300);
        assert!(poll(&mut follower, &fetch).unwrap().is_empty());
    }
    let mut follower = start(&world, None);
    let mut at = 300;
    for size in [301, 302, 511, 512, 513, 800] {
        append(&mut world.open().unwrap().0, at..size);
        assert_eq!(poll(&mut follower, &fetch).unwrap(), (at..size).collect::<Vec<_>>());
        at = size;
    }
    let beyond = Follower::start(&fetch, world.verifier.clone(), Some(801));
    let shrank =
        |error: &Error| matches!(error, Error::Tlog(sealwax_tlog::Error::TreeShrank { old: 801, new: 800 }));
    assert!(shrank(&beyond.unwrap_err()));
    let mut empty = World::new();
    drop(empty.create());
    assert!(poll(&mut start(&empty, None), &from_directory(&empty.path())).unwrap().is_empty());
    empty = World::with_entries(1);
    let other = Follower::start(&from_directory(&empty.path()), world.verifier.clone(), None);
    assert!(matches!(other, Err(Error::WrongKey { .. })));
}

#[test]
fn who_stops_or_fails_goes_on_where_that_was() {
    let world = World::with_entries(600);
    let fetch = from_directory(&world.path());
    let mut follower = start(&world, Some(0));
    let seen = RefCell::new(Vec::new());
    for stop in [10, 256, 300] {
        let until = |index: u64, _: &[u8]| -> Result<_> {
            seen.borrow_mut().push(index);
            Ok(if index == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        follower.poll(&fetch, until).unwrap();
    }
    // Each fetch in turn fails once.
    for failing in 1.. {
        let calls = Cell::new(0);
        let flaky = |name: &str| {
            calls.set(calls.get() + 1);
            if calls.get() == failing { Err("cut".to_owned()) } else { fetch(name) }
        };
        let handed = |index: u64, _: &[u8]| -> Result<_> {
            seen.borrow_mut().push(index);
            Ok(ControlFlow::Continue(()))
        };
        match follower.poll(&flaky, handed) {
            Err(Error::Source { .. }) => {}
            other => {
                assert!(calls.get() < failing, "{other:?}");
                break;
            }
        }
    }
    assert_eq!(*seen.borrow(), (0..600).collect::<Vec<_>>());
}

#[test]
fn w11_a_log_that_shrinks_or_has_another_past_is_noticed() {
    let world = World::with_entries(5);
    let other = world.copy();
    append(&mut world.open().unwrap().0, 5..9);
    append(&mut other.open().unwrap().0, 100..104);
    let mut follower = start(&world, Some(0));
    poll(&mut follower, &from_directory(&world.path())).unwrap();
    let contradicted = |follower: &mut Follower| {
        let result = poll(follower, &from_directory(&other.path()));
        assert!(matches!(result, Err(Error::Contradicted { size: 9, .. })), "{result:?}");
    };
    contradicted(&mut follower);
    for more in [104..120, 120..400] {
        append(&mut other.open().unwrap().0, more);
        contradicted(&mut follower);
    }
    let older = World::with_entries(5);
    let note =
        Checkpoint { origin: world.verifier.name().to_owned(), ..older.view().unwrap().checkpoint().clone() };
    let note = world.sign(&note);
    let shrunk = |name: &str| if name == "checkpoint" { Ok(Some(note.clone())) } else { Ok(None) };
    let result = poll(&mut follower, &shrunk);
    assert!(matches!(result, Err(Error::Behind { known: 9, found: 5, .. })), "{result:?}");
    // It follows the true one as before.
    append(&mut world.open().unwrap().0, 9..12);
    assert_eq!(poll(&mut follower, &from_directory(&world.path())).unwrap(), [9, 10, 11]);
}

#[test]
fn what_does_not_lead_to_the_signed_root_is_not_handed_on() {
    let world = World::with_entries(300);
    let whole = from_directory(&world.path());
    let names = ["tile/entries/001.p/47", "tile/0/001.p/47", "tile/1/000.p/1", "tile/0/000"];
    let followers = names.map(|name| (name, start(&world, None)));
    // Nobody starts from an edge that is not the signed one.
    for alter in [|tile: &mut Vec<u8>| tile[0] ^= 1, |tile: &mut Vec<u8>| tile.truncate(32)] {
        let altered = |asked: &str| {
            let mut bytes = whole(asked)?;
            bytes.iter_mut().filter(|_| asked == "tile/0/001.p/44").for_each(alter);
            Ok(bytes)
        };
        let refused = Follower::start(&altered, world.verifier.clone(), None);
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    }
    append(&mut world.open().unwrap().0, 300..303);
    for (name, mut follower) in followers {
        let altered = |asked: &str| {
            let mut bytes = whole(asked)?;
            if let Some(bytes) = bytes.as_mut().filter(|_| asked == name) {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
            Ok(bytes)
        };
        match poll(&mut follower, &altered) {
            // No proof needs what is below a complete subtree.
            Ok(seen) => assert_eq!((name, seen), ("tile/0/000", vec![300, 301, 302])),
            Err(Error::Damaged { path, .. }) => {
                assert!(path == name || !name.starts_with("tile/entries"), "{name}: {path}");
                assert_eq!(follower.position(), 300, "{name}");
                assert_eq!(poll(&mut follower, &whole).unwrap(), [300, 301, 302]);
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}
