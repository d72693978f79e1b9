//! A log whose process is killed and whose disk loses power, again and again: what was acknowledged is never lost.
//!
//! `SEALWAX_CRASH_ROUNDS` multiplies the counts: 5 gives 1,000 kills, 10 gives 200 power cuts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealwax_tests::crash::{Disk, rounds};
use sealwax_tests::log::TestLog;

/// Starts a child whose batches have sizes that make it fill tiles at ever other points, and takes down what it says until
/// it ends. Does `then` after so many acknowledgements and a delay, so that it does not always fall at the same place.
fn run(log: &mut TestLog, round: u64, then: impl FnOnce(&mut Child)) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log_child"));
    log.child(&mut command, u64::MAX, 1 + round % 7);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..1 + round % 4 {
        loop {
            let line = lines.next().expect("the child ended by itself").unwrap();
            log.hear(&line);
            if line.starts_with("acknowledged") {
                break;
            }
        }
    }
    // Multiples of the golden ratio, which fall nowhere twice.
    std::thread::sleep(Duration::from_micros(round * 6_180 % 10_000));
    then(&mut child);
    lines.map_while(Result::ok).for_each(|line| log.hear(&line));
    child.wait().unwrap();
}

#[test]
fn s01_killed_while_appending_again_and_again() {
    let place = tempfile::tempdir().unwrap();
    let mut log = TestLog::create(&place.path().join("log"), place.path());
    let (mut unfinished, mut checked) = (0, 0);
    let started = Instant::now();
    let kills = rounds(200);
    for round in 1..=kills {
        run(&mut log, round, |child| child.kill().unwrap());
        log.see();
        unfinished += u32::from(staged(log.directory()) > 0);
        // The next child opens the log as it was left; what all of them left is looked at now and then.
        if round % 10 == 0 || round == kills {
            log.assert_holds(if round == kills { 0 } else { checked }, &format!("kill {round}"));
            assert_eq!(staged(log.directory()), 0);
            checked = log.size();
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{kills} kills in {seconds:.0} s, {} entries, {unfinished} unfinished appends, none lost",
        log.size()
    );
    assert!(unfinished > 0, "no kill fell into an append");
}

/// The number of staged batches, not counting one that was cut short while it was written.
fn staged(log: &Path) -> usize {
    let Ok(files) = std::fs::read_dir(log.join("staging")) else { return 0 };
    files.filter(|file| file.as_ref().unwrap().file_name() != ".tmp").count()
}

#[test]
fn s15_killed_while_starting_again_and_again() {
    let place = tempfile::tempdir().unwrap();
    let mut log = TestLog::create(&place.path().join("log"), place.path());
    let mut opened = 0;
    for round in 1..=rounds(20) {
        // A log that was left in the middle of an append, and then of one recovery after the other.
        run(&mut log, round, |child| child.kill().unwrap());
        for attempt in 1..=10 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_log_child"));
            log.child(&mut command, 0, 0).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_micros((round * 10 + attempt) * 618 % 6_000));
            let _ = child.kill();
            let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            opened += u32::from(said.contains("opened"));
        }
        log.assert_holds(0, &format!("round {round}"));
        assert_eq!(staged(log.directory()), 0);
    }
    let starts = rounds(20) * 10;
    eprintln!("{starts} kills of a starting process, {opened} of them after it was done");
    assert!(u64::from(opened) < starts, "no kill fell into a recovery");
}

#[test]
fn s03_power_cut_while_appending() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(place.path()) else { return };
    let mut log = TestLog::create(&disk.path().join("log"), place.path());
    let (cuts, started) = (rounds(20), Instant::now());
    let mut checked = 0;
    for round in 1..=cuts {
        run(&mut log, round, |_| disk.cut_power());
        disk.restore_power();
        // Long logs take long to read: what was read after one cut is read again at the end.
        log.assert_holds(if round == cuts { 0 } else { checked }, &format!("cut {round}"));
        checked = log.size();
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{cuts} power cuts in {seconds:.0} s, {} entries, none lost", log.size());
}
