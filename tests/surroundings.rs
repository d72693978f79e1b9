//! Odd terminals, pipes, arguments, directories and networks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::process::Command;

use sealwax_tests::{Run, Sandbox};

#[test]
fn x06_a_result_that_cannot_be_delivered_is_no_success() {
    let sandbox = Sandbox::signed();
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
    let raw = sandbox.ok(["inspect", "m", "--json"]).stdout;
    assert!(!raw.contains(['\x1b', '\r', '\x07', '\u{202e}']), "{raw:?}");
    assert_eq!(sandbox.json(0, ["inspect", "m"])["name"], name);
    sandbox.write("m/\u{200b}", "");
    let run = sandbox.run(["verify", "m"]);
    assert!(!run.stderr.contains('\u{200b}'), "{run:?}");
}

#[test]
fn x10_x11_odd_surroundings() {
    let sandbox = Sandbox::signed();
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
    run.fails(2, "--name");
    assert!(!sandbox.at(raw).join("model.sig").exists());
    sandbox.ok(["sign".as_ref(), raw, "--name".as_ref(), "m".as_ref()]);

    let homeless = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        Run::from(command.env_remove("HOME").output().unwrap())
    };
    let mut relative = sandbox.command(["sign", "m"]);
    Run::from(relative.env("HOME", "home").output().unwrap()).fails(2, "no home directory");
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
    let sandbox = Sandbox::signed();
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
    let sandbox = Sandbox::signed();
    for arguments in [&["verify", "m", "--quiet"][..], &["sign", "m", "-q"]] {
        let run = sandbox.ok(arguments);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{arguments:?}");
    }
    let run = sandbox.run(["verify", "nowhere", "--quiet"]);
    assert_eq!(run.stderr, "error: nowhere: no such file or directory\n\nhint: check the path\n");
    for arguments in [&["verify", "m"][..], &["--help"], &["inspect", "m"]] {
        assert!(!sandbox.ok(arguments).stdout.contains('\x1b'));
    }
}

#[test]
fn with_json_every_end_is_one_object() {
    let sandbox = Sandbox::signed();
    for arguments in
        [&["verify"][..], &["frobnicate"], &["sign", "m", "--hash", "md5"], &["completions", "bash"]]
    {
        let verdict = sandbox.json(2, arguments);
        assert_eq!((&verdict["verdict"], &verdict["exit_code"]), (&"error".into(), &2.into()), "{verdict}");
        assert!(verdict["message"].as_str().is_some_and(|message| !message.is_empty()), "{verdict}");
    }
    assert_eq!(sandbox.json(0, ["sign", "m"])["verdict"], "signed");
    assert_eq!(sandbox.json(0, ["verify", "m"])["verdict"], "accepted");
    assert_eq!(sandbox.json(0, ["log", "fsck"])["verdict"], "sound");
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

#[test]
fn m10_a_clock_behind_the_log_signs_nothing() {
    let sandbox = Sandbox::signed();
    let faketime = Command::new("faketime").args(["2001-01-01", "true"]).status();
    if !faketime.is_ok_and(|status| status.success()) {
        eprintln!("skipped: another time (faketime is not here)");
        return;
    }
    sandbox.write("m/config.json", "changed");
    let sign = sandbox.command(["sign", "m"]);
    let mut earlier = Command::new("faketime");
    earlier.arg("2001-01-01").arg(sign.get_program()).args(sign.get_args());
    earlier.current_dir(sandbox.path()).env("HOME", sandbox.at("home"));
    Run::from(earlier.output().unwrap()).fails(1, "K06-log-key-not-yet-valid");
    assert_eq!(sandbox.json(0, ["instance", "show"])["log"]["size"], 1);
}

#[test]
fn k08_no_core_file_and_no_other_program_gets_the_memory() {
    // Whose memory others of the same user may read, is a user's in /proc; it takes another user than root to see that.
    let sandbox = Sandbox::new();
    sandbox.ok(["key", "generate", "plain.pem"]);
    assert!(Command::new("mkfifo").arg(sandbox.at("pipe")).status().unwrap().success());
    let mut given = Command::new("chown");
    if !given.args(["-R", "65534"]).arg(sandbox.path()).output().unwrap().status.success() {
        eprintln!("skipped: only root can run a program as another user");
        return;
    }
    let command = sandbox.command(["key", "generate", "new.pem", "--passphrase-file", "pipe"]);
    let mut under = Command::new("setpriv");
    under.args(["--reuid", "65534", "--clear-groups"]).arg(command.get_program()).args(command.get_args());
    // It waits for the passphrase.
    let Ok(mut child) = under.current_dir(sandbox.path()).env("HOME", sandbox.at("home")).spawn() else {
        eprintln!("skipped: setpriv is not installed");
        return;
    };
    let at = format!("/proc/{}", child.id());
    // Nobody can open a pipe for writing at once before somebody reads there.
    let open = || File::options().write(true).custom_flags(O_NONBLOCK).open(sandbox.at("pipe"));
    let tries = (0..1_000).inspect(|_| std::thread::sleep(std::time::Duration::from_millis(20)));
    let _writer = tries.map(|_| open()).find_map(Result::ok).expect("it reads the pipe");
    let owner = fs::metadata(format!("{at}/mem")).unwrap().uid();
    let limits = fs::read_to_string(format!("{at}/limits")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(owner, 0, "its memory can be read by other programs of its user");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "{core}");
}

/// Linux's `O_NONBLOCK`.
const O_NONBLOCK: i32 = 0o4000;
