//! A log that is watched while others sign.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use sealwax_tests::server::Server;
use sealwax_tests::{Run, Sandbox, copy_tree};
use serde_json::Value;

use crate::world::{sign, signed};

/// Starts to watch, and returns once that has begun.
fn watch(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(["log", "watch"].iter().chain(arguments));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("watching"), "{line}");
    // What follows on standard error is read, so that nobody waits for it to be.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    child
}

fn lines(child: Child) -> Vec<Value> {
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_appended_is_shown_as_it_comes() {
    let sandbox = signed(2);
    let key = sandbox.json(0, ["instance", "show"])["signing_key"]["fingerprint"].clone();
    let local = watch(&sandbox, &["--from", "1", "--count", "2", "--json"]);
    sign(&sandbox, 100);
    let rows = lines(local);
    assert_eq!(rows.iter().map(|row| &row["index"]).collect::<Vec<_>>(), [&1, &2]);
    for row in &rows {
        assert_eq!((&row["kind"], &row["model"]), (&"hashedrekord".into(), &"m".into()), "{row}");
        assert_eq!(row["signers"][0], key, "{row}");
        assert!(row["seen"].as_str().unwrap().ends_with('Z') && row["digest"].as_str().unwrap().len() == 64);
    }

    // Over HTTP, with somebody who leaves no statement beside the log.
    sandbox.ok(["instance", "export", "public"]);
    let server = Server::serve(&sandbox);
    let url = server.url();
    let trusted = ["--trusted-root", "public/trusted_root.json"];
    let far = watch(&sandbox, &[&url, "--count", "1", "--json", trusted[0], trusted[1]]);
    sandbox.ok(["key", "generate", "key.pem"]);
    sandbox.write("m/f", "200");
    let arguments = ["sign", "m", "--key", "key.pem", "--instance", &url, "--unlisted"];
    sandbox.ok(arguments.iter().chain(&trusted));
    let rows = lines(far);
    assert_eq!((rows.len(), &rows[0]["index"], &rows[0]["model"]), (1, &3.into(), &Value::Null));
    let again = sandbox.ok(["log", "watch", &url, "--from", "0", "--count", "4", trusted[0], trusted[1]]);
    assert_eq!(
        again.stdout.lines().filter(|line| line.contains("SHA256:") && line.ends_with(" m")).count(),
        3
    );
    sandbox.run(["log", "watch", &url]).fails(2, "which key");
    sandbox.run(["log", "watch", &url, "--from", "5", trusted[0], trusted[1]]).fails(3, "5");
}

#[test]
fn w11_who_watches_notices_that_the_log_was_put_back() {
    let sandbox = signed(2);
    let log = sandbox.instance().join("log");
    copy_tree(&log, &sandbox.at("older"));
    sign(&sandbox, 100);
    let watching = watch(&sandbox, &[]);
    fs::remove_dir_all(log.join("tiles/tile")).unwrap();
    copy_tree(&sandbox.at("older/tiles/tile"), &log.join("tiles/tile"));
    fs::copy(sandbox.at("older/tiles/checkpoint"), log.join("tiles/checkpoint")).unwrap();
    assert_eq!(watching.wait_with_output().unwrap().status.code(), Some(4));
}

#[test]
fn s07_a_statement_that_is_another_entry_s_names_no_model() {
    let sandbox = Sandbox::new();
    for name in ["first", "second"] {
        sandbox.write("m/f", name);
        sandbox.ok(["sign", "m", "--name", name]);
    }
    let shown = || sandbox.ok(["log", "watch", "--from", "0", "--count", "2"]).stdout;
    assert!(shown().contains("first") && shown().contains("second"), "{}", shown());
    let folders = fs::read_dir(sandbox.instance().join("log/envelopes")).unwrap();
    let kept: Vec<_> = folders
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    let [one, two] = &kept[..] else { panic!("{kept:?}") };
    fs::rename(one, sandbox.at("one")).unwrap();
    fs::rename(two, one).unwrap();
    fs::rename(sandbox.at("one"), two).unwrap();
    assert!(!shown().contains("first") && !shown().contains("second"), "{}", shown());
}
