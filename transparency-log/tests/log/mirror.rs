//! Copies of a log: grown, interrupted, lied to, and made into a log again.
//!
//! This is one file because all of it tells one story: a copy that follows a log through everything a log can do.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};

use sealwax_tlog::{Checkpoint, Tile, VerifierKey};
use sealwax_transparency_log::{
    Action, Directory, Error, Guards, Log, LogView, Mirrored, Mode, Outpost, Recovery, Result, Storage,
    copy_envelopes, from_directory, mirror, restore,
};

use crate::world::{
    World, append, assert_clean, briefly, copy_tree, digest, directory, envelope_fits, files,
};

type Served = std::result::Result<Option<Vec<u8>>, String>;

struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Copy {
        Copy(directory())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("copy")
    }

    fn take(&self, key: &VerifierKey, fetch: &dyn Fn(&str) -> Served) -> Result<Mirrored> {
        mirror(&Directory::writer(&self.path(), briefly).unwrap(), fetch, key, &|_, _| {})
    }

    fn size(&self, key: &VerifierKey) -> u64 {
        let view = LogView::open(&self.path(), key).unwrap();
        let report = view.check(&envelope_fits).unwrap();
        assert!(report.is_clean(), "{report:?}");
        view.checkpoint().size
    }

    fn tiles(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let tiles = self.path().join("tiles");
        files(&tiles)
            .into_iter()
            .map(|file| (file.clone(), std::fs::read(tiles.join(file)).unwrap()))
            .collect()
    }

    fn evidence(&self) -> Vec<Vec<u8>> {
        let evidence = self.path().join("evidence");
        if !evidence.exists() {
            return Vec::new();
        }
        files(&evidence).iter().map(|file| std::fs::read(evidence.join(file)).unwrap()).collect()
    }
}

/// Serves a log with one name's bytes replaced.
fn altered<'a>(log: &Path, name: &'a str, bytes: Option<Vec<u8>>) -> impl Fn(&str) -> Served + 'a {
    let whole = from_directory(log);
    move |asked| if asked == name { Ok(bytes.clone()) } else { whole(asked) }
}

/// Serves a log with the last byte of some names changed.
fn flipped<'a>(log: &Path, names: &'a [&'a str]) -> impl Fn(&str) -> Served + 'a {
    let whole = from_directory(log);
    move |asked| {
        let mut bytes = whole(asked)?;
        if let Some(last) =
            bytes.iter_mut().filter(|_| names.contains(&asked)).find_map(|bytes| bytes.last_mut())
        {
            *last ^= 1;
        }
        Ok(bytes)
    }
}

fn read(log: &Path, name: &str) -> Vec<u8> {
    std::fs::read(log.join("tiles").join(name)).unwrap()
}

/// A log of `old` entries, a copy of it, and then `new - old` more entries.
fn grown(old: u64, new: u64) -> (World, Copy) {
    let world = World::with_entries(old);
    let copy = Copy::new();
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    append(&mut world.open().unwrap().0, old..new);
    (world, copy)
}

#[test]
fn a_copy_grows_with_its_log_and_has_every_tile() {
    let world = World::new();
    drop(world.create());
    let copy = Copy::new();
    let mut before = 0;
    for size in [0, 1, 255, 256, 257, 511, 512, 700] {
        append(&mut world.open().unwrap().0, before..size);
        let seen = RefCell::new(Vec::new());
        let target = Directory::writer(&copy.path(), briefly).unwrap();
        let progress = |read, of| seen.borrow_mut().push((read, of));
        let done = mirror(&target, &from_directory(&world.path()), &world.verifier, &progress).unwrap();
        let root = world.view().unwrap().checkpoint().root;
        assert_eq!(done, Mirrored { from: before, size, root });
        assert_eq!(seen.borrow().last().copied().unwrap_or((size, size)), (size, size));
        assert_eq!(copy.size(&world.verifier), size);
        for (name, bytes) in copy.tiles() {
            assert_eq!(bytes, read(&world.path(), name.to_str().unwrap()), "{}", name.display());
        }
        before = size;
    }
    assert!(copy.tiles().iter().any(|(name, _)| name == Path::new("tile/1/000.p/2")));
    // Once more changes nothing.
    let tiles = copy.tiles();
    let done = copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    assert_eq!((done.from, done.size), (700, 700));
    assert_eq!(copy.tiles(), tiles);
    let view = LogView::open(&copy.path(), &world.verifier).unwrap();
    assert_eq!(view.entry(300).unwrap(), crate::world::body(300));
}

#[test]
fn a_log_of_other_software_is_copied_from_any_of_its_sizes() {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let log = shared.join("vectors/tessera-log/log");
    if !log.exists() {
        println!("skipped: the log of Tessera is not here");
        return;
    }
    let key = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
    let key = VerifierKey::parse(key).unwrap();
    for old in 0..=15 {
        let copy = Copy::new();
        for (note, size) in [(format!("checkpoint.{old}"), old), ("checkpoint".to_owned(), 15)] {
            let fetch = |name: &str| -> Served {
                let name = if name == "checkpoint" { note.as_str() } else { name };
                Ok(std::fs::read(log.join(name)).ok())
            };
            assert_eq!(copy.take(&key, &fetch).unwrap().size, size);
            assert_eq!(copy.size(&key), size);
        }
    }
}

#[test]
fn s01_a_copy_that_is_interrupted_anywhere_is_whole_and_ends_where_it_would_have() {
    let (world, base) = grown(200, 600);
    let uninterrupted = Copy::new();
    copy_tree(&base.path(), &uninterrupted.path());
    uninterrupted.take(&world.verifier, &from_directory(&world.path())).unwrap();

    let mut points = 0;
    let interrupt = |fail_fetch: bool, takes_effect: bool, at: u64| -> bool {
        let copy = Copy::new();
        copy_tree(&base.path(), &copy.path());
        let calls = Cell::new(0);
        let whole = from_directory(&world.path());
        let fetch = |name: &str| -> Served {
            calls.set(calls.get() + u64::from(fail_fetch));
            if fail_fetch && calls.get() == at { Err("the line is cut".to_owned()) } else { whole(name) }
        };
        let target = Directory::writer(&copy.path(), briefly).unwrap();
        let target = Cut { target, at: if fail_fetch { 0 } else { at }, takes_effect, calls: Cell::new(0) };
        let result = mirror(&target, &fetch, &world.verifier, &|_, _| {});
        let happened = if fail_fetch { calls.get() } else { target.calls.get() } >= at;
        drop(target);
        if !happened {
            assert!(result.is_ok());
            return false;
        }
        match (result, fail_fetch) {
            (Err(Error::Source { reason, .. }), true) => assert_eq!(reason, "the line is cut"),
            (Err(Error::Io { .. }), false) => {}
            (other, _) => panic!("{at}: {other:?}"),
        }
        let size = copy.size(&world.verifier);
        assert!([200, 600].contains(&size), "{at}: {size}");
        copy.take(&world.verifier, &whole).unwrap();
        assert_eq!(copy.size(&world.verifier), 600);
        let wanted = uninterrupted.tiles();
        let found = copy.tiles();
        assert!(wanted.iter().all(|tile| found.contains(tile)), "{at}");
        true
    };
    for (fail_fetch, takes_effect) in [(true, false), (false, false), (false, true)] {
        points += (1..).take_while(|at| interrupt(fail_fetch, takes_effect, *at)).count();
    }
    assert!(points > 25, "{points}");
}

/// A storage whose power fails at one call, before or after it took effect.
struct Cut {
    target: Directory,
    at: u64,
    takes_effect: bool,
    calls: Cell<u64>,
}

impl Cut {
    fn call<T>(&self, effect: impl Fn() -> Result<T>) -> Result<T> {
        self.calls.set(self.calls.get() + 1);
        if self.at == 0 || self.calls.get() < self.at {
            return effect();
        }
        if self.calls.get() == self.at && self.takes_effect {
            effect()?;
        }
        Err(Error::Io { action: Action::Write, path: "cut".into(), source: io::Error::other("cut") })
    }
}

impl Storage for Cut {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.call(|| self.target.read(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.call(|| self.target.write(name, bytes))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.call(|| self.target.remove(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.call(|| self.target.list(folder))
    }
}

#[test]
fn what_an_interrupted_attempt_left_is_not_fetched_again_and_not_believed() {
    let (world, copy) = grown(10, 600);
    let whole = from_directory(&world.path());
    let at_the_third = |name: &str| {
        if name == "tile/entries/002.p/88" { Err("cut".to_owned()) } else { whole(name) }
    };
    copy.take(&world.verifier, &at_the_third).unwrap_err();
    let fetched = RefCell::new(Vec::new());
    let counted = |name: &str| {
        fetched.borrow_mut().push(name.to_owned());
        if name == "tile/entries/002.p/88" { Err("cut".to_owned()) } else { whole(name) }
    };
    copy.take(&world.verifier, &counted).unwrap_err();
    assert_eq!(*fetched.borrow(), ["checkpoint", "tile/entries/002.p/88"]);

    let left = copy.path().join("tiles/tile/entries/001");
    let mut bytes = std::fs::read(&left).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&left, bytes).unwrap();
    assert_eq!(copy.take(&world.verifier, &whole).unwrap().size, 600);
    assert_eq!(copy.size(&world.verifier), 600);
}

#[test]
fn w11_a_log_with_another_past_is_refused_and_both_of_its_notes_are_kept() {
    // Two logs of one key that agree on their first 5 entries only.
    let world = World::with_entries(5);
    let other = world.copy();
    append(&mut world.open().unwrap().0, 5..9);
    append(&mut other.open().unwrap().0, 100..104);
    let copy = Copy::new();
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    let tiles = copy.tiles();
    let contradicted = |result: Result<Mirrored>, at: u64| {
        assert!(matches!(result, Err(Error::Contradicted { size, .. }) if size == at), "{result:?}");
        assert_eq!(copy.size(&world.verifier), 9);
    };
    // The same size, a larger one, one that fills a tile, and a smaller one, each another root.
    contradicted(copy.take(&world.verifier, &from_directory(&other.path())), 9);
    assert_eq!(copy.evidence().len(), 2);
    for note in copy.evidence() {
        assert_eq!(Checkpoint::open(&note, &world.verifier).unwrap().size, 9);
    }
    append(&mut other.open().unwrap().0, 104..120);
    contradicted(copy.take(&world.verifier, &from_directory(&other.path())), 9);
    append(&mut other.open().unwrap().0, 120..400);
    contradicted(copy.take(&world.verifier, &from_directory(&other.path())), 9);
    assert_eq!(copy.evidence().len(), 4);
    // Damage beside it hides it no more than it has to: one of entries and leaves still leads to what was signed.
    for names in [["tile/entries/001.p/49"], ["tile/0/001.p/49"]] {
        contradicted(copy.take(&world.verifier, &flipped(&other.path(), &names)), 9);
    }
    let root = World::with_entries(5).view().unwrap().checkpoint().root;
    let wrong =
        Checkpoint { origin: world.verifier.name().to_owned(), size: 7, root, extensions: Vec::new() };
    let note = world.sign(&wrong);
    contradicted(copy.take(&world.verifier, &altered(&world.path(), "checkpoint", Some(note))), 7);
    // Full tiles of the other past may lie about; nothing that the checkpoint implies has changed.
    for tile in tiles {
        assert!(copy.tiles().contains(&tile));
    }
    // And none of it stands in the way of the true past.
    append(&mut world.open().unwrap().0, 9..300);
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    assert_eq!(copy.size(&world.verifier), 300);
}

#[test]
fn w11_a_log_that_shrank_is_refused() {
    let (world, copy) = grown(5, 9);
    let old = world.copy();
    append(&mut world.open().unwrap().0, 9..12);
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    let result = copy.take(&world.verifier, &from_directory(&old.path()));
    assert!(matches!(result, Err(Error::Behind { known: 12, found: 9, .. })), "{result:?}");
    assert_eq!(copy.size(&world.verifier), 12);
    assert!(copy.evidence().is_empty());
    // A copy that is damaged itself accuses nobody.
    let tile = copy.path().join("tiles/tile/0/000.p/12");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    let result = copy.take(&world.verifier, &from_directory(&old.path()));
    assert!(matches!(&result, Err(Error::Damaged { path, .. }) if path.ends_with("000.p/12")), "{result:?}");
    assert!(copy.evidence().is_empty());
}

#[test]
fn an_altered_entry_is_refused_and_named_and_an_altered_tile_is_not_copied() {
    let (world, copy) = grown(300, 600);
    for name in ["tile/entries/001", "tile/entries/002.p/88"] {
        let mut bytes = read(&world.path(), name);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let result = copy.take(&world.verifier, &altered(&world.path(), name, Some(bytes)));
        assert!(matches!(&result, Err(Error::Damaged { path, .. }) if path == name), "{result:?}");
        assert_eq!(copy.size(&world.verifier), 300);
        assert!(copy.evidence().is_empty());
    }
    // What is altered in what the copy has already is no past that the log signed.
    for first in ["tile/entries/000", "tile/0/000"] {
        let names = [first, "tile/entries/002.p/88"];
        let result = copy.take(&world.verifier, &flipped(&world.path(), &names));
        assert!(matches!(&result, Err(Error::Damaged { .. })), "{result:?}");
        assert!(copy.evidence().is_empty());
    }
    // Entries and leaves altered alike lead nowhere.
    let name = "checkpoint";
    let newest = world.view().unwrap().checkpoint().clone();
    let wrong = Checkpoint { root: sealwax_tlog::Hash::leaf(b"x"), ..newest };
    let result = copy.take(&world.verifier, &altered(&world.path(), name, Some(world.sign(&wrong))));
    assert!(matches!(&result, Err(Error::Damaged { path, .. }) if path == name), "{result:?}");

    for tile in ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let served = altered(&world.path(), tile, Some(vec![7; 32]));
        let again = Copy::new();
        copy_tree(&copy.path(), &again.path());
        assert_eq!(again.take(&world.verifier, &served).unwrap().size, 600);
        assert_eq!(again.size(&world.verifier), 600);
    }
}

#[test]
fn bundles_that_are_short_long_or_missing_are_refused() {
    let (world, copy) = grown(5, 9);
    let name = "tile/entries/000.p/9";
    let good = read(&world.path(), name);
    let longer = [good.clone(), vec![0, 0]].concat();
    for (bytes, named) in [
        (Some(Vec::new()), true),
        (Some(good[..good.len() - 1].to_vec()), true),
        (Some(longer), true),
        (Some(vec![0xff; 70_000]), true),
        (None, false),
    ] {
        let result = copy.take(&world.verifier, &altered(&world.path(), name, bytes));
        match &result {
            Err(Error::Damaged { path, .. }) if named => assert_eq!(path, name),
            Err(Error::Source { name, .. }) if !named => assert_eq!(name, "tile/entries/000"),
            other => panic!("{other:?}"),
        }
        assert_eq!(copy.size(&world.verifier), 5);
    }
    let nothing = copy.take(&world.verifier, &|_| Ok(None));
    assert!(matches!(nothing, Err(Error::Source { name, .. }) if name == "checkpoint"));
}

#[test]
fn a_partial_bundle_that_is_gone_is_cut_out_of_the_full_one() {
    // A checkpoint of 9 entries, and by the time of asking the log has 256 and no partial bundle any more.
    let world = World::with_entries(9);
    let note = world.note();
    append(&mut world.open().unwrap().0, 9..256);
    assert!(!world.path().join("tiles").join(Tile::entries(0, 9).unwrap().path()).exists());
    let copy = Copy::new();
    let done = copy.take(&world.verifier, &altered(&world.path(), "checkpoint", Some(note))).unwrap();
    assert_eq!(done.size, 9);
    assert_eq!(copy.size(&world.verifier), 9);
}

#[test]
fn a_log_of_another_key_is_refused() {
    let (world, copy) = grown(5, 9);
    let other = World::with_entries(9);
    let result = copy.take(&world.verifier, &from_directory(&other.path()));
    assert!(matches!(result, Err(Error::WrongKey { .. })));
    let result = copy.take(&other.verifier, &from_directory(&other.path()));
    assert!(
        matches!(result, Err(Error::WrongKey { .. })),
        "a copy goes on with its own log only: {result:?}"
    );
    assert_eq!(copy.size(&world.verifier), 5);
}

#[test]
fn envelopes_are_copied_once_and_only_if_they_fit() {
    let world = World::new();
    let mut log = world.create();
    (0..5).for_each(|entry| drop(append(&mut log, entry..entry + 1)));
    let copy = Copy::new();
    let target = Directory::writer(&copy.path(), briefly).unwrap();
    let source = Directory::reader(&world.path());
    assert_eq!(copy_envelopes(&source, &target, &envelope_fits).unwrap(), (5, Vec::new()));
    append(&mut log, 5..6);
    assert_eq!(copy_envelopes(&source, &target, &envelope_fits).unwrap().0, 1);
    let bad = hex::encode(digest(b"entry 6"));
    source.write(&format!("envelopes/{}/{bad}", &bad[..2]), b"entry 7").unwrap();
    let (copied, damage) = copy_envelopes(&source, &target, &envelope_fits).unwrap();
    assert_eq!((copied, damage.len()), (0, 1));
    assert!(damage[0].path.ends_with(&bad));
    // Nor one that fits its digest and is not where that digest's is looked for.
    source.remove(&format!("envelopes/{}/{bad}", &bad[..2])).unwrap();
    let good = hex::encode(digest(b"entry 7"));
    source.write(&format!("envelopes/{}/{}", &good[..2], good.to_uppercase()), b"entry 7").unwrap();
    let (copied, damage) = copy_envelopes(&source, &target, &envelope_fits).unwrap();
    assert_eq!((copied, damage.len()), (0, 1));
}

#[test]
fn s08_a_restored_log_signs_only_when_an_outpost_confirms_it() {
    let world = World::with_entries(300);
    let copy = Copy::new();
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 300..301);
    let newest = log.published_note().unwrap().to_vec();
    drop(log);

    let restored = || {
        let world = world.copy();
        std::fs::remove_dir_all(world.path()).unwrap();
        let (done, unusable) =
            restore(&world.path(), &copy.path(), &world.verifier, false, &envelope_fits, &|_, _| {}).unwrap();
        assert_eq!((done.size, unusable.len()), (300, 0));
        world
    };
    let outpost = tempfile::tempdir().unwrap();
    let guards = || Guards { outposts: vec![Outpost::directory(outpost.path())], hold: false };

    // Nobody vouches for it: it can be read and not written, however often it is opened.
    let world = restored();
    for _ in 0..2 {
        let (mut log, recovery) = world.open().unwrap();
        assert_eq!(recovery, Recovery::default());
        assert_clean(&log);
        let refused = log.append(&[sealwax_transparency_log::NewEntry { body: b"x", envelope: None }]);
        assert!(matches!(refused, Err(Error::NotLive { mode: Mode::Restored })));
    }
    // An outpost that knows nothing learns nothing from it.
    let (log, _) = Log::open_guarded(&world.path(), world.key(), guards(), briefly).unwrap();
    assert_eq!(log.mode().unwrap(), Mode::Restored);
    drop(log);
    assert!(files(outpost.path()).is_empty());

    // An outpost that knows more refuses it.
    let note = outpost.path().join(format!("{}.checkpoint", world.verifier.name()));
    std::fs::write(&note, &newest).unwrap();
    let refused = Log::open_guarded(&world.path(), world.key(), guards(), briefly);
    assert!(matches!(refused, Err(Error::Behind { known: 301, found: 300, .. })));

    // One that knows exactly this confirms it, and it goes on for ever.
    std::fs::write(&note, std::fs::read(copy.path().join("tiles/checkpoint")).unwrap()).unwrap();
    let (mut log, recovery) = Log::open_guarded(&world.path(), world.key(), guards(), briefly).unwrap();
    assert!(recovery.reconciled);
    append(&mut log, 300..310);
    drop(log);
    world.assert_sound(&[std::fs::read(copy.path().join("tiles/checkpoint")).unwrap()]);
}

#[test]
fn a_log_that_is_restored_frozen_is_confirmed_by_nobody() {
    let world = World::with_entries(3);
    let copy = Copy::new();
    copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
    world.open_guarded(false).unwrap();
    std::fs::remove_dir_all(world.path()).unwrap();
    restore(&world.path(), &copy.path(), &world.verifier, true, &envelope_fits, &|_, _| {}).unwrap();
    let (log, recovery) = world.open_guarded(false).unwrap();
    assert_eq!((recovery.reconciled, log.mode().unwrap()), (false, Mode::Frozen));
}

#[test]
fn a_restored_log_takes_over_its_own_signature_and_is_cosigned_anew() {
    let world = World::with_entries(3);
    let own = world.note();
    // Another key signs the same text: its line is one that a witness could have added.
    let stranger = String::from_utf8(World::new().sign(world.view().unwrap().checkpoint())).unwrap();
    let line = stranger.lines().last().unwrap();
    let cosigned = [own.clone(), format!("{line}\n").into_bytes()].concat();
    let text = String::from_utf8(own.clone()).unwrap();
    let (text, signature) = text.split_once("\n\n").unwrap();
    let second = format!("{text}\n\n{line}\n{signature}").into_bytes();

    for (note, usable) in [(cosigned, true), (second, false)] {
        let copy = Copy::new();
        copy_tree(&world.path(), &copy.path());
        std::fs::write(copy.path().join("tiles/checkpoint"), note).unwrap();
        let place = world.copy();
        std::fs::remove_dir_all(place.path()).unwrap();
        let done = restore(&place.path(), &copy.path(), &world.verifier, false, &envelope_fits, &|_, _| {});
        if !usable {
            assert!(
                matches!(&done, Err(Error::Damaged { path, .. }) if path == "tiles/checkpoint"),
                "{done:?}"
            );
            continue;
        }
        let (mut log, _) = place.open().unwrap();
        log.publish(&own).unwrap();
        assert_eq!(place.note(), own);
    }
}

#[test]
fn s07_an_envelope_that_was_there_before_a_log_was_restored_is_no_part_of_it() {
    let world = World::with_entries(3);
    let place = world.copy();
    std::fs::remove_dir_all(place.path()).unwrap();
    let name = hex::encode(digest(&crate::world::body(0)));
    let envelope = place.path().join("envelopes").join(&name[..2]).join(&name);
    std::fs::create_dir_all(envelope.parent().unwrap()).unwrap();
    std::fs::write(&envelope, "half").unwrap();
    let done = restore(&place.path(), &world.path(), &world.verifier, false, &envelope_fits, &|_, _| {});
    assert!(matches!(&done, Err(Error::Damaged { path, .. }) if path.ends_with(&name)), "{done:?}");
    assert!(!place.path().join("anchor.db").exists());
}

#[test]
fn s07_a_damaged_copy_is_not_restored() {
    let world = World::with_entries(300);
    for name in ["tile/entries/000", "tile/entries/001.p/44"] {
        let copy = Copy::new();
        copy.take(&world.verifier, &from_directory(&world.path())).unwrap();
        let path = copy.path().join("tiles").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let place = world.copy();
        std::fs::remove_dir_all(place.path()).unwrap();
        let refused =
            restore(&place.path(), &copy.path(), &world.verifier, false, &envelope_fits, &|_, _| {});
        assert!(matches!(&refused, Err(Error::Damaged { path, .. }) if path == name), "{refused:?}");
        assert!(!place.path().join("anchor.db").exists());
    }
}
