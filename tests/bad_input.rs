//! Bad input on the command line: a clear error, the right exit code, nothing half-written, nothing lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use sealwax_tests::{Run, Sandbox, copy_tree, files_below};

/// A sandbox with a signed model `m`.
fn signed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.ok(["sign", "m"]);
    sandbox
}

/// Demands an exit code, an `error:` line that holds `text`, and no claim of success.
fn fails(run: &Run, code: i32, text: &str) {
    assert_eq!(run.code, Some(code), "{run:?}");
    assert!(run.stderr.contains("error") && run.stderr.contains(text), "{text}: {run:?}");
    assert!(!run.stdout.contains("verified") && !run.stderr.contains("signed  "), "{run:?}");
}

#[test]
fn a_model_that_is_missing_or_empty_or_holds_only_what_is_ignored() {
    let sandbox = signed();
    fails(&sandbox.run(["sign", "nowhere"]), 3, "no such file");
    fails(&sandbox.run(["verify", "nowhere"]), 3, "no such file");
    fs::create_dir_all(sandbox.at("empty/nested")).unwrap();
    fails(&sandbox.run(["sign", "empty"]), 1, "no files");
    sandbox.write("only-git/.gitignore", "x");
    fails(&sandbox.run(["sign", "only-git"]), 1, "no files");
    assert!(!sandbox.at("empty/model.sig").exists());
    fails(&sandbox.run(["verify", "empty"]), 3, "no bundle");
}

#[test]
fn a_file_without_read_permission() {
    let sandbox = Sandbox::new();
    let secret = sandbox.model("m").join("weights.bin");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    if File::open(&secret).is_err() {
        fails(&sandbox.run(["sign", "m"]), 3, "weights.bin");
        return;
    }
    // The superuser reads everything: run as nobody, who must be able to reach the sandbox and the binary.
    let nobody = 65_534;
    for path in [sandbox.path().to_owned(), sandbox.at("home"), sandbox.at("m")] {
        std::os::unix::fs::chown(&path, Some(nobody), Some(nobody)).unwrap();
    }
    let mut command = sandbox.command(["sign", "m"]);
    match command.uid(nobody).gid(nobody).output() {
        Err(_) => eprintln!("skipped: the binary cannot be run by another user"),
        Ok(output) => fails(&Run::from(output), 3, "weights.bin"),
    }
}

#[test]
fn f06_a_file_that_changes_while_it_is_hashed() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("m/big.bin", b"");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(600 << 20).unwrap();
    let stop = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        let run = sandbox.run(["sign", "m"]);
        stop.store(true, Ordering::Relaxed);
        run
    });
    fails(&run, 3, "changed while it was being hashed");
    assert!(run.stderr.contains("big.bin"), "{run:?}");
    assert!(!sandbox.at("m/model.sig").exists());
}

#[test]
fn s04_a_full_disk_leaves_nothing_half_written_and_the_log_usable() {
    let sandbox = signed();
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
    fails(
        &sandbox.run(["sign".as_ref(), "m".as_ref(), "--signature".as_ref(), bundle.as_os_str()]),
        3,
        "write",
    );
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
fn k03_k04_keys_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let generate = |path: &str| sandbox.ok(["key", "generate", path]);
    generate("good.pem");
    fails(&sandbox.run(["key", "generate", "good.pem"]), 2, "exists already");
    fails(&sandbox.run(["sign", "m", "--key", "nowhere.pem"]), 3, "nowhere.pem");
    let private = |name: &str, text: &[u8]| {
        let path = sandbox.write(name, text);
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    private("noise.pem", b"not a key");
    fails(&sandbox.run(["sign", "m", "--key", "noise.pem"]), 2, "PEM");
    let truncated = fs::read(sandbox.at("good.pem")).unwrap();
    private("truncated.pem", &truncated[..truncated.len() / 2]);
    fails(&sandbox.run(["sign", "m", "--key", "truncated.pem"]), 2, "truncated.pem");
    let shown = sandbox.json(0, ["key", "show", "good.pem"]);
    private("public.pem", shown["public_key"].as_str().unwrap().as_bytes());
    fails(&sandbox.run(["sign", "m", "--key", "public.pem"]), 2, "public key");
    fails(&sandbox.run(["verify", "m", "--key", "good.pem", "--no-log"]), 2, "private key");

    sandbox.write("pass", "correct horse\n");
    sandbox.ok(["key", "generate", "locked.pem", "--passphrase-file", "pass"]);
    assert!(fs::read_to_string(sandbox.at("locked.pem")).unwrap().contains("ENCRYPTED"));
    sandbox.ok(["sign", "m", "--key", "locked.pem", "--passphrase-file", "pass"]);
    sandbox.write("wrong", "battery staple\n");
    fails(
        &sandbox.run(["sign", "m", "--key", "locked.pem", "--passphrase-file", "wrong"]),
        2,
        "wrong passphrase",
    );
    fails(&sandbox.run(["sign", "m", "--key", "locked.pem"]), 3, "passphrase");
    let by_variable = |value: &str| {
        let mut command =
            sandbox.command(["sign", "m", "--key", "locked.pem", "--passphrase-env", "KEY_PASS"]);
        Run::from(command.env("KEY_PASS", value).output().unwrap())
    };
    assert_eq!(by_variable("correct horse").code, Some(0));
    fails(&by_variable("x"), 2, "wrong passphrase");
    for (name, arguments) in [
        ("rsa.pem", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..]),
        ("k1.pem", &["ecparam", "-name", "secp256k1", "-genkey", "-noout"]),
        ("ed448.pem", &["genpkey", "-algorithm", "ed448"]),
    ] {
        let Ok(made) = Command::new("openssl").args(arguments).output() else {
            eprintln!("skipped: keys by openssl (it is not here)");
            return;
        };
        private(name, &made.stdout);
        fails(&sandbox.run(["sign", "m", "--key", name]), 2, "unsupported key");
    }
    let legacy = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    private("legacy.pem", legacy.as_bytes());
    fails(&sandbox.run(["sign", "m", "--key", "legacy.pem"]), 2, "openssl pkcs8 -topk8");
}

#[test]
fn k01_k02_k05_key_files_are_for_their_owner_only() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let mut shell = Command::new("sh");
    let script = format!("umask 000; exec '{}' key generate open.pem", sealwax_tests::sealwax().display());
    assert!(
        shell
            .args(["-c", &script])
            .current_dir(sandbox.path())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(fs::metadata(sandbox.at("open.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o666, 0o620] {
        fs::set_permissions(sandbox.at("open.pem"), Permissions::from_mode(mode)).unwrap();
        fails(&sandbox.run(["sign", "m", "--key", "open.pem"]), 2, "can be read by others");
    }
    fs::set_permissions(sandbox.at("open.pem"), Permissions::from_mode(0o600)).unwrap();
    sandbox.ok(["sign", "m", "--key", "open.pem"]);
    symlink(sandbox.at("elsewhere"), sandbox.at("dangling.pem")).unwrap();
    fails(&sandbox.run(["key", "generate", "dangling.pem"]), 2, "exists already");
    assert!(!sandbox.at("elsewhere").exists());
    assert!(Command::new("mkfifo").arg(sandbox.at("fifo.pem")).status().unwrap().success());
    fails(&sandbox.run(["sign", "m", "--key", "fifo.pem"]), 3, "not a regular file");
    fails(&sandbox.run(["sign", "m", "--key", "/dev/zero"]), 3, "not a regular file");
}

#[test]
fn b10_bundles_that_are_not_files_or_far_too_large() {
    let sandbox = signed();
    let verify = |bundle: &str| sandbox.run(["verify", "m", "--signature", bundle]);
    fails(&verify("nowhere.sig"), 3, "no bundle");
    fails(&verify("m"), 3, "not a regular file");
    fails(&verify("/dev/zero"), 3, "not a regular file");
    assert!(Command::new("mkfifo").arg(sandbox.at("fifo.sig")).status().unwrap().success());
    fails(&verify("fifo.sig"), 3, "not a regular file");
    let sparse = File::create(sandbox.at("sparse.sig")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    fails(&verify("sparse.sig"), 3, "more than the cap");
    sandbox.write("empty.sig", b"");
    assert_eq!(sandbox.rejected(["verify", "m", "--signature", "empty.sig"]), "B09-not-json");
}

#[test]
fn b01_b09_d12_b11_bundles_that_are_not_bundles() {
    let sandbox = signed();
    let good = fs::read_to_string(sandbox.at("m/model.sig")).unwrap();
    let code = |text: &str| {
        sandbox.write("bad.sig", text);
        sandbox.rejected(["verify", "m", "--signature", "bad.sig"])
    };
    for cut in (0..good.len()).step_by(97) {
        assert_eq!(code(&good[..cut]), "B09-not-json", "cut at {cut}");
    }
    assert_eq!(code(&format!("{good} {{}}")), "B09-not-json");
    assert_eq!(code(&format!("\u{feff}{good}")), "B09-not-json");
    assert_eq!(code("GIF89a"), "B09-not-json");
    assert_eq!(code(&"[".repeat(100_000)), "B01-too-deep");
    assert_eq!(code(&"{\"a\":".repeat(100_000)), "B01-too-deep");
    assert_eq!(code(&format!("[{}0]", "0,".repeat(1_000_000))), "B06-too-many");
    assert_eq!(code(&good.replacen('{', "{\"mediaType\":\"x\",", 1)), "D12-duplicate-key");
    assert_eq!(code(&good.replacen("\"hint\"", "\"hint\":\"\",\"\\u0068int\"", 1)), "D12-duplicate-key");
    for media_type in ["v0.4", "V0.3", "v0.3 "] {
        assert_eq!(code(&good.replacen("v0.3", media_type, 1)), "B11-media-type", "{media_type}");
    }
    assert_eq!(code(&good.replacen("\"hint\"", "\"hint2\"", 1)), "B08-unknown-field");
    sandbox.ok(["verify", "m"]);
}

#[test]
fn every_changed_character_of_a_bundle_is_refused_or_means_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("m/f", "x");
    sandbox.ok(["sign", "m"]);
    let good = fs::read(sandbox.at("m/model.sig")).unwrap();
    for offset in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[offset] ^= 1;
        sandbox.write("bad.sig", &bad);
        let run = sandbox.run(["verify", "m", "--signature", "bad.sig"]);
        assert_eq!(run.code, Some(1), "byte {offset}: {run:?}");
    }
}

#[test]
fn t06_an_unchecked_promise_or_time_is_refused_even_beside_a_good_proof() {
    let sandbox = signed();
    let good = fs::read_to_string(sandbox.at("m/model.sig")).unwrap();
    for claim in [r#""inclusionPromise":{"signedEntryTimestamp":"AAAA"}"#, r#""integratedTime":"1700000000""#]
    {
        sandbox.write(
            "bad.sig",
            good.replacen(r#""inclusionProof""#, &format!(r#"{claim},"inclusionProof""#), 1),
        );
        assert_eq!(sandbox.rejected(["verify", "m", "--signature", "bad.sig"]), "D16-unsupported", "{claim}");
    }
    let neutral = r#""inclusionPromise":null,"integratedTime":"0","inclusionProof""#;
    sandbox.write("same.sig", good.replacen(r#""inclusionProof""#, neutral, 1));
    sandbox.ok(["verify", "m", "--signature", "same.sig"]);
}

#[test]
fn f01_f03_f08_f10_models_that_cannot_be_signed() {
    type Change = fn(&Path);
    let build: [(&str, Change, &str); 8] = [
        ("symlink", |m| symlink("config.json", m.join("link")).unwrap(), "link"),
        ("dangling", |m| symlink("nowhere", m.join("gone")).unwrap(), "gone"),
        ("directory link", |m| symlink("/", m.join("root")).unwrap(), "root"),
        ("fifo", |m| assert!(Command::new("mkfifo").arg(m.join("pipe")).status().unwrap().success()), "pipe"),
        ("case twins", |m| fs::write(m.join("CONFIG.json"), "").unwrap(), "CONFIG.json"),
        ("reserved", |m| fs::write(m.join("aux.txt"), "").unwrap(), "aux.txt"),
        ("newline", |m| fs::write(m.join("a\nverified m"), "").unwrap(), "\\u{a}verified"),
        ("not UTF-8", |m| fs::write(m.join(std::ffi::OsStr::from_bytes(b"a\xff")), "").unwrap(), "UTF-8"),
    ];
    for (what, change, named) in build {
        let sandbox = Sandbox::new();
        change(&sandbox.model("m"));
        let run = sandbox.run(["sign", "m"]);
        fails(&run, 1, named);
        assert!(run.stderr.contains("hint:"), "{what}: {run:?}");
        assert!(!sandbox.at("m/model.sig").exists(), "{what}");
    }
}

#[test]
fn f04_a_file_swapped_for_a_link_with_the_same_bytes() {
    let sandbox = signed();
    fs::rename(sandbox.at("m/config.json"), sandbox.at("config.json")).unwrap();
    symlink("../config.json", sandbox.at("m/config.json")).unwrap();
    fails(&sandbox.run(["verify", "m"]), 1, "config.json");
}

#[test]
fn f05_ignoring_everything_is_impossible() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    for path in [".", "", "/", "..", "./", "m/.."] {
        let run = sandbox.run(["sign", "m", "--ignore-path", path]);
        fails(&run, 2, "--ignore-path");
    }
    sandbox.ok(["sign", "m", "--ignore-path", "tokenizer/"]);
    assert_eq!(sandbox.rejected(["verify", "m"]), "F05-ignored-present");
    let accepted = sandbox.json(0, ["verify", "m", "--ignore-path", "tokenizer"]);
    assert!(accepted["unchecked"].to_string().contains("tokenizer"));
    // Agreeing to ignore a signed file does not hide it.
    assert_eq!(
        sandbox.rejected(["verify", "m", "--ignore-path", "tokenizer", "--ignore-path", "weights.bin"]),
        "D10-model-differs"
    );
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
                fails(&run, 4, "log");
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
    fails(&sandbox.run(["sign", "m"]), 4, "older copy");

    fs::remove_dir_all(&log).unwrap();
    copy_tree(&newest, &log);
    fs::copy(sandbox.at("older/anchor.db"), log.join("anchor.db")).unwrap();
    fails(&sandbox.run(["sign", "m"]), 4, "older copy");

    fs::remove_file(log.join("anchor.db")).unwrap();
    fails(&sandbox.run(["sign", "m"]), 4, "anchor");

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

#[test]
fn a_signature_never_replaces_another_kind_of_file() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    for target in ["m/weights.bin", "m/config.json", "m", "m/tokenizer"] {
        let before = files_below(&sandbox.at("m")).len();
        fails(&sandbox.run(["sign", "m", "--signature", target]), 2, "not a signature");
        assert_eq!(files_below(&sandbox.at("m")).len(), before);
    }
    assert_eq!(fs::read(sandbox.at("m/weights.bin")).unwrap(), vec![7; 100_000]);
}

#[test]
fn x06_a_result_that_cannot_be_delivered_is_no_success() {
    let sandbox = signed();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["verify", "m"][..],
        &["inspect", "m"],
        &["verify", "m", "--json"],
        &["key", "show"],
        &["--version"],
        &["--help"],
    ] {
        let output = sandbox.command(arguments).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {output:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sandbox.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {output:?}");
    }
    // What was said on the way is not the result.
    let output = sandbox.command(["verify", "m"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn o01_o05_nothing_from_outside_reaches_the_terminal_raw() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let name = "x\x1b[2J\x1b]0;t\x07\r\nverified m\u{202e}";
    sandbox.ok(["sign", "m", "--name", name]);
    let shown = sandbox.ok(["inspect", "m"]);
    assert!(shown.stdout.contains("\\u{1b}") && shown.stdout.contains("\\u{202e}"), "{shown:?}");
    assert!(!shown.stdout.contains(['\x1b', '\r', '\x07', '\u{202e}']));
    assert!(!shown.stdout.lines().any(|line| line.starts_with("verified")), "{shown:?}");
    assert_eq!(sandbox.json(0, ["inspect", "m"])["name"], name);
    sandbox.write("m/\u{200b}", "");
    let run = sandbox.run(["verify", "m"]);
    assert!(!run.stderr.contains('\u{200b}'), "{run:?}");
}

#[test]
fn x10_x11_odd_surroundings() {
    let sandbox = signed();
    sandbox.model("-rf");
    sandbox.ok(["sign", "--", "-rf"]);
    sandbox.ok(["verify", "--", "-rf"]);
    sandbox.ok(["verify", "./-rf"]);
    assert_eq!(sandbox.run(["verify", "m", "--no-such-option"]).code, Some(2));
    assert_eq!(sandbox.run(Vec::<&str>::new()).code, Some(2));
    let raw = std::ffi::OsStr::from_bytes(b"m\xff");
    fs::create_dir(sandbox.at(raw)).unwrap();
    fs::write(sandbox.at(raw).join("f"), "x").unwrap();
    let run = sandbox.run(["sign".as_ref(), raw]);
    assert!(matches!(run.code, Some(0..=2)), "{run:?}");

    let homeless = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        Run::from(command.env_remove("HOME").output().unwrap())
    };
    let explicit = ["verify", "m", "--instance", "home/.local/share/sealwax"];
    assert_eq!(homeless(&explicit).code, Some(0));
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && exec '{}' verify '{}'",
        sealwax_tests::sealwax().display(),
        sandbox.at("m").display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(sandbox.path()).env_clear().env("HOME", sandbox.at("home"));
    assert_eq!(command.env("PATH", "/usr/bin:/bin").output().unwrap().status.code(), Some(0));
}

#[test]
fn x12_verify_needs_no_network() {
    let sandbox = signed();
    let verify = sandbox.command(["verify", "m"]);
    let mut alone = Command::new("unshare");
    alone.args(["--net", "--"]).arg(verify.get_program()).args(verify.get_args());
    alone.current_dir(sandbox.path()).env("HOME", sandbox.at("home"));
    match alone.output() {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare") => {
            eprintln!("skipped: a network namespace (the system does not allow one)");
        }
        Err(_) => eprintln!("skipped: a network namespace (unshare is not here)"),
        Ok(output) => assert_eq!(output.status.code(), Some(0), "{output:?}"),
    }
}

#[test]
fn quiet_says_nothing_and_colour_stays_off_a_pipe() {
    let sandbox = signed();
    for arguments in [&["verify", "m", "--quiet"][..], &["sign", "m", "-q"]] {
        let run = sandbox.ok(arguments);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{arguments:?}");
    }
    let run = sandbox.run(["verify", "nowhere", "--quiet"]);
    assert!(run.stderr.starts_with("error:"), "{run:?}");
    for arguments in [&["verify", "m"][..], &["--help"], &["inspect", "m"]] {
        assert!(!sandbox.ok(arguments).stdout.contains('\x1b'));
    }
}

#[test]
fn completions_and_man_pages_are_written() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = sandbox.ok(["completions", shell]);
        assert!(run.stdout.contains("sealwax") && run.stdout.contains("trusted-root"), "{shell}");
    }
    fs::create_dir(sandbox.at("man")).unwrap();
    sandbox.ok(["man", "man"]);
    let mut page = String::new();
    File::open(sandbox.at("man/sealwax-verify.1")).unwrap().read_to_string(&mut page).unwrap();
    assert!(page.contains("trusted\\-root"), "{page}");
    assert!(sandbox.at("man/sealwax-instance-export.1").is_file());
}
