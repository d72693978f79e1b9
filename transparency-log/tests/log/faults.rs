//! Every call to storage and anchor, failing in every way, while appending and while recovering.
//!
//! The wrappers count calls. At the chosen call a fault happens: the call fails and did nothing; it fails though it took
//! effect; or the process is as good as dead, before or after the call took effect, and every later call fails as well.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use sealwax_tlog::Hash;
use sealwax_transparency_log::{
    Action, Anchor, Anchored, Directory, Error, Guards, Log, Mode, Outpost, Receipt, Recovery, Result,
    SqliteAnchor, Storage,
};

use crate::world::{World, append, assert_clean, assert_receipt, body, envelope_fits, try_append};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Failed,
    FailedButPersisted,
    SyncFailed,
    SyncFailedButPersisted,
    CrashBefore,
    CrashAfter,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Failed,
        Kind::FailedButPersisted,
        Kind::SyncFailed,
        Kind::SyncFailedButPersisted,
        Kind::CrashBefore,
        Kind::CrashAfter,
    ];

    fn takes_effect(self) -> bool {
        matches!(self, Kind::FailedButPersisted | Kind::SyncFailedButPersisted | Kind::CrashAfter)
    }

    fn kills(self) -> bool {
        matches!(self, Kind::CrashBefore | Kind::CrashAfter)
    }

    fn error(self) -> Error {
        let syncs = matches!(self, Kind::SyncFailed | Kind::SyncFailedButPersisted);
        let action = if syncs { Action::Sync } else { Action::Write };
        Error::Io { action, path: "injected".into(), source: io::Error::other("injected") }
    }
}

/// Which calls fail, counted from the moment of arming.
#[derive(Default)]
pub(crate) struct Plan {
    armed: AtomicBool,
    dead: AtomicBool,
    calls: AtomicU64,
    faults: Mutex<Vec<(u64, Kind)>>,
    pub(crate) seen: Mutex<Vec<String>>,
}

impl Plan {
    pub(crate) fn arm(&self, faults: &[(u64, Kind)]) {
        *self.faults.lock().unwrap() = faults.to_vec();
        self.calls.store(0, SeqCst);
        self.armed.store(true, SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.armed.store(false, SeqCst);
    }

    /// Whether the last fault of the plan has happened.
    fn is_spent(&self) -> bool {
        self.faults.lock().unwrap().iter().all(|(call, _)| *call < self.calls.load(SeqCst))
    }

    fn call<T>(&self, what: String, effect: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.dead.load(SeqCst) {
            return Err(Kind::Failed.error());
        }
        if !self.armed.load(SeqCst) {
            return effect();
        }
        let number = self.calls.fetch_add(1, SeqCst);
        self.seen.lock().unwrap().push(what);
        let fault =
            self.faults.lock().unwrap().iter().find(|(call, _)| *call == number).map(|(_, kind)| *kind);
        let Some(kind) = fault else { return effect() };
        if kind.takes_effect() {
            effect()?;
        }
        self.dead.store(kind.kills(), SeqCst);
        Err(kind.error())
    }
}

pub(crate) struct FaultyStorage(Directory, Arc<Plan>);

impl Storage for FaultyStorage {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.1.call(format!("read {name}"), || self.0.read(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.1.call(format!("write {name}"), || self.0.write(name, bytes))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.1.call(format!("remove {name}"), || self.0.remove(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.1.call(format!("list {folder}"), || self.0.list(folder))
    }
}

pub(crate) struct FaultyAnchor(SqliteAnchor, Arc<Plan>);

impl Anchor for FaultyAnchor {
    fn load(&self) -> Result<Option<Anchored>> {
        self.1.call("load".into(), || self.0.load())
    }

    fn initialise(&mut self, first: &Anchored, mode: Mode) -> Result<()> {
        self.1.call("initialise".into(), || self.0.initialise(first, mode))
    }

    fn swap(&mut self, old: &[u8], new: &Anchored, leaves: &[Hash]) -> Result<()> {
        self.1.call("swap".into(), || self.0.swap(old, new, leaves))
    }

    fn find(&self, leaves: &[Hash]) -> Result<Vec<Option<u64>>> {
        self.1.call("find".into(), || self.0.find(leaves))
    }

    fn check(&self) -> Result<()> {
        self.1.call("check".into(), || self.0.check())
    }

    fn leaves(&self, first: u64, count: usize) -> Result<Vec<(u64, Hash)>> {
        self.1.call("leaves".into(), || self.0.leaves(first, count))
    }

    fn is_indexed(&self, size: u64) -> Result<bool> {
        self.1.call("is_indexed".into(), || self.0.is_indexed(size))
    }

    fn rebuild(&mut self, leaves: &[Hash]) -> Result<()> {
        self.1.call("rebuild".into(), || self.0.rebuild(leaves))
    }

    fn mode(&self) -> Result<Mode> {
        self.1.call("mode".into(), || self.0.mode())
    }

    fn set_mode(&mut self, mode: Mode) -> Result<()> {
        self.1.call("set_mode".into(), || self.0.set_mode(mode))
    }
}

type FaultyLog = Log<FaultyStorage, FaultyAnchor>;

pub(crate) fn open_faulty(world: &World, plan: &Arc<Plan>) -> Result<(FaultyLog, Recovery)> {
    let storage = Directory::writer(&world.path(), crate::world::briefly)?;
    let anchor = SqliteAnchor::open(&world.path().join("anchor.db"))?;
    let outside = FaultyStorage(Directory::reader(&world.outside()), plan.clone());
    let outposts = vec![Outpost::new("outside".into(), Box::new(outside))];
    let guards = Guards { outposts, hold: false };
    let (storage, anchor) = (FaultyStorage(storage, plan.clone()), FaultyAnchor(anchor, plan.clone()));
    Log::open_guarded_with(storage, anchor, world.key(), guards)
}

/// What is published must be whole at every moment, also before recovery.
fn assert_published_is_whole(world: &World) {
    let report = world.view().unwrap().check(&envelope_fits).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Whatever happened: entries that were acknowledged are where their receipts say, and appending all of them again gives
/// every entry one position.
fn assert_settled(world: &World, notes: &[Vec<u8>], acknowledged: &[Receipt], context: &str) {
    assert_published_is_whole(world);
    let (mut log, _) = world.open().unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_clean(&log);
    world.assert_extends(&log, notes);
    let view = world.view().unwrap();
    for receipt in acknowledged {
        let proven = view.prove_inclusion(receipt.index, &receipt.leaf);
        proven.unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    let size = log.checkpoint().unwrap().size;
    assert!(size == OLD || size == NEW, "{context}: {size} entries");
    for (receipt, index) in append(&mut log, OLD..NEW).iter().zip(OLD..) {
        assert_receipt(receipt, &body(index), &world.verifier);
        assert_eq!((receipt.index, receipt.existing), (index, size == NEW), "{context}");
    }
    assert_eq!(log.checkpoint().unwrap().size, NEW);
    assert_clean(&log);
    world.assert_extends(&log, notes);
}

/// The step under test fills a tile, so that it has full and partial tiles, a second level and something to clean up.
const OLD: u64 = 254;
const NEW: u64 = 259;

/// A log of `OLD` entries, its signed note, and some of the receipts that were given out.
fn base() -> (World, Vec<u8>, Vec<Receipt>) {
    let world = World::new();
    let receipts = append(&mut world.create(), 0..OLD).into_iter().step_by(50).collect();
    let note = world.note();
    (world, note, receipts)
}

#[test]
fn s01_a_fault_at_any_call_of_append_loses_nothing_that_was_acknowledged() {
    let (base, note, acknowledged) = base();
    let mut points = 0;
    for kind in Kind::ALL {
        for call in 0.. {
            let world = base.copy();
            let plan = Arc::new(Plan::default());
            let (mut log, _) = open_faulty(&world, &plan).unwrap();
            plan.arm(&[(call, kind)]);
            let result = try_append(&mut log, OLD..NEW);
            if !plan.is_spent() {
                assert_eq!(result.unwrap().len(), 5);
                break;
            }
            plan.disarm();
            points += 1;
            let context = format!("{kind:?} at {}", plan.seen.lock().unwrap().last().unwrap());
            assert!(result.is_err(), "{context}: a failed call went unnoticed");
            // Stopped: nothing is appended before a reload.
            assert!(matches!(try_append(&mut log, OLD..NEW), Err(Error::Poisoned { .. })), "{context}");
            assert!(matches!(log.checkpoint(), Err(Error::Poisoned { .. })), "{context}");
            match kind {
                Kind::Failed | Kind::FailedButPersisted => {
                    log.reload().unwrap_or_else(|error| panic!("{context}: {error}"));
                    assert_eq!(append(&mut log, OLD..NEW).len(), 5, "{context}");
                    assert_clean(&log);
                    world.assert_extends(&log, std::slice::from_ref(&note));
                }
                Kind::SyncFailed | Kind::SyncFailedButPersisted => {
                    assert!(matches!(log.reload(), Err(Error::Poisoned { fatal: true })), "{context}");
                }
                Kind::CrashBefore | Kind::CrashAfter => assert!(log.reload().is_err(), "{context}"),
            }
            drop(log);
            assert_settled(&world, std::slice::from_ref(&note), &acknowledged, &context);
        }
    }
    println!("{points} faults in append");
    assert!(points > 6 * 15, "{points}");
}

#[test]
fn s15_a_fault_at_any_call_of_recovery_converges_on_the_next_one() {
    let (base, note, acknowledged) = base();
    // Crash after the commit, after the first tile, after the checkpoint, and before the staged batch is removed.
    let mut points = 0;
    for crash in ["swap", "write tiles/tile", "write tiles/checkpoint", "remove staging"] {
        let crashed = base.copy();
        let crash_at = {
            let dry_run = base.copy();
            let plan = Arc::new(Plan::default());
            let (mut log, _) = open_faulty(&dry_run, &plan).unwrap();
            plan.arm(&[]);
            append(&mut log, OLD..NEW);
            plan.seen.lock().unwrap().iter().position(|call| call.starts_with(crash)).unwrap() as u64
        };
        let kind = if crash == "remove staging" { Kind::CrashBefore } else { Kind::CrashAfter };
        let plan = Arc::new(Plan::default());
        let (mut log, _) = open_faulty(&crashed, &plan).unwrap();
        plan.arm(&[(crash_at, kind)]);
        try_append(&mut log, OLD..NEW).unwrap_err();
        drop(log);

        for kind in Kind::ALL {
            for call in 0.. {
                let world = crashed.copy();
                let plan = Arc::new(Plan::default());
                plan.arm(&[(call, kind)]);
                let result = open_faulty(&world, &plan);
                if !plan.is_spent() {
                    assert!(result.unwrap().1.published_batch);
                    break;
                }
                points += 1;
                let context =
                    format!("after {crash}: {kind:?} at {}", plan.seen.lock().unwrap().last().unwrap());
                assert!(result.is_err(), "{context}: a failed call went unnoticed");
                drop(result);
                assert_settled(&world, std::slice::from_ref(&note), &acknowledged, &context);
                // The commit was made before the first crash: its entries are in.
                assert_eq!(world.view().unwrap().checkpoint().size, NEW, "{context}");
            }
        }
    }
    println!("{points} faults in recovery");
    assert!(points > 4 * 6 * 15, "{points}");
}

#[test]
fn s15_recovery_that_crashes_at_every_call_in_turn_still_ends() {
    let (base, note, acknowledged) = base();
    let world = base.copy();
    let plan = Arc::new(Plan::default());
    let (mut log, _) = open_faulty(&world, &plan).unwrap();
    plan.arm(&[]);
    append(&mut log, OLD..NEW);
    let swap = plan.seen.lock().unwrap().iter().position(|call| call == "swap").unwrap() as u64;
    drop(log);

    let world = base.copy();
    let plan = Arc::new(Plan::default());
    let (mut log, _) = open_faulty(&world, &plan).unwrap();
    plan.arm(&[(swap, Kind::CrashAfter)]);
    try_append(&mut log, OLD..NEW).unwrap_err();
    drop(log);
    // One and the same directory: every opening gets one call further than the one before.
    for call in 0.. {
        let plan = Arc::new(Plan::default());
        plan.arm(&[(call, Kind::CrashAfter)]);
        if open_faulty(&world, &plan).is_ok() {
            break;
        }
        assert_published_is_whole(&world);
    }
    assert_settled(&world, &[note], &acknowledged, "after many crashes");
}

#[test]
fn s06_two_failures_in_a_row_block_appending_until_a_reload_succeeds() {
    let (base, note, _) = base();
    for first in 0.. {
        let world = base.copy();
        let plan = Arc::new(Plan::default());
        let (mut log, _) = open_faulty(&world, &plan).unwrap();
        plan.arm(&[(first, Kind::Failed)]);
        let result = try_append(&mut log, OLD..NEW);
        if !plan.is_spent() {
            break;
        }
        result.unwrap_err();
        for second in [0, 1, 2] {
            plan.arm(&[(second, Kind::Failed)]);
            log.reload().unwrap_err();
            assert!(matches!(try_append(&mut log, OLD..NEW), Err(Error::Poisoned { fatal: false })));
        }
        plan.disarm();
        log.reload().unwrap();
        append(&mut log, OLD..NEW);
        assert_clean(&log);
        world.assert_extends(&log, std::slice::from_ref(&note));
    }
}

#[test]
fn s02_the_checkpoint_is_published_after_everything_it_implies() {
    let (base, ..) = base();
    let plan = Arc::new(Plan::default());
    let (mut log, _) = open_faulty(&base, &plan).unwrap();
    plan.arm(&[]);
    append(&mut log, OLD..NEW);
    let seen = plan.seen.lock().unwrap();
    let position = |start: &str| seen.iter().position(|call| call.starts_with(start)).unwrap();
    let last = |start: &str| seen.iter().rposition(|call| call.starts_with(start)).unwrap();
    assert!(last("write envelopes/") < position("write staging/"));
    assert!(position("write staging/") < position("read staging/"));
    assert!(position("read staging/") < position("swap"));
    assert!(position("swap") < position("write tiles/tile/"));
    assert!(last("write tiles/tile/") < position("write tiles/checkpoint"));
    assert!(position("write tiles/checkpoint") < position("remove tiles/tile/"));
    assert!(last("remove tiles/tile/") < position("remove staging/"));
    assert!(position("remove staging/") < last("read tiles/tile/"), "proofs come from what is stored");
}

/// A storage that hands back other bytes for the staged batch than were written.
struct Lying(Directory, std::cell::RefCell<Option<usize>>);

impl Storage for Lying {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = self.0.read(name)?;
        if let Some(bytes) = bytes.as_mut().filter(|_| name.starts_with("staging/"))
            && let Some(at) = self.1.take()
        {
            let at = at % bytes.len();
            bytes[at] ^= 0x10;
        }
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.0.write(name, bytes)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.0.remove(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.0.list(folder)
    }
}

#[test]
fn s07_nothing_is_signed_when_the_staged_batch_reads_back_differently() {
    let (base, note, _) = base();
    for at in (0..9000).step_by(499) {
        let world = base.copy();
        let storage = Directory::writer(&world.path(), crate::world::briefly).unwrap();
        let anchor = SqliteAnchor::open(&world.path().join("anchor.db")).unwrap();
        let (mut log, _) =
            Log::open_with(Lying(storage, std::cell::RefCell::new(Some(at))), anchor, world.key()).unwrap();
        assert!(matches!(try_append(&mut log, OLD..NEW), Err(Error::Damaged { .. })), "byte {at}");
        drop(log);
        assert_eq!(world.note(), note);
        assert_eq!(world.staged(), 1);
        world.open().unwrap();
        assert_eq!(world.staged(), 0);
    }
}
