//! Copies: mirrors of a served log, backups of an instance, and checks of both.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sealwax_tests::server::Server;
use sealwax_tests::{Sandbox, copy_tree, files_below};

use crate::world::{settings, sign, signed, size};

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_served_log_is_mirrored_while_it_grows_and_the_copy_is_checked() {
    let sandbox = signed(3);
    sandbox.ok(["instance", "export", "public"]);
    let server = Server::serve(&sandbox);
    let url = server.url();
    let root = ["--trusted-root", "public/trusted_root.json"];
    let mirror = |code| sandbox.json(code, ["log", "mirror", &url, "copy", root[0], root[1]]);
    assert_eq!(mirror(0)["new_entries"], 3);
    assert_eq!(mirror(0)["new_entries"], 0);

    // Somebody else signs into it.
    let other = Sandbox::new();
    let model = other.model("m");
    other.ok(["key", "generate", "key.pem"]);
    let trusted = sandbox.at("public/trusted_root.json");
    let arguments = ["sign", "m", "--key", "key.pem", "--instance", &url, "--trusted-root"];
    other.ok(arguments.iter().map(AsRef::as_ref).chain([trusted.as_os_str()]));
    assert!(model.join("model.sig").exists());
    let grown = mirror(0);
    assert_eq!(
        (&grown["verdict"], &grown["entries"], &grown["new_entries"]),
        (&"mirrored".into(), &4.into(), &1.into())
    );

    // The running log and the copy are checked; the copy has no index, and the log's is in use.
    let sound = sandbox.json(0, ["log", "fsck", "copy", root[0], root[1]]);
    assert_eq!((&sound["verdict"], &sound["entries"]), (&"sound".into(), &4.into()));
    let run = sandbox.ok(["log", "fsck"]);
    assert!(run.stderr.contains("in use") && run.stdout.contains("entries/s"), "{run:?}");
    // The instance's log has its own key.
    for command in ["fsck", "watch"] {
        sandbox.run(["log", command, root[0], root[1]]).fails(2, "another log");
    }
    // The server holds the log for what changes it.
    for arguments in [&["log", "rebuild-index"][..], &["log", "prune", "--keep", "1MiB"], &["log", "freeze"]]
    {
        sandbox.run(arguments).fails(3, "another process");
    }
    flip(&sandbox.at("copy/tiles/tile/0/000.p/4"));
    sandbox.run(["log", "fsck", "copy", root[0], root[1]]).fails(4, "tiles/tile/0/000.p/4");
}

#[test]
fn a_mirror_believes_only_the_key_that_was_given() {
    let sandbox = signed(2);
    sandbox.ok(["instance", "export", "public"]);
    let server = Server::serve(&sandbox);
    let url = server.url();
    let other = signed(1);
    other.ok(["instance", "export", "public"]);
    let foreign = other.at("public/trusted_root.json").display().to_string();
    sandbox.run(["log", "mirror", &url, "copy"]).fails(2, "which key");
    sandbox.run(["log", "mirror", &url, "copy", "--trusted-root", &foreign]).fails(2, "does not have");
    let vkey = "log.example+00000000+AA==";
    sandbox.run(["log", "mirror", &url, "copy", "--log-key", vkey]).fails(2, "the log's key");
    let vkey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
    sandbox.run(["log", "mirror", &url, "copy", "--log-key", vkey]).fails(4, "not signed by");
    sandbox.run(["log", "mirror", "localhost", "copy", "--log-key", vkey]).fails(2, "URL");
    // Nobody is there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("http://127.0.0.1:{port}");
    sandbox.run(["log", "mirror", &nowhere, "copy", "--log-key", vkey]).fails(3, "127.0.0.1");
    assert!(!sandbox.at("copy/tiles/checkpoint").exists());
}

/// Serves a directory over HTTP, one request after the other, after so many answers 503.
fn serve_directory(directory: PathBuf, refusals: u32) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/log", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            let path = request.split(' ').nth(1).unwrap().strip_prefix("/log/").unwrap();
            let number = count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = match fs::read(directory.join(path)) {
                _ if number < refusals => ("503 Service Unavailable", Vec::new()),
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    (url, asked)
}

#[test]
fn a_log_of_plain_files_is_mirrored_once_it_has_stopped_to_be_busy() {
    let sandbox = signed(3);
    sandbox.ok(["instance", "export", "public"]);
    let tiles = sandbox.instance().join("log/tiles");
    let mirror =
        |url: &str| sandbox.run(["log", "mirror", url, "copy", "--trusted-root", "public/trusted_root.json"]);
    let (url, asked) = serve_directory(tiles.clone(), 1_000);
    mirror(&url).fails(3, "503");
    assert_eq!(asked.load(Ordering::SeqCst), 5);
    let (url, _) = serve_directory(tiles, 3);
    let run = mirror(&format!("{url}/"));
    assert!(run.code == Some(0) && run.stdout.contains("3 entries"), "{run:?}");
}

#[test]
fn w11_a_mirror_keeps_the_proof_that_its_log_has_two_pasts() {
    let sandbox = signed(2);
    sandbox.ok(["instance", "export", "public"]);
    let older = sandbox.at("older");
    copy_tree(&sandbox.instance().join("log"), &older);
    sign(&sandbox, 100);
    let mirror = |code| {
        let server = Server::serve(&sandbox);
        let url = server.url();
        let root = ["--trusted-root", "public/trusted_root.json"];
        sandbox.json(code, ["log", "mirror", &url, "copy", root[0], root[1]])
    };
    mirror(0);
    // The whole directory is put back, and nothing outside remembers.
    fs::remove_dir_all(sandbox.instance().join("log")).unwrap();
    copy_tree(&older, &sandbox.instance().join("log"));
    assert!(mirror(4)["message"].as_str().unwrap().contains("older copy"));
    sign(&sandbox, 200);
    sign(&sandbox, 201);
    let refused = mirror(4);
    assert!(refused["message"].as_str().unwrap().contains("another root for 3 entries"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("evidence/"), "{refused}");
    let evidence = files_below(&sandbox.at("copy/evidence"));
    let names: Vec<_> = evidence.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
    assert!(names.len() == 2 && names[0].starts_with("3-") && names[1].starts_with("4-"), "{names:?}");
}

#[test]
fn s18_a_backup_made_while_the_log_is_served_is_whole_and_has_no_secret() {
    let sandbox = signed(3);
    settings(&sandbox, "listen = '127.0.0.1:0'\n");
    let server = Server::serve(&sandbox);
    let first = sandbox.json(0, ["log", "backup", "b"]);
    assert_eq!((&first["logs"][0]["entries"], &first["logs"][0]["new_statements"]), (&3.into(), &3.into()));
    drop(server);
    sign(&sandbox, 100);
    let run = sandbox.ok(["log", "backup", "b"]);
    assert!(run.stdout.contains("4 entries (1 new)") && run.stderr.contains("secret keys"), "{run:?}");

    let backup = sandbox.at("b");
    let key = fs::read(sandbox.instance().join("keys/log.pem")).unwrap();
    for file in files_below(&backup) {
        let name = file.strip_prefix(&backup).unwrap();
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(10).any(|window| window == &key[40..50]), "{}", name.display());
        assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "{}", name.display());
    }
    for name in ["instance.json", "trusted_root.json", "policy.json", "serve.toml", "keys/signing.pub"] {
        let original = fs::read(sandbox.instance().join(name)).unwrap();
        assert_eq!(fs::read(backup.join(name)).unwrap(), original, "{name}");
    }
    sandbox.ok(["log", "fsck", "b/log", "--trusted-root", "b/trusted_root.json"]);
    // Of another instance it is no backup.
    let other = signed(1);
    let backup = backup.display().to_string();
    other.run(["log", "backup", &backup]).fails(4, "not signed by");
}

#[test]
fn s18_backups_made_while_others_sign_are_whole() {
    let sandbox = signed(1);
    let signing = std::sync::atomic::AtomicBool::new(true);
    let mut backups = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (100..130).for_each(|number| sign(&sandbox, number));
            signing.store(false, Ordering::SeqCst);
        });
        while signing.load(Ordering::SeqCst) {
            sandbox.ok(["log", "backup", "b"]);
            sandbox.ok(["log", "fsck", "b/log", "--trusted-root", "b/trusted_root.json"]);
            backups += 1;
        }
    });
    assert!(backups > 1, "{backups}");
    assert_eq!(sandbox.json(0, ["log", "backup", "b"])["logs"][0]["entries"], 31);
    assert_eq!(files_below(&sandbox.at("b/log/envelopes")).len(), 31);
}

#[test]
fn s07_a_backup_takes_over_no_damage_and_names_it() {
    let sandbox = signed(3);
    sandbox.ok(["log", "backup", "b"]);
    sign(&sandbox, 3);
    let log = sandbox.instance().join("log");
    let envelopes = files_below(&log.join("envelopes"));
    let good = fs::read(&envelopes[0]).unwrap();
    let kept = sandbox.at("b").join("log").join(envelopes[0].strip_prefix(&log).unwrap());
    let _ = fs::remove_file(&kept);
    flip(&envelopes[0]);
    let name = envelopes[0].file_name().unwrap().to_string_lossy().into_owned();
    sandbox.run(["log", "backup", "b"]).fails(4, &name);
    assert!(!kept.exists());
    fs::write(&envelopes[0], good).unwrap();
    sandbox.ok(["log", "backup", "b"]);

    sign(&sandbox, 4);
    flip(&log.join("tiles/tile/entries/000.p/5"));
    sandbox.run(["log", "backup", "b"]).fails(4, "tile/entries/000.p/5");
    sandbox.ok(["log", "fsck", "b/log", "--trusted-root", "b/trusted_root.json"]);
}

#[test]
fn indexes_are_made_anew_and_statements_are_pruned() {
    let sandbox = signed(3);
    let log = sandbox.instance().join("log");
    fs::write(log.join("index.db"), "not a database").unwrap();
    assert_eq!(sandbox.json(0, ["log", "rebuild-index"])["entries"], 3);
    let statements = files_below(&log.join("envelopes")).len();
    assert_eq!(statements, 3);
    let pruned = sandbox.json(0, ["log", "prune", "--keep", "1"]);
    assert_eq!((&pruned["removed"], &pruned["left_bytes"]), (&3.into(), &0.into()));
    assert!(files_below(&log.join("envelopes")).is_empty());
    sandbox.ok(["log", "fsck"]);
    sandbox.ok(["verify", "m"]);
    assert_eq!(size(&sandbox), 3);
}
