//! Clients that are slow, idle, many, loud or malformed: the others are served all the same.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealwax_tests::http::{self, get};
use sealwax_tests::server::{ENTRIES, Server, Signer, instance, log_key};

use crate::wire::proven;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Waits until the server closes a connection, and gives what it said before and how long that took.
fn until_closed(mut stream: TcpStream) -> (String, Duration) {
    let started = Instant::now();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it stays open: {error}"),
    }
    (String::from_utf8_lossy(&said).into_owned(), started.elapsed())
}

/// Sends a byte every tenth of a second until the server has enough.
fn drip(mut stream: TcpStream, bytes: &[u8]) -> (String, Duration) {
    let started = Instant::now();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = reader.read_to_end(&mut said);
        (String::from_utf8_lossy(&said).into_owned(), started.elapsed())
    });
    for byte in bytes {
        if reading.is_finished() || stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    reading.join().unwrap()
}

const SHORT: &str = "[limits]\nheader_seconds = 1\nrequest_seconds = 2\nconnections = 40\n";

#[test]
fn h04_whoever_says_nothing_is_sent_away() {
    // Sent away for saying nothing, long before a request would have taken too long.
    let sandbox = instance("[limits]\nheader_seconds = 1\nrequest_seconds = 20\n");
    let server = Server::serve(&sandbox);
    let (_, took) = until_closed(connect(server.address));
    assert!(took < Duration::from_secs(5), "{took:?}");
    // A kept connection that says nothing any more.
    let mut kept = connect(server.address);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let (said, took) = until_closed(kept);
    assert!(said.contains("SERVING") && took < Duration::from_secs(5), "{took:?}: {said}");
    // The first bytes of the other protocol, and no more.
    let mut other = connect(server.address);
    other.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    let (_, took) = until_closed(other);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn h04_whoever_says_nothing_where_tls_is_expected_is_sent_away() {
    let sandbox = instance("");
    let Some(_) = crate::client::with_tls(&sandbox, SHORT) else { return };
    let server = Server::serve(&sandbox);
    let (_, took) = until_closed(connect(server.address));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut half = connect(server.address);
    half.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let (_, took) = until_closed(half);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn h04_slow_heads_and_slow_bodies_end() {
    let sandbox = instance(SHORT);
    let server = Server::serve(&sandbox);
    let head = format!("GET /checkpoint HTTP/1.1\r\nHost: x\r\nX-Slow: {}", "y".repeat(200));
    let (said, took) = drip(connect(server.address), head.as_bytes());
    assert!(!said.contains(" 200 ") && took < Duration::from_secs(5), "{took:?}: {said}");
    let mut stream = connect(server.address);
    stream
        .write_all(format!("POST {ENTRIES} HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n").as_bytes())
        .unwrap();
    let (said, took) = drip(stream, &[b' '; 400]);
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("\"code\":14"), "{said}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// Asks for much and takes none of it.
#[test]
fn h04_whoever_does_not_read_is_cut_off() {
    let sandbox = crate::reads::grown(&[256]);
    sealwax_tests::server::set(&sandbox, SHORT);
    let server = Server::serve(&sandbox);
    let mut stream = connect(server.address);
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = b"GET /tile/0/000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let started = Instant::now();
    let failed = loop {
        if let Err(error) = stream.write_all(&request) {
            break error;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it goes on taking requests");
    };
    assert!(started.elapsed() < Duration::from_secs(15), "{failed}");
}

#[test]
fn h04_five_hundred_idle_connections_hold_nobody_up() {
    let sandbox = instance("[limits]\nheader_seconds = 60\nconnections = 600\n");
    let server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    proven(&server.submit(&signer.rekord(b"before")), &key);
    let before = server.resident();
    let idle: Vec<TcpStream> = (0..500)
        .map(|number| {
            let mut stream = connect(server.address);
            if number % 2 == 0 {
                stream
                    .write_all(
                        b"POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
                    )
                    .unwrap();
            }
            stream
        })
        .collect();
    let started = Instant::now();
    proven(&server.submit(&signer.rekord(b"meanwhile")), &key);
    assert_eq!(get(server.address, "/checkpoint").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more for {} connections", idle.len());
}

/// More connections than there are places: the next client is served once the idle ones are sent away.
#[test]
fn h04_idle_connections_give_their_places_back() {
    let sandbox = instance(SHORT);
    let server = Server::serve(&sandbox);
    let idle: Vec<TcpStream> = (0..60).map(|_| connect(server.address)).collect();
    let started = Instant::now();
    assert_eq!(get(server.address, "/checkpoint").status, 200);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(idle);
    // And a server that is full can still be told to stop.
    let idle: Vec<TcpStream> = (0..40).map(|_| connect(server.address)).collect();
    let mut server = server;
    server.terminate();
    assert_eq!(server.ended(), Some(0));
    drop(idle);
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    let mut rest = answer;
    while let Ok((answer, next)) = http::parse(rest, false) {
        found.push(answer.status);
        rest = next;
    }
    found
}

#[test]
fn h04_what_is_not_plainly_one_request_is_refused() {
    let sandbox = instance(SHORT);
    let server = Server::serve(&sandbox);
    let post = "POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\n";
    let hidden = "GET /checkpoint HTTP/1.1\r\nHost: x\r\n\r\n";
    let cases = [
        ("many headers", format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: b\r\n".repeat(500))),
        ("a large header", format!("GET / HTTP/1.1\r\nX-A: {}\r\n\r\n", "b".repeat(100_000))),
        ("a long path", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "b".repeat(100_000))),
        ("two lengths", format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}{hidden}")),
        ("a length with a sign", format!("{post}Content-Length: +2\r\n\r\n{{}}{hidden}")),
        ("a length that is none", format!("{post}Content-Length: 2,2\r\n\r\n{{}}{hidden}")),
        ("a huge length", format!("{post}Content-Length: 99999999999999999999\r\n\r\n{{}}{hidden}")),
        ("other codings", format!("{post}Transfer-Encoding: gzip\r\n\r\n{{}}{hidden}")),
        ("chunked and more", format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}")),
        ("chunks without length", format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{hidden}")),
        (
            "a chunk too long",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
        ),
        ("a space before the colon", format!("{post}Content-Length : 2\r\n\r\n{{}}{hidden}")),
        ("a folded header", format!("{post}X-A: b\r\n Content-Length: 2\r\n\r\n{{}}{hidden}")),
        ("no version", "GET /checkpoint\r\n\r\n".to_owned()),
        ("another protocol", "\u{16}\u{3}\u{1}\u{2}\u{0}".to_owned()),
    ];
    for (what, bytes) in cases {
        let answer = http::exchange(server.address, bytes.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(!text.contains("log.example"), "{what}: the hidden request was answered: {text}");
        assert!(!statuses(&answer).contains(&200), "{what}: {text}");
    }
    // A length and chunks together: the chunks count, the connection is not used again.
    let both = format!("{post}Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let answer = http::exchange(server.address, both.as_bytes()).unwrap_or_default();
    assert!(
        !String::from_utf8_lossy(&answer).contains("log.example"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    // Chunks that are in order are read.
    let text = Signer::new().rekord(b"artifact").to_string();
    let (front, back) = text.split_at(100);
    let chunks = format!(
        "{post}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n",
        back.len()
    );
    let answer = http::exchange(server.address, chunks.as_bytes()).unwrap();
    assert_eq!(statuses(&answer), [201], "{}", String::from_utf8_lossy(&answer));
    // Chunks without end are counted while they come.
    let endless = format!(
        "{post}Transfer-Encoding: chunked\r\n\r\n{}",
        format!("10000\r\n{}\r\n", " ".repeat(65_536)).repeat(100)
    );
    let answer = http::exchange(server.address, endless.as_bytes()).unwrap_or_default();
    assert!(!statuses(&answer).iter().any(|status| *status < 400), "{:?}", statuses(&answer));
}

#[test]
fn h04_a_client_that_asks_first_is_told_to_go_on() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let text = Signer::new().rekord(b"artifact").to_string();
    let head = format!(
        "POST {ENTRIES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    let mut stream = connect(server.address);
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(statuses(&answer), [201]);
}

/// Ten times as many clients as the pool has places, for some seconds: all of them get one of two answers, soon.
#[test]
fn h05_far_too_many_clients_are_all_answered() {
    let sandbox = instance("[log]\npool = 8\nbatch = 4\n");
    let server = Server::serve(&sandbox);
    let key = log_key(&sandbox);
    let before = server.resident();
    let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let slowest = std::sync::Mutex::new(Duration::ZERO);
    let until = Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        for _ in 0..80 {
            scope.spawn(|| {
                let signer = Signer::new();
                for number in 0_u64.. {
                    let started = Instant::now();
                    if started > until {
                        break;
                    }
                    let answer = server.submit(&signer.rekord(&number.to_be_bytes()));
                    let took = started.elapsed();
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = took.max(*slowest);
                    drop(slowest);
                    match answer.status {
                        201 => taken.fetch_add(1, Ordering::Relaxed),
                        503 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}: {answer:?}"),
                    };
                }
            });
        }
    });
    let (taken, refused) = (taken.into_inner(), refused.into_inner());
    let slowest = slowest.into_inner().unwrap();
    eprintln!("{taken} taken, {refused} told to come back, the slowest answer after {slowest:?}");
    assert!(taken > 50 && slowest < Duration::from_secs(5), "{taken} {slowest:?}");
    assert_eq!(server.size(), taken);
    assert!(server.resident() < before + 128 * 1024, "{} KiB", server.resident());
    proven(&server.submit(&Signer::new().rekord(b"afterwards")), &key);
}

#[test]
fn h08_no_client_makes_a_metric() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let lines = || -> BTreeSet<String> {
        let text = get(server.address, "/metrics").text();
        text.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name.to_owned()).collect()
    };
    let ask = |prefix: &str, from: u32, to: u32| {
        let mut stream = connect(server.address);
        for number in from..to {
            let methods = ["GET", "HEAD", "PUT", "BREW"];
            let method = methods[usize::try_from(number % 4).unwrap()];
            let path = match number % 5 {
                0 => format!("/{prefix}{number}"),
                1 => format!("/tile/{prefix}/{number}"),
                2 => format!("/api/sealwax/v1/entries/{prefix}{number}"),
                3 => format!("/api/sealwax/v1/search?name={prefix}{number}"),
                _ => format!("/api/sealwax/v1/envelopes/{prefix}{number}"),
            };
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: {prefix}{number}\r\nUser-Agent: {number}\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut part = [0; 16_384];
            assert!(stream.read(&mut part).unwrap() > 0);
        }
    };
    ask("warm", 0, 100);
    lines();
    let before = lines();
    assert!(before.len() > 50, "{before:?}");
    std::thread::scope(|scope| {
        for part in 0..4 {
            let ask = &ask;
            scope.spawn(move || ask("x", part * 2_500, (part + 1) * 2_500));
        }
    });
    let after = lines();
    assert!(after.is_subset(&before), "{:?}", after.difference(&before));
}

/// A heavy request takes its time; small ones do not wait for it.
#[test]
fn h09_one_large_submission_holds_nobody_up() {
    let sandbox = instance("[limits]\nsubmission_bytes = 9000000\n");
    let server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    let payload = "x".repeat(6_000_000);
    let large = serde_json::json!({"dsseRequestV002": {
        "envelope": {"payload": payload, "payloadType": "x", "signatures": [{"sig": "AAAA"}]},
        "verifiers": [signer.verifier()],
    }})
    .to_string();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(http::post(server.address, ENTRIES, large.as_bytes()).unwrap().status, 400);
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for number in 0..20 {
            let started = Instant::now();
            proven(&server.submit(&signer.rekord(&[number])), &key);
            slowest = slowest.max(started.elapsed());
        }
        done.store(true, Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    });
}

#[test]
fn o01_nothing_from_a_request_reaches_the_log_raw() {
    for json in [false, true] {
        let sandbox = instance(&format!("[messages]\nlevel = 'debug'\njson = {json}\n"));
        let server = Server::serve(&sandbox);
        let evil = "\u{1b}]0;owned\u{7}\u{202e}\n2026-01-01T00:00:00Z  INFO sealwax: Verification succeeded";
        let encoded: String = evil.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [
            format!("/{encoded}"),
            format!("/tile/{encoded}"),
            format!("/api/sealwax/v1/search?name={encoded}"),
            format!("/api/sealwax/v1/search?{encoded}=1"),
            format!("/api/sealwax/v1/entries/{encoded}"),
            format!("/api/sealwax/v1/envelopes/{encoded}"),
        ] {
            let answer = get(server.address, &path);
            assert!(answer.status == 404 || answer.status == 400 || answer.status == 200, "{answer:?}");
        }
        let mut request = Signer::new().rekord(b"x");
        request["hashedRekordRequestV002"]["signature"]["verifier"]["keyDetails"] = evil.into();
        request[evil] = 1.into();
        let answer = server.submit(&request);
        assert_eq!(answer.status, 400);
        // Bytes that are no text, where text is expected.
        let raw = format!(
            "GET /x HTTP/1.1\r\nHost: {0}\r\nUser-Agent: \u{9b}31m\r\nX-A: {0}\r\nConnection: close\r\n\r\n",
            "\u{9b}"
        );
        let _ = http::exchange(server.address, raw.as_bytes());
        let said = server.said();
        assert!(said.contains("answered"), "{said}");
        let raw = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!said.contains(raw), "{said:?}");
        assert!(!said.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{said}");
    }
}
