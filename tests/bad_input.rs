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
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use sealwax_tests::{Run, Sandbox, files_below};

#[test]
fn a_model_that_is_missing_or_empty_or_holds_only_what_is_ignored() {
    let sandbox = Sandbox::signed();
    sandbox.run(["sign", "nowhere"]).fails(3, "no such file");
    sandbox.run(["verify", "nowhere"]).fails(3, "no such file");
    fs::create_dir_all(sandbox.at("empty/nested")).unwrap();
    sandbox.run(["sign", "empty"]).fails(1, "no files");
    sandbox.write("only-git/.gitignore", "x");
    sandbox.run(["sign", "only-git"]).fails(1, "no files");
    assert!(!sandbox.at("empty/model.sig").exists());
    sandbox.run(["verify", "empty"]).fails(3, "no bundle");
}

#[test]
fn a_file_without_read_permission() {
    let sandbox = Sandbox::new();
    let secret = sandbox.model("m").join("weights.bin");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    if File::open(&secret).is_err() {
        sandbox.run(["sign", "m"]).fails(3, "weights.bin");
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
        Ok(output) => Run::from(output).fails(3, "weights.bin"),
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
    run.fails(3, "changed while it was being hashed");
    assert!(run.stderr.contains("big.bin"), "{run:?}");
    assert!(!sandbox.at("m/model.sig").exists());
}

#[test]
fn k03_k04_keys_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let generate = |path: &str| sandbox.ok(["key", "generate", path]);
    generate("good.pem");
    sandbox.run(["key", "generate", "good.pem"]).fails(2, "exists already");
    sandbox.run(["sign", "m", "--key", "nowhere.pem"]).fails(3, "nowhere.pem");
    let private = |name: &str, text: &[u8]| {
        let path = sandbox.write(name, text);
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    private("noise.pem", b"not a key");
    sandbox.run(["sign", "m", "--key", "noise.pem"]).fails(2, "PEM");
    let truncated = fs::read(sandbox.at("good.pem")).unwrap();
    private("truncated.pem", &truncated[..truncated.len() / 2]);
    sandbox.run(["sign", "m", "--key", "truncated.pem"]).fails(2, "truncated.pem");
    let shown = sandbox.json(0, ["key", "show", "good.pem"]);
    private("public.pem", shown["public_key"].as_str().unwrap().as_bytes());
    sandbox.run(["sign", "m", "--key", "public.pem"]).fails(2, "public key");
    sandbox.run(["verify", "m", "--key", "good.pem", "--no-log"]).fails(2, "private key");

    sandbox.write("pass", "correct horse\n");
    sandbox.ok(["key", "generate", "locked.pem", "--passphrase-file", "pass"]);
    assert!(fs::read_to_string(sandbox.at("locked.pem")).unwrap().contains("ENCRYPTED"));
    sandbox.ok(["sign", "m", "--key", "locked.pem", "--passphrase-file", "pass"]);
    sandbox.write("wrong", "battery staple\n");
    sandbox
        .run(["sign", "m", "--key", "locked.pem", "--passphrase-file", "wrong"])
        .fails(2, "wrong passphrase");
    sandbox.run(["sign", "m", "--key", "locked.pem"]).fails(3, "passphrase");
    let mut piped = sandbox.command(["sign", "m", "--key", "locked.pem", "--passphrase-file", "/dev/stdin"]);
    piped.stdin(File::open(sandbox.at("pass")).unwrap());
    assert_eq!(piped.output().unwrap().status.code(), Some(0));
    sandbox
        .run(["sign", "m", "--key", "locked.pem", "--passphrase-file", "/dev/zero"])
        .fails(3, "more than the cap");
    let by_variable = |value: &str| {
        let mut command =
            sandbox.command(["sign", "m", "--key", "locked.pem", "--passphrase-env", "KEY_PASS"]);
        Run::from(command.env("KEY_PASS", value).output().unwrap())
    };
    assert_eq!(by_variable("correct horse").code, Some(0));
    by_variable("x").fails(2, "wrong passphrase");
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
        sandbox.run(["sign", "m", "--key", name]).fails(2, "unsupported key");
    }
    let legacy = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    private("legacy.pem", legacy.as_bytes());
    sandbox.run(["sign", "m", "--key", "legacy.pem"]).fails(2, "openssl pkcs8 -topk8");
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
        sandbox.run(["sign", "m", "--key", "open.pem"]).fails(2, "can be read by others");
    }
    fs::set_permissions(sandbox.at("open.pem"), Permissions::from_mode(0o600)).unwrap();
    sandbox.ok(["sign", "m", "--key", "open.pem"]);
    symlink(sandbox.at("elsewhere"), sandbox.at("dangling.pem")).unwrap();
    sandbox.run(["key", "generate", "dangling.pem"]).fails(2, "exists already");
    assert!(!sandbox.at("elsewhere").exists());
    assert!(Command::new("mkfifo").arg(sandbox.at("fifo.pem")).status().unwrap().success());
    sandbox.run(["sign", "m", "--key", "fifo.pem"]).fails(3, "not a regular file");
    sandbox.run(["sign", "m", "--key", "/dev/zero"]).fails(3, "not a regular file");
}

#[test]
fn b10_bundles_that_are_not_files_or_far_too_large() {
    let sandbox = Sandbox::signed();
    let verify = |bundle: &str| sandbox.run(["verify", "m", "--signature", bundle]);
    verify("nowhere.sig").fails(3, "no bundle");
    verify("m").fails(3, "not a regular file");
    verify("/dev/zero").fails(3, "not a regular file");
    assert!(Command::new("mkfifo").arg(sandbox.at("fifo.sig")).status().unwrap().success());
    verify("fifo.sig").fails(3, "not a regular file");
    let sparse = File::create(sandbox.at("sparse.sig")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    verify("sparse.sig").fails(3, "more than the cap");
    sandbox.write("empty.sig", b"");
    assert_eq!(sandbox.rejected(["verify", "m", "--signature", "empty.sig"]), "B09-not-json");
}

#[test]
fn b01_b09_d12_b11_bundles_that_are_not_bundles() {
    let sandbox = Sandbox::signed();
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
    let sandbox = Sandbox::signed();
    let good = fs::read_to_string(sandbox.at("m/model.sig")).unwrap();
    let claims = [
        (r#""inclusionPromise":{"signedEntryTimestamp":"AAAA"}"#, "D16-unsupported"),
        (r#""integratedTime":"1700000000""#, "M01-unproven-time"),
    ];
    for (claim, code) in claims {
        sandbox.write(
            "bad.sig",
            good.replacen(r#""inclusionProof""#, &format!(r#"{claim},"inclusionProof""#), 1),
        );
        assert_eq!(sandbox.rejected(["verify", "m", "--signature", "bad.sig"]), code, "{claim}");
    }
    let neutral = r#""inclusionPromise":null,"integratedTime":"0","inclusionProof""#;
    sandbox.write("same.sig", good.replacen(r#""inclusionProof""#, neutral, 1));
    let verify = ["verify", "m", "--signature", "same.sig"];
    // The bundle that stays behind is a file like any other, until the verifier agrees to it.
    assert_eq!(sandbox.rejected(verify), "F05-ignored-present");
    sandbox.ok(verify.iter().chain(&["--ignore-path", "model.sig"]));
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
        run.fails(1, named);
        assert!(run.stderr.contains("hint:"), "{what}: {run:?}");
        assert!(!sandbox.at("m/model.sig").exists(), "{what}");
    }
}

#[test]
fn what_no_signed_model_holds_is_refused_with_a_code_and_no_way_around() {
    type Change = fn(&Path);
    let plant: [(&str, Change); 4] = [
        ("F03-symlink", |m| symlink("config.json", m.join("planted")).unwrap()),
        ("F08-special-file", |m| {
            assert!(Command::new("mkfifo").arg(m.join("planted")).status().unwrap().success());
        }),
        ("D15-twins", |m| fs::write(m.join("CONFIG.json"), "").unwrap()),
        ("F10-name", |m| fs::write(m.join("nul.txt"), "").unwrap()),
    ];
    for (code, change) in plant {
        let sandbox = Sandbox::signed();
        change(&sandbox.at("m"));
        let verdict = sandbox.json(1, ["verify", "m"]);
        assert_eq!((&verdict["code"], &verdict["fault"]), (&code.into(), &"changed".into()), "{verdict}");
        assert!(verdict["hint"].as_str().unwrap().starts_with("do not use the model"), "{verdict}");
    }
}

#[test]
fn a_sign_that_fails_makes_no_instance() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.run(["sign", "m", "--key", "nowhere.pem"]).fails(3, "nowhere.pem");
    symlink("config.json", sandbox.at("m/link")).unwrap();
    sandbox.run(["sign", "m"]).fails(1, "link");
    assert!(!sandbox.instance().exists());
}

#[test]
fn what_a_killed_sign_left_is_not_signed() {
    let sandbox = Sandbox::signed();
    let leftover = sandbox.write("m/.model.sig.sealwax-tmp", "half a bun");
    sandbox.ok(["sign", "m"]);
    assert!(!leftover.exists());
    assert_eq!(sandbox.json(0, ["verify", "m"])["files"], 4);
    let busy = File::create(&leftover).unwrap();
    busy.lock().unwrap();
    sandbox.run(["sign", "m"]).fails(3, "another sealwax");
    assert!(leftover.exists());
    drop(busy);
    sandbox.ok(["sign", "m"]);
}

#[test]
fn f04_a_file_swapped_for_a_link_with_the_same_bytes() {
    let sandbox = Sandbox::signed();
    fs::rename(sandbox.at("m/config.json"), sandbox.at("config.json")).unwrap();
    symlink("../config.json", sandbox.at("m/config.json")).unwrap();
    sandbox.run(["verify", "m"]).fails(1, "config.json");
}

#[test]
fn f05_ignoring_everything_is_impossible() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    for path in [".", "", "/", "..", "./", "m/.."] {
        let run = sandbox.run(["sign", "m", "--ignore-path", path]);
        run.fails(2, "--ignore-path");
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
fn a_signature_never_replaces_another_kind_of_file() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    for target in ["m/weights.bin", "m/config.json", "m", "m/tokenizer"] {
        let before = files_below(&sandbox.at("m")).len();
        sandbox.run(["sign", "m", "--signature", target]).fails(2, "not a signature");
        assert_eq!(files_below(&sandbox.at("m")).len(), before);
    }
    assert_eq!(fs::read(sandbox.at("m/weights.bin")).unwrap(), vec![7; 100_000]);
}

#[test]
fn f05_git_names_that_were_not_there_at_signing_cannot_be_planted() {
    for options in [&["sign", "m"][..], &["sign", "m", "--include-git", "--signature", "out.sig"]] {
        let sandbox = Sandbox::new();
        sandbox.model("m");
        sandbox.ok(options);
        let verify = if options.contains(&"out.sig") {
            &["verify", "m", "--signature", "out.sig"][..]
        } else {
            &["verify", "m"]
        };
        for planted in [".git/hooks/post-checkout", ".gitattributes", "tokenizer/.github/payload.py"] {
            let path = sandbox.write(format!("m/{planted}"), "payload");
            let verdict = sandbox.json(1, verify);
            assert_eq!(verdict["extra"], serde_json::json!([planted]), "{options:?}");
            fs::remove_file(&path).unwrap();
            let mut parent = path.parent().unwrap();
            while fs::remove_dir(parent).is_ok() {
                parent = parent.parent().unwrap();
            }
        }
        sandbox.ok(verify);
    }
    // What was there is left out, recorded and named; signing it needs a word.
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.write("m/.gitattributes", "*.bin lfs");
    sandbox.ok(["sign", "m"]);
    assert!(sandbox.ok(["verify", "m"]).stderr.contains("not covered by the signature: .gitattributes"));
    sandbox.ok(["sign", "m", "--include-git"]);
    assert_eq!(sandbox.json(0, ["verify", "m"])["files"], 5);
    sandbox.write("m/.gitattributes", "changed");
    assert_eq!(sandbox.rejected(["verify", "m"]), "D10-model-differs");
}

#[test]
fn k02_an_instance_that_others_can_change_decides_nothing() {
    let sandbox = Sandbox::new();
    let script =
        format!("umask 000; exec '{}' instance init --instance open", sealwax_tests::sealwax().display());
    assert!(Command::new("sh").args(["-c", &script]).current_dir(sandbox.path()).status().unwrap().success());
    let open = sandbox.at("open");
    for path in [&open, &open.join("policy.json"), &open.join("trusted_root.json")] {
        let good = fs::metadata(path).unwrap().permissions();
        assert_eq!(good.mode() & 0o022, 0, "{}", path.display());
        fs::set_permissions(path, Permissions::from_mode(good.mode() | 0o020)).unwrap();
        sandbox.run(["instance", "show", "--instance", "open"]).fails(2, "can be changed by others");
        fs::set_permissions(path, good).unwrap();
    }
    sandbox.ok(["instance", "show", "--instance", "open"]);
}

#[test]
fn k09_neither_the_logs_key_nor_a_key_inside_the_model_signs() {
    let sandbox = Sandbox::signed();
    let log_key = sandbox.instance().join("keys/log.pem");
    sandbox
        .run(["sign".as_ref(), "m".as_ref(), "--key".as_ref(), log_key.as_os_str()])
        .fails(2, "log's own key");
    sandbox.ok(["key", "generate", "m/key.pem"]);
    sandbox.run(["sign", "m", "--key", "m/key.pem"]).fails(2, "inside the model");
    sandbox.run(["sign", "m", "--instance", "m/instance"]).fails(2, "inside the model");
    assert_eq!(sandbox.json(0, ["instance", "show"])["log"]["size"], 1);
}

#[test]
fn a_sign_that_cannot_write_its_bundle_leaves_the_log_as_it_was() {
    let sandbox = Sandbox::signed();
    sandbox.write("m/config.json", "changed");
    sandbox.run(["sign", "m", "--signature", "nowhere/x.sig"]).fails(3, "write");
    sandbox.write("single.bin", "");
    sandbox.run(["sign", "single.bin", "--signature", "single.bin"]).fails(2, "not a signature");
    sandbox.write("m/__init__.py", "");
    sandbox.run(["sign", "m", "--signature", "m/__init__.py"]).fails(2, "not a signature");
    fs::copy(sandbox.at("m/model.sig"), sandbox.at("bundle.json")).unwrap();
    sandbox.run(["sign", "bundle.json", "--signature", "bundle.json"]).fails(2, "not a signature");
    assert_eq!(sandbox.json(0, ["instance", "show"])["log"]["size"], 1);
}

#[test]
fn b07_huge_names_in_a_bundle_cost_little_and_print_little() {
    let sandbox = Sandbox::signed();
    let good = fs::read_to_string(sandbox.at("m/model.sig")).unwrap();
    let long = "\u{ad}".repeat(4 << 20);
    for (field, with) in
        [("\"hint\":\"", format!("\"hint\":\"{long}")), ("\"keyid\":\"", format!("\"keyid\":\"{long}"))]
    {
        sandbox.write("bad.sig", good.replacen(field, &with, 1));
        let run = sandbox.run(["verify", "m", "--signature", "bad.sig"]);
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.len() < 10_000, "{} bytes", run.stderr.len());
    }
}
