//! `sealwax sign --instance URL`: from a place that knows nothing, and against servers that answer anything but the truth.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_tests::server::{ENTRIES, Server, Signer, instance, refused_start, set};
use sealwax_tests::{Run, Sandbox, http, peer};
use serde_json::{Value, json};

/// A server that answers each request with the bytes that a function gives for its path and body.
struct Fake {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let paths: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = Arc::clone(&paths);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((path, body)) = request(&mut stream) else { continue };
                asked.lock().unwrap().push(path.clone());
                // Whoever hangs up in the middle of an answer has heard enough.
                let _ = stream.write_all(&answer(&path, &body));
            }
        });
        Self { address, paths }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

/// Reads one request: its path and its body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 65_536];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head.split(' ').nth(1)?.to_owned(), bytes[end + 4..].to_vec()));
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
}

fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Somebody elsewhere: an empty home, a model `m`, a key, and the trusted root that the operator gave them.
pub(crate) fn elsewhere(operator: &Sandbox) -> Sandbox {
    let client = Sandbox::new();
    client.model("m");
    client.ok(["key", "generate", "k.pem"]);
    let shown = client.json(0, ["key", "show", "k.pem"]);
    client.write("k.pub", shown["public_key"].as_str().unwrap());
    fs::copy(operator.instance().join("trusted_root.json"), client.at("root.json")).unwrap();
    client
}

fn sign(client: &Sandbox, url: &str) -> Run {
    client.run(["sign", "m", "--key", "k.pem", "--instance", url, "--trusted-root", "root.json"])
}

/// Demands a failure that says why, and that nothing was written.
#[track_caller]
fn signs_nothing(client: &Sandbox, url: &str, code: i32, text: &str) -> Run {
    let run = sign(client, url);
    run.fails(code, text);
    assert!(run.stderr.contains("hint:"), "{run:?}");
    let names: Vec<_> =
        fs::read_dir(client.at("m")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    run
}

#[test]
fn x12_signed_into_a_served_log_from_elsewhere_and_verified_offline() {
    let operator = instance("");
    let server = Server::serve(&operator);
    let client = elsewhere(&operator);
    let run = sign(&client, &server.url());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!client.instance().exists(), "an instance was made where none is needed");
    drop(server);
    drop(operator);
    let verify = ["verify", "m", "--key", "k.pub", "--trusted-root", "root.json"];
    let mut command = client.command(verify);
    if Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success()) {
        command = Command::new("unshare");
        let inner = client.command(verify);
        command.arg("-n").arg(inner.get_program()).args(inner.get_args()).current_dir(client.path());
        command.env_clear().env("HOME", client.at("home"));
    }
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    client.write("m/config.json", "changed");
    assert_eq!(client.rejected(verify), "D10-model-differs");
}

#[test]
fn k06_the_log_is_believed_on_the_operators_word_only() {
    let (operator, other) = (instance(""), instance(""));
    let server = Server::serve(&operator);
    let client = elsewhere(&operator);
    let url = server.url();
    let run = client.run(["sign", "m", "--key", "k.pem", "--instance", &url]);
    run.fails(2, "--trusted-root");
    assert!(run.stderr.contains("sealwax instance export"), "{run:?}");
    client.run(["sign", "m", "--instance", &url, "--trusted-root", "root.json"]).fails(2, "--key");
    fs::copy(other.instance().join("trusted_root.json"), client.at("root.json")).unwrap();
    let run = signs_nothing(&client, &url, 1, "log");
    assert!(run.stderr.contains("T07-log-unknown"), "{run:?}");
    // Commands that need the instance itself say so.
    client.run(["instance", "show", "--instance", &url]).fails(2, "not a served one");
}

#[test]
fn x06_an_answer_that_is_none_leaves_no_bundle() {
    let operator = instance("");
    let client = elsewhere(&operator);
    let long = [b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n".to_vec(), vec![b' '; 3 << 20]].concat();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("a page", whole("200 OK", "Content-Type: text/html\r\n", b"<html>Sign in</html>"), "not an answer"),
        ("nothing", whole("204 No Content", "", b""), "refused with 204"),
        ("half of an object", whole("201 Created", "", b"{\"logIndex\":"), "not an answer"),
        ("an empty object", whole("201 Created", "", b"{}"), "not an answer"),
        ("less than promised", b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{".to_vec(), "http://"),
        ("a body without end", long, "longer than"),
        ("no HTTP", b"220 smtp ready\r\n".to_vec(), "http://"),
        (
            "a refusal with words",
            whole("400 Bad Request", "", b"{\"code\":3,\"message\":\"no \x1b]0;owned\x07\"}"),
            "refused with 400",
        ),
        ("gzip that is none", whole("201 Created", "Content-Encoding: gzip\r\n", b"{}"), "http://"),
    ];
    for (what, answer, text) in cases {
        let fake = Fake::start(move |_, _| answer.clone());
        let run = signs_nothing(&client, &fake.url(), 3, text);
        assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\u{7}'), "{what}: {run:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    signs_nothing(&client, &format!("http://{nobody}"), 3, "http://");
}

#[test]
fn b04_a_small_answer_that_unpacks_without_end_is_cut_off() {
    let zeros = Command::new("sh").args(["-c", "head -c 100000000 /dev/zero | gzip -1"]).output().unwrap();
    assert!((50_000..10_000_000).contains(&zeros.stdout.len()), "no gzip here: {zeros:?}");
    let answer = whole("201 Created", "Content-Encoding: gzip\r\n", &zeros.stdout);
    let fake = Fake::start(move |_, _| answer.clone());
    let operator = instance("");
    signs_nothing(&elsewhere(&operator), &fake.url(), 3, "longer than");
}

/// The log's true answer, changed on its way.
fn changed(real: SocketAddr, change: impl Fn(&mut Value) + Send + 'static) -> Fake {
    Fake::start(move |path, body| {
        let answer = http::post(real, path, body).unwrap();
        let mut entry = answer.json();
        if path == ENTRIES {
            assert_eq!(answer.status, 201, "{answer:?}");
            change(&mut entry);
        }
        whole("201 Created", "", entry.to_string().as_bytes())
    })
}

#[test]
fn x06_an_answer_that_proves_something_else_leaves_no_bundle() {
    let operator = instance("");
    let server = Server::serve(&operator);
    let (client, signer, real) = (elsewhere(&operator), Signer::new(), server.address);
    let first = server.submit(&signer.rekord(b"first")).json();
    for number in 0..6 {
        server.submit(&signer.rekord(&[number]));
    }
    let unproven = "does not prove";
    // Another entry of the same log, with its true proof.
    let fake = Fake::start(move |_, _| whole("201 Created", "", first.to_string().as_bytes()));
    signs_nothing(&client, &fake.url(), 4, unproven);
    // Another log's entry for the right request: that log's own key is not the one that was trusted.
    let other = instance("");
    let imposter = Server::serve(&other);
    let run = signs_nothing(&client, &imposter.url(), 1, "log");
    assert!(run.stderr.contains("T07-log-unknown"), "{run:?}");
    // The imposter says that it is the other.
    let id = STANDARD.encode(sealwax_tests::server::log_key(&operator).log_id());
    let fake = changed(imposter.address, move |entry| entry["logId"]["keyId"] = json!(id));
    signs_nothing(&client, &fake.url(), 4, unproven);
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("a hash", |entry| entry["inclusionProof"]["hashes"][0] = json!(STANDARD.encode([7; 32]))),
        ("no hashes", |entry| entry["inclusionProof"]["hashes"] = json!([])),
        ("the index", |entry| {
            entry["logIndex"] = json!("2");
            entry["inclusionProof"]["logIndex"] = json!("2");
        }),
        ("the size", |entry| entry["inclusionProof"]["treeSize"] = json!("900")),
        ("the root", |entry| entry["inclusionProof"]["rootHash"] = json!(STANDARD.encode([7; 32]))),
        ("the signature", |entry| {
            let note = entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap();
            let (text, _) = note.split_once("\n\n").unwrap();
            let forged = format!("{text}\n\n— log.example {}\n", STANDARD.encode([7; 68]));
            entry["inclusionProof"]["checkpoint"]["envelope"] = json!(forged);
        }),
    ];
    for (what, change) in changes {
        let run = signs_nothing(&client, &changed(real, change).url(), 4, unproven);
        assert!(run.stderr.contains("tell the log's operator"), "{what}: {run:?}");
    }
    let fake = changed(real, |entry| entry["canonicalizedBody"] = json!(STANDARD.encode("{}")));
    signs_nothing(&client, &fake.url(), 4, unproven);
    // And the truth, through the same detour, is believed.
    let run = sign(&client, &changed(real, |_| ()).url());
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn h02_h03_nobody_is_sent_elsewhere() {
    let operator = instance("");
    let (client, server) = (elsewhere(&operator), Server::serve(&operator));
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        for place in [
            format!("{}{ENTRIES}", server.url()),
            "file:///etc/passwd".to_owned(),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "//other.example/x".to_owned(),
        ] {
            let headers = format!("Location: {place}\r\nWWW-Authenticate: Basic realm=\"{place}\"\r\n");
            let fake = Fake::start(move |_, _| whole(status, &headers, b""));
            signs_nothing(&client, &fake.url(), 3, &format!("refused with {}", &status[..3]));
            assert_eq!(fake.paths(), [ENTRIES]);
        }
    }
    // Nothing arrived at the place where it was sent.
    server.ask(404, "entries/0");
}

#[test]
fn a_busy_log_is_asked_again_and_not_for_ever() {
    let operator = instance("");
    let client = elsewhere(&operator);
    let busy = b"{\"code\":14,\"message\":\"reached max pushback; retry\",\"details\":[]}";
    let fake = Fake::start(move |_, _| whole("503 Service Unavailable", "Retry-After: 1\r\n", busy));
    let started = Instant::now();
    let run = signs_nothing(&client, &fake.url(), 3, "refused with 503: reached max pushback");
    assert!(run.stderr.contains("again later"), "{run:?}");
    assert_eq!(fake.paths().len(), 5);
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Makes a certificate for 127.0.0.1 that signs itself and lets the instance serve with it; `None` without openssl.
pub(crate) fn with_tls(operator: &Sandbox, settings: &str) -> Option<PathBuf> {
    let openssl = peer("openssl")?;
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=log"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(operator.instance())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    set(operator, &format!("[tls]\ncertificate = 'tls.pem'\nkey = 'tls.key'\n{settings}"));
    Some(operator.instance().join("tls.pem"))
}

#[test]
fn h11_what_was_typed_is_checked_as_settings_are() {
    let operator = instance("");
    let (code, said) = refused_start(&operator, &["serve", "--listen", "0.0.0.0:0"]);
    assert!(code != Some(0) && said.contains("plain HTTP"), "{code:?} {said}");
}

#[test]
fn k01_a_tls_key_that_others_can_read_is_refused() {
    let operator = instance("");
    let Some(_) = with_tls(&operator, "") else { return };
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(operator.instance().join("tls.key"), open).unwrap();
    let (code, said) = refused_start(&operator, &["serve"]);
    assert!(code == Some(2) && said.contains("tls.key"), "{code:?} {said}");
}

#[test]
fn h11_a_certificate_of_nobody_known_is_refused() {
    let operator = instance("");
    let Some(certificate) = with_tls(&operator, "") else { return };
    let server = Server::serve(&operator);
    assert_eq!(server.started["url"], format!("https://{}", server.address));
    let client = elsewhere(&operator);
    let url = format!("https://{}", server.address);
    let run = signs_nothing(&client, &url, 3, "ertificate");
    assert!(run.stderr.contains(&url), "{run:?}");
    // Plain words to a TLS port, and TLS to a plain port, end at once.
    signs_nothing(&client, &server.url(), 3, "http://");
    let with_ca = |url: &str| {
        let sign = ["sign", "m", "--key", "k.pem", "--instance", url, "--trusted-root", "root.json"];
        let mut command = client.command(sign);
        command.env("SSL_CERT_FILE", &certificate);
        Run::from(command.output().unwrap())
    };
    // The certificate is of another name than the one that was asked for.
    with_ca(&format!("https://localhost:{}", server.address.port())).fails(3, "ertificate");
    let run = with_ca(&url);
    assert_eq!(run.code, Some(0), "{run:?}");
}
