//! A log on a full, damaged or restored disk, and under many hands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use sealwax_tests::{Sandbox, copy_tree, files_below};

#[test]
fn s04_a_full_disk_leaves_nothing_half_written_and_the_log_usable() {
    let sandbox = Sandbox::signed();
    let small = sandbox.at("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&small).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a full disk (mounting needs the superuser)");
        return;
    }
    // The bundle does not fit.
    fs::write(small.join("filler"), vec![0; 1022 << 10]).unwrap();
    let bundle = small.join("model.sig");
    sandbox
        .run(["sign".as_ref(), "m".as_ref(), "--signature".as_ref(), bundle.as_os_str()])
        .fails(3, "write");
    assert_eq!(files_below(&small), [small.join("filler")]);
    fs::remove_file(small.join("filler")).unwrap();
    sandbox.ok(["sign".as_ref(), "m".as_ref(), "--signature".as_ref(), bundle.as_os_str()]);
    fs::remove_file(&bundle).unwrap();

    // The log does not fit: fill the disk to every remaining size in steps, sign, make room, sign.
    let instance = small.join("instance");
    let on_small = |arguments: &[&str]| {
        let mut all: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        all.extend(["--instance".as_ref(), instance.as_os_str()]);
        sandbox.run(all)
    };
    assert_eq!(on_small(&["instance", "init"]).code, Some(0));
    for free in (0..12).map(|step| step * 4096) {
        sandbox.write("m/config.json", format!("{free}"));
        let filler = small.join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let full = file.metadata().unwrap().len();
        file.set_len(full.saturating_sub(free)).unwrap();
        drop(file);
        let run = on_small(&["sign", "m"]);
        assert!(matches!(run.code, Some(0 | 3)), "{free}: {run:?}");
        if run.code == Some(0) {
            assert_eq!(on_small(&["verify", "m"]).code, Some(0));
        }
        fs::remove_file(&filler).unwrap();
        assert_eq!(on_small(&["sign", "m"]).code, Some(0), "{free}");
        assert_eq!(on_small(&["verify", "m"]).code, Some(0), "{free}");
    }
    let unmounted = Command::new("umount").arg("-l").arg(&small).status().unwrap();
    assert!(unmounted.success());
}

#[test]
fn a_damaged_log_is_noticed_and_nothing_is_signed_over_it() {
    let sandbox = Sandbox::new();
    for round in 0..3 {
        sandbox.write("m/f", format!("{round}"));
        sandbox.ok(["sign", "m"]);
    }
    let log = sandbox.instance().join("log");
    sandbox.write("m/f", "next");
    for file in files_below(&log) {
        let name = file.strip_prefix(&log).unwrap().display().to_string();
        let edge = ["tiles/checkpoint", "tiles/tile/0/000.p/3", "tiles/tile/entries/000.p/3"]
            .contains(&name.as_str());
        let good = fs::read(&file).unwrap();
        for offset in [0, good.len() / 3, good.len() / 2, good.len().saturating_sub(1)] {
            if good.is_empty() {
                continue;
            }
            let copy = sandbox.at("copy");
            copy_tree(&sandbox.instance(), &copy);
            let mut bad = good.clone();
            bad[offset] ^= 4;
            fs::write(copy.join("log").join(&name), bad).unwrap();
            for key in ["signing.pem", "log.pem"] {
                fs::set_permissions(copy.join("keys").join(key), Permissions::from_mode(0o600)).unwrap();
            }
            let run = sandbox.run(["sign", "m", "--instance", "copy"]);
            if edge {
                run.fails(4, "log");
                assert!(run.stderr.contains("hint:"), "{run:?}");
            } else if run.code == Some(0) {
                // Harmless: what was signed must verify, and so must the next one.
                assert_eq!(sandbox.run(["verify", "m", "--instance", "copy"]).code, Some(0), "{name}");
            } else {
                assert!(matches!(run.code, Some(3 | 4)), "{name}: {run:?}");
            }
            fs::remove_dir_all(copy).unwrap();
        }
    }
    sandbox.ok(["sign", "m"]);
}

#[test]
fn s07_damage_anywhere_in_the_log_is_named_by_a_check() {
    let sandbox = Sandbox::new();
    for number in 0..3 {
        sandbox.write("m/f", format!("{number}"));
        sandbox.ok(["sign", "m"]);
    }
    let sound = sandbox.json(0, ["log", "fsck"]);
    assert_eq!(sound["entries"], 3);
    let log = sandbox.instance().join("log");
    for file in files_below(&log) {
        let name = file.strip_prefix(&log).unwrap().display().to_string();
        if name == "lock" || name.starts_with("anchor.db") {
            continue;
        }
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&file, bad).unwrap();
        let run = sandbox.run(["log", "fsck"]);
        // A checkpoint is named by what it is.
        run.fails(4, if name == "tiles/checkpoint" { "checkpoint" } else { &name });
        assert!(run.stderr.contains("hint:"), "{run:?}");
        fs::write(&file, good).unwrap();
    }
    sandbox.ok(["log", "fsck"]);
}

#[test]
fn s08_a_log_restored_from_an_older_copy_does_not_sign() {
    let sandbox = Sandbox::new();
    sandbox.write("m/f", "1");
    sandbox.ok(["sign", "m"]);
    let log = sandbox.instance().join("log");
    copy_tree(&log, &sandbox.at("older"));
    sandbox.write("m/f", "2");
    sandbox.ok(["sign", "m"]);
    let newest = sandbox.at("newest");
    copy_tree(&log, &newest);
    sandbox.write("m/f", "3");

    fs::remove_dir_all(log.join("tiles")).unwrap();
    copy_tree(&sandbox.at("older/tiles"), &log.join("tiles"));
    sandbox.run(["sign", "m"]).fails(4, "older copy");

    fs::remove_dir_all(&log).unwrap();
    copy_tree(&newest, &log);
    fs::copy(sandbox.at("older/anchor.db"), log.join("anchor.db")).unwrap();
    sandbox.run(["sign", "m"]).fails(4, "older copy");

    fs::remove_file(log.join("anchor.db")).unwrap();
    sandbox.run(["sign", "m"]).fails(4, "anchor");

    fs::remove_dir_all(&log).unwrap();
    copy_tree(&newest, &log);
    sandbox.ok(["sign", "m"]);
    sandbox.ok(["verify", "m"]);
}

#[test]
fn s09_many_signers_at_once_take_turns() {
    let sandbox = Sandbox::new();
    for number in 0..8 {
        sandbox.write(format!("m{number}/f"), format!("{number}"));
    }
    let children: Vec<_> = (0..8)
        .map(|number| {
            let mut command = sandbox.command(["sign", &format!("m{number}")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for number in 0..8 {
        sandbox.ok(["verify", &format!("m{number}")]);
    }
    assert_eq!(sandbox.json(0, ["instance", "show"])["log"]["size"], 8);
}
