//! A fault at every system call of an append and of a recovery, one at a time, each in a process of its own.
//!
//! A first run under `strace` tells which calls there are. Then each of them fails, or is where the process is killed, or
//! takes none of the bytes that it was given. Afterwards another process must find everything that was acknowledged.
//!
//! `strace` can make a write answer that it took a part of the bytes, but not make it take them, and a kernel that lies is
//! another fault: writes that are cut short for real come from a limit on the size of files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use sealwax_tests::log::TestLog;
use tempfile::TempDir;

/// The batch under test fills a tile, so that there are full and partial tiles, a second level and something to tidy.
const OLD: u64 = 254;
const ENTRIES: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    InputOutput,
    NoSpace,
    Kill,
    /// The call takes no bytes.
    ShortWrite,
}

impl Fault {
    const ALL: [Fault; 4] = [Fault::InputOutput, Fault::NoSpace, Fault::Kill, Fault::ShortWrite];

    fn injection(self) -> &'static str {
        match self {
            Fault::InputOutput => "error=EIO",
            Fault::NoSpace => "error=ENOSPC",
            Fault::Kill => "signal=KILL",
            Fault::ShortWrite => "retval=0",
        }
    }

    fn fits(self, call: &str) -> bool {
        match self {
            Fault::InputOutput | Fault::Kill => true,
            Fault::NoSpace => TAKES_SPACE.contains(&call),
            Fault::ShortWrite => call == "write" || call == "pwrite64",
        }
    }
}

/// One call of a run: its name, and how many of that name came before it, plus one.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    number: u64,
    line: String,
}

/// A log, and what is done to it.
struct Scene {
    base: TestLog,
    batches: u64,
    calls: Vec<Call>,
    place: TempDir,
}

impl Scene {
    /// An append to a log that was closed in good order.
    fn append() -> Scene {
        let place = place();
        let mut base = TestLog::create(&place.path().join("log"), place.path());
        let output = run(&mut base, None, 1, OLD);
        hear(&mut base, &output);
        let mut dry_run = base.copy(&place.path().join(DRY_RUN));
        let calls = trace(&mut dry_run, place.path(), 1, "opened", "done");
        Scene { base, batches: 1, calls, place }
    }

    /// The recovery of a log whose process was killed after the commit, when it came to the first of the new tiles.
    fn recovery() -> Scene {
        let mut scene = Scene::append();
        let first_tile = scene
            .calls
            .iter()
            .find(|call| call.line.contains("tiles/tile/") && call.line.contains("O_CREAT"));
        let kill = strace(first_tile.unwrap(), Fault::Kill, &scene.place.path().join("killed"));
        let output = run(&mut scene.base, Some(kill), 1, ENTRIES);
        hear(&mut scene.base, &output);
        let mut dry_run = scene.base.copy(&scene.place.path().join("again").join(DRY_RUN));
        scene.calls = trace(&mut dry_run, scene.place.path(), 0, "started", "opened");
        scene.batches = 0;
        let again = scene.base.copy(&scene.place.path().join("opened"));
        assert!(again.open().unwrap().1.published_batch, "the scene is not the one that was meant");
        scene
    }

    /// Tells whether a call flushes the log's directory itself, where the database and its journal are.
    fn flushes_directory(&self, call: &Call) -> bool {
        call.name == "fsync" && call.line.contains(&format!("/{DRY_RUN}>)"))
    }

    /// Injects every fault at every call that it fits, two at a time. Gives for each how often it was meant and happened.
    ///
    /// A failed flush must stop the process with the exit code given, and before it acknowledged anything. The exception is
    /// one flush that SQLite makes of the log's directory, which was flushed before and whose answer it does not look at.
    fn inject_all(&self, stopped: i32) -> BTreeMap<Fault, (u64, u64)> {
        let ignored = Mutex::new(BTreeSet::new());
        let fits = |fault: Fault| {
            self.calls.iter().filter(move |call| fault.fits(&call.name)).map(move |call| (fault, call))
        };
        let work = Mutex::new(Fault::ALL.into_iter().flat_map(fits));
        let counts = Mutex::new(BTreeMap::<Fault, (u64, u64)>::new());
        let worker = || {
            let place = place();
            let mut number = 0;
            loop {
                let Some((fault, call)) = work.lock().unwrap().next() else { break };
                number += 1;
                let mut log = self.base.copy(&place.path().join(format!("{number}")));
                let report = place.path().join("strace");
                let output = run(&mut log, Some(strace(call, fault, &report)), self.batches, ENTRIES);
                let said = fs::read_to_string(&report).unwrap();
                let happened = said.contains("(INJECTED)") || output.status.signal() == Some(9);
                let context = format!("{fault:?} at {}: {output:?}", call.line);
                let flushes = ["fsync", "fdatasync"].contains(&call.name.as_str()) && fault != Fault::Kill;
                if flushes && output.status.success() && self.flushes_directory(call) {
                    ignored.lock().unwrap().insert(call.number);
                } else if flushes {
                    assert_eq!(output.status.code(), Some(stopped), "{context}");
                    assert!(!String::from_utf8_lossy(&output.stdout).contains("acknowledged"), "{context}");
                }
                assert_honest(&output, &context);
                hear(&mut log, &output);
                log.assert_holds(OLD - 4, &context);
                fs::remove_dir_all(log.directory()).unwrap();
                let mut counts = counts.lock().unwrap();
                let (meant, did) = counts.entry(fault).or_default();
                *meant += 1;
                *did += u64::from(happened);
            }
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(worker);
            worker();
            other.join().unwrap();
        });
        let ignored = ignored.into_inner().unwrap();
        assert!(ignored.len() <= 1, "{ignored:?}");
        counts.into_inner().unwrap()
    }
}

/// Ending well means having said everything; every other end is an error, a stop or the kill.
fn assert_honest(output: &Output, context: &str) {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => assert!(said(&output.stdout).ends_with("done\n"), "{context}"),
        (Some(1 | FLUSH_FAILED), _) | (None, Some(9)) => {}
        // The standard library panics where a directory that was read cannot be closed.
        (Some(101), _) => assert!(said(&output.stderr).contains("closedir"), "{context}"),
        _ => panic!("{context}"),
    }
}

#[test]
fn s01_s05_s06_a_fault_at_every_system_call_of_an_append() {
    if !can_inject() {
        return;
    }
    let scene = Scene::append();
    let counts = scene.inject_all(FLUSH_FAILED);
    print("one append", &scene, &counts);
}

#[test]
fn s05_s15_a_fault_at_every_system_call_of_a_recovery() {
    if !can_inject() {
        return;
    }
    let scene = Scene::recovery();
    let counts = scene.inject_all(1);
    print("one recovery", &scene, &counts);
}

#[test]
fn s02_s03_every_new_name_is_flushed_before_what_implies_it() {
    if !can_inject() {
        return;
    }
    let scene = Scene::append();
    let (mut flushed, mut waiting, mut renamed) = (BTreeSet::new(), BTreeSet::new(), 0);
    for Call { name, line, .. } in &scene.calls {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let folder = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
        // The commit implies what was staged, the checkpoint the tiles, an answer everything; and a batch is needed until
        // then.
        let implies = match name.as_str() {
            "pwrite64" => true,
            "write" => line.starts_with("write(1<"),
            "rename" => quoted[1].ends_with("/checkpoint"),
            "unlink" => quoted[0].contains("/staging/") && line.ends_with("= 0"),
            _ => false,
        };
        assert!(!implies || waiting.is_empty(), "{waiting:?} before {line}");
        match name.as_str() {
            "fsync" => {
                let path = line.split(['<', '>']).nth(1).unwrap();
                flushed.insert(path);
                waiting.remove(path);
            }
            "rename" => {
                assert!(flushed.remove(quoted[0]), "renamed before its bytes were flushed: {line}");
                waiting.insert(folder(quoted[1]));
                renamed += 1;
            }
            "mkdir" if line.ends_with("= 0") => drop(waiting.insert(folder(quoted[0]))),
            _ => {}
        }
    }
    assert!(renamed > 5, "{renamed}");

    // The journal of the database is a new name as well, and SQLite does not look whether its flush failed.
    let mut copy = scene.base.copy(&scene.place.path().join("start"));
    let start = trace(&mut copy, scene.place.path(), 0, "started", "opened");
    let created =
        start.iter().position(|call| call.line.contains("anchor.db-wal\", O_RDWR|O_CREAT")).unwrap();
    let flushes = |call: &&Call| call.name == "fsync" && call.line.contains("/start>)");
    assert_eq!(start[created..].iter().filter(flushes).count(), 1);
}

#[test]
fn s08_writes_that_are_cut_short_at_any_length() {
    let place = place();
    let mut base = TestLog::create(&place.path().join("log"), place.path());
    let output = run(&mut base, None, 1, OLD);
    hear(&mut base, &output);
    let (mut refused, mut taken) = (0, 0);
    // In blocks of 512 bytes: small steps through tiles and bundles, larger ones through the database and its journal.
    for blocks in (1..40).chain((40..400).step_by(10)) {
        let mut log = base.copy(&place.path().join(format!("{blocks}")));
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        let output = run(&mut log, Some(shell), 1, ENTRIES);
        let context = format!("{blocks} blocks: {output:?}");
        assert_honest(&output, &context);
        if output.status.success() {
            taken += 1
        } else {
            refused += 1
        }
        hear(&mut log, &output);
        log.assert_holds(OLD - 4, &context);
        fs::remove_dir_all(log.directory()).unwrap();
    }
    eprintln!("{refused} appends with a write cut short, {taken} with room for all of them");
    assert!(refused > 20 && taken > 0);
}

/// Runs the child, under another program if one is given.
fn run(log: &mut TestLog, under: Option<Command>, batches: u64, entries: u64) -> Output {
    let child = env!("CARGO_BIN_EXE_log_child");
    let mut command = match under {
        Some(mut command) => {
            command.arg(child);
            command
        }
        None => Command::new(child),
    };
    // What cargo sets for tests makes the system's loader look for libraries in many places, call by call.
    log.child(&mut command, batches, entries).env_remove("LD_LIBRARY_PATH").output().unwrap()
}

fn hear(log: &mut TestLog, output: &Output) {
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| log.hear(line));
}

fn strace(call: &Call, fault: Fault, report: &Path) -> Command {
    let Call { name, number, .. } = call;
    let mut command = Command::new("strace");
    command.args(["-qq", "-e", &format!("trace={name}"), "-o"]).arg(report);
    command.args(["-e", &format!("inject={name}:{}:when={number}", fault.injection())]);
    command
}

/// Lists the calls about files that a run makes between two of its lines.
fn trace(log: &mut TestLog, place: &Path, batches: u64, from: &str, to: &str) -> Vec<Call> {
    let report = place.join("trace");
    let mut command = Command::new("strace");
    command.args(["-qq", "-y", "-e", "trace=%file,%desc", "-e", "signal=none", "-o"]).arg(&report);
    let output = run(log, Some(command), batches, ENTRIES);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(report).unwrap();
    let mut numbers = BTreeMap::<String, u64>::new();
    let calls: Vec<Call> = text
        .lines()
        .map(|line| {
            let name = line.split_once('(').unwrap().0.to_owned();
            let number = numbers.entry(name.clone()).or_default();
            *number += 1;
            Call { name, number: *number, line: line.to_owned() }
        })
        .collect();
    let says = |what: &str| {
        let text = format!(", \"{what}");
        calls.iter().position(|call| call.line.starts_with("write(1<") && call.line.contains(&text)).unwrap()
    };
    let window: Range<usize> = says(from) + 1..says(to) + 1;
    calls[window]
        .iter()
        .filter(|call| !call.name.starts_with("m") || call.name.starts_with("mkdir"))
        .cloned()
        .collect()
}

fn print(what: &str, scene: &Scene, counts: &BTreeMap<Fault, (u64, u64)>) {
    let mut names = BTreeMap::<&str, u64>::new();
    scene.calls.iter().for_each(|call| *names.entry(&call.name).or_default() += 1);
    let names: Vec<String> = names.iter().map(|(name, count)| format!("{count} {name}")).collect();
    eprintln!("{what}: {} calls ({})", scene.calls.len(), names.join(", "));
    for (fault, (meant, happened)) in counts {
        eprintln!("  {:<12} {meant:>4} faults, {happened:>4} of them hit", fault.injection());
        assert_eq!(meant, happened, "{fault:?}");
    }
    assert!(scene.calls.len() > 50 && counts.len() == Fault::ALL.len());
}

/// Tells whether there is a strace that may trace and inject here.
fn can_inject() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"]);
    let works = strace.output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: faults at system calls (there is no strace that may inject them)");
    }
    works
}

/// A temporary directory in memory where there is such a place: these faults are the system's answers, not the disk's.
fn place() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The calls that may meet a full disk.
const TAKES_SPACE: [&str; 12] = [
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "ftruncate",
    "fallocate",
];
/// The directory of a log whose calls are traced.
const DRY_RUN: &str = "dry-run";
/// What the child ends with after a failed flush.
const FLUSH_FAILED: i32 = 4;
