//! A process that is killed while it appends, again and again, over one log.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sealwax_transparency_log::Log;

use crate::world::{World, append, assert_clean, body, key};

const DIRECTORY: &str = "SEALWAX_TEST_LOG";
const KEY: &str = "SEALWAX_TEST_KEY";

/// Not a test by itself: the process that [`s01_a_killed_process_loses_nothing_that_it_acknowledged`] starts and kills.
#[test]
#[ignore = "started by another test"]
fn child_appends_until_killed() {
    let (Some(directory), Ok(text)) = (std::env::var_os(DIRECTORY), std::env::var(KEY)) else { return };
    let (mut log, _) = Log::open(&PathBuf::from(directory), key(&text), crate::world::briefly).unwrap();
    for step in (1..=7).cycle() {
        let size = log.checkpoint().unwrap().size;
        for receipt in append(&mut log, size..size + step) {
            println!("\nacknowledged {}", receipt.index);
        }
    }
}

#[test]
fn s01_a_killed_process_loses_nothing_that_it_acknowledged() {
    let world = World::new();
    drop(world.create());
    let mut notes = vec![world.note()];
    let mut acknowledged = 0u64;
    let mut recovered = 0;
    for round in 0..25u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_appends_until_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, world.path())
            .env(KEY, world.key_text())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 1 + round * 7 % 40 {
            let line = lines.next().expect("the child ended by itself").unwrap();
            if let Some(index) = line.strip_prefix("acknowledged ") {
                assert_eq!(
                    index.parse::<u64>().unwrap(),
                    acknowledged,
                    "an index was used twice or left out"
                );
                acknowledged += 1;
                seen += 1;
            }
        }
        child.kill().unwrap();
        // What it acknowledged until the signal reached it counts as well.
        for line in lines.map_while(Result::ok) {
            if let Some(index) =
                line.strip_prefix("acknowledged ").and_then(|index| index.parse::<u64>().ok())
            {
                assert_eq!(index, acknowledged);
                acknowledged += 1;
            }
        }
        child.wait().unwrap();
        let staged = world.staged() > 0;
        let (log, recovery) = world.open().unwrap();
        recovered += u32::from(recovery.published_batch || staged);
        assert_eq!(world.staged(), 0);
        let view = world.view().unwrap();
        assert!(log.checkpoint().unwrap().size >= acknowledged);
        for index in acknowledged.saturating_sub(50)..acknowledged {
            assert_eq!(view.entry(index).unwrap(), body(index));
        }
        assert_clean(&log);
        world.assert_extends(&log, &notes);
        notes.push(world.note());
        // The child goes on from what is there, acknowledged or not.
        acknowledged = log.checkpoint().unwrap().size;
    }
    println!("25 kills, {acknowledged} entries, {recovered} unfinished appends");
}
