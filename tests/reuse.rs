//! `--reuse`: what is unchanged is not read, what was kept is believed only whole and by its own key, and nothing of it can fail
//! a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sealwax_tests::{Sandbox, files_below};
use serde_json::{Value, json};

const SIGN: [&str; 3] = ["sign", "m", "--reuse"];
const VERIFY: [&str; 3] = ["verify", "m", "--reuse"];

/// A model whose files are old enough to be remembered, signed with reuse.
fn remembered() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(sandbox.json(0, SIGN)["reused"], read_all());
    sandbox
}

fn read_all() -> Value {
    json!({"files": 0, "bytes": 0, "read_files": 4, "read_bytes": 100_019})
}

fn read_nothing() -> Value {
    json!({"files": 4, "bytes": 100_019, "read_files": 0, "read_bytes": 0})
}

fn kept(sandbox: &Sandbox) -> PathBuf {
    sandbox.at("home/.local/state/sealwax/reuse")
}

/// The one file of digests.
fn digests(sandbox: &Sandbox) -> PathBuf {
    let files = files_below(&kept(sandbox));
    let [digests, key] = files.as_slice() else { panic!("{files:?}") };
    assert!(key.ends_with("key"));
    digests.clone()
}

#[test]
fn unchanged_files_are_not_read_and_the_verdict_says_so() {
    let sandbox = remembered();
    assert_eq!(sandbox.json(0, SIGN)["reused"], read_nothing());
    let run = sandbox.ok(SIGN);
    assert!(
        run.stderr.contains("reused   4 files (97.6 KiB) not read, unchanged since hashed before"),
        "{run:?}"
    );
    assert_eq!(sandbox.json(0, VERIFY)["reused"], read_nothing());
    let run = sandbox.ok(VERIFY);
    assert!(run.stdout.contains("reused   4 files (97.6 KiB) not read"), "{run:?}");
    assert!(run.stdout.contains("0 files (0 B) read"), "{run:?}");

    sandbox.write("m/config.json", "{\"layers\":3}");
    let reused = sandbox.json(0, SIGN)["reused"].clone();
    assert_eq!(
        (&reused["files"], &reused["read_files"], &reused["read_bytes"]),
        (&json!(3), &json!(1), &json!(12))
    );
    // The next one reads it again: it changed a moment ago.
    assert_eq!(sandbox.json(0, ["sign", "m"])["log"]["existing"], true);
}

#[test]
fn verifying_reads_everything_unless_told() {
    let sandbox = remembered();
    let before = fs::read(digests(&sandbox)).unwrap();
    for command in ["sign", "verify"] {
        let verdict = sandbox.json(0, [command, "m"]);
        assert!(verdict.get("reused").is_none(), "{verdict}");
    }
    assert_eq!(fs::read(digests(&sandbox)).unwrap(), before);
    let other = Sandbox::signed();
    other.ok(["verify", "m"]);
    assert!(!kept(&other).exists());
}

#[test]
fn f06_a_change_that_hides_behind_size_and_modification_time_is_found() {
    let sandbox = remembered();
    let path = sandbox.at("m/weights.bin");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"x", 50_000).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    assert_eq!(sandbox.rejected(VERIFY), "D10-model-differs");
    assert_eq!(sandbox.json(0, SIGN)["reused"]["read_bytes"], 100_000);
    sandbox.ok(["verify", "m"]);
}

#[test]
fn what_was_kept_is_believed_whole_or_not_at_all() {
    let sandbox = remembered();
    let path = digests(&sandbox);
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        fs::write(&path, bytes).unwrap();
        let run = sandbox.ok(VERIFY);
        assert!(run.stderr.contains(why) && run.stderr.contains("every file is read"), "{why}: {run:?}");
        assert!(run.stdout.contains("0 files (0 B) not read"), "{run:?}");
        // It was made anew.
        assert_eq!(sandbox.json(0, SIGN)["reused"], read_nothing(), "{why}");
    };
    // A digest that an attacker would like to be believed.
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    refused(&forged, "damaged");
    refused(&good[..good.len() - 1], "damaged");
    refused(&good[..40], "damaged");
    refused(b"", "another form");
    refused(&[b"sealwax known digests 2\n", &good[24..]].concat(), "another form");
    refused(&vec![0; 70 << 20], "more than the cap");

    // Another model's, also where it is at the same place with the same files.
    sealwax_tests::copy_tree(&sandbox.at("m"), &sandbox.at("other"));
    sandbox.ok(["sign", "other", "--reuse"]);
    let others =
        files_below(&kept(&sandbox)).into_iter().find(|file| *file != path && !file.ends_with("key"));
    let others = others.unwrap();
    refused(&fs::read(&others).unwrap(), "another key or model's");
    fs::remove_file(others).unwrap();

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let run = sandbox.ok(SIGN);
    assert!(run.stderr.contains("not a regular file") && run.stderr.contains("not kept"), "{run:?}");
}

#[test]
fn a_key_that_others_can_read_is_replaced() {
    let sandbox = remembered();
    let key = kept(&sandbox).join("key");
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(&kept(&sandbox)), mode(&digests(&sandbox))), (0o600, 0o700, 0o600));
    let old = fs::read(&key).unwrap();
    assert_eq!(old.len(), 32);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let run = sandbox.ok(SIGN);
    assert!(run.stderr.contains("another key"), "{run:?}");
    assert!(fs::read(&key).unwrap() != old && mode(&key) == 0o600);
    assert_eq!(sandbox.json(0, SIGN)["reused"], read_nothing());
    for bad in [&b""[..], &[1; 31], &[1; 33]] {
        fs::write(&key, bad).unwrap();
        assert_eq!(sandbox.json(0, SIGN)["reused"], read_all());
    }
}

#[test]
fn what_cannot_be_kept_fails_nothing() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.write("home/.local/state/sealwax", "a file");
    let run = sandbox.ok(SIGN);
    assert!(run.stderr.contains("not kept for the next time"), "{run:?}");
    assert_eq!(sandbox.json(0, VERIFY)["reused"], read_all());
}

#[test]
fn runs_at_once_leave_one_whole_file() {
    let sandbox = remembered();
    fs::remove_dir_all(kept(&sandbox)).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..3).for_each(|_| drop(sandbox.ok(VERIFY))));
        }
    });
    digests(&sandbox);
    sandbox.ok(VERIFY);
    assert_eq!(sandbox.json(0, VERIFY)["reused"], read_nothing());
}

#[test]
fn only_so_many_models_are_remembered() {
    let sandbox = remembered();
    for number in 0..100 {
        let path = sandbox.write(kept(&sandbox).join(format!("old{number}")), "");
        let old = std::time::SystemTime::now() - Duration::from_secs(3600 + number);
        File::open(path).unwrap().set_times(FileTimes::new().set_modified(old)).unwrap();
    }
    assert_eq!(sandbox.json(0, SIGN)["reused"], read_nothing());
    let left = files_below(&kept(&sandbox));
    assert_eq!(left.len(), 65);
    assert!(
        left.iter().any(|path| path.ends_with("old62")) && !left.iter().any(|path| path.ends_with("old63"))
    );
    assert_eq!(sandbox.json(0, SIGN)["reused"], read_nothing());
}

#[test]
fn p11_a_relative_home_remembers_nothing() {
    let sandbox = Sandbox::signed();
    let instance = sandbox.instance();
    let arguments =
        ["verify".as_ref(), "m".as_ref(), "--reuse".as_ref(), "--instance".as_ref(), instance.as_os_str()];
    let output = sandbox.command(arguments).env("HOME", "home").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let remembered = files_below(sandbox.path()).iter().any(|path| path.ends_with("reuse/key"));
    assert!(!remembered);
}
