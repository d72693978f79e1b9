//! Clients behind TLS that say nothing, and HTTP/2 clients that say far too much, frame by frame through `openssl s_client`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealwax_tests::server::{Server, instance, wait_for};
use sealwax_tests::{Run, peer};

use crate::client::{elsewhere, with_tls};
use crate::hostile::{connect, until_closed};

/// A TLS connection whose bytes are ours, killed when dropped.
struct Connection(Child);

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-alpn", "h2", "-connect", &address.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Sends as much as the server takes, for at most five seconds.
    fn send(&mut self, mut frames: impl Iterator<Item = Vec<u8>>) {
        let started = Instant::now();
        let mut stdin = self.0.stdin.take().unwrap();
        let _ = stdin.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        while started.elapsed() < Duration::from_secs(5) {
            let some: Vec<u8> = frames.by_ref().take(1000).flatten().collect();
            if some.is_empty() || stdin.write_all(&some).is_err() {
                break;
            }
        }
        // An s_client whose input ends goes away; the server shall be the one that does.
        self.0.stdin = Some(stdin);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Frames for as long as somebody takes them.
type Frames = Box<dyn Iterator<Item = Vec<u8>>>;

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// `GET / https`, by the static table of HPACK.
const REQUEST: &[u8] = &[0x82, 0x84, 0x87];

const SHORT: &str = "[limits]\nheader_seconds = 1\nrequest_seconds = 2\n";

#[test]
fn h04_whoever_says_nothing_over_http_2_is_sent_away() {
    let sandbox = instance("");
    let Some(_) = with_tls(&sandbox, SHORT) else { return };
    let server = Server::serve(&sandbox);
    let mut silent = Connection::open(server.address);
    let mut polite = Connection::open(server.address);
    polite.send(std::iter::empty());
    let started = Instant::now();
    for connection in [&mut silent, &mut polite] {
        wait_for("the end of the connection", || connection.0.try_wait().unwrap());
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn h04_whoever_says_nothing_where_tls_is_expected_is_sent_away() {
    let sandbox = instance("");
    let Some(_) = with_tls(&sandbox, SHORT) else { return };
    let server = Server::serve(&sandbox);
    let (_, took) = until_closed(connect(server.address));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut half = connect(server.address);
    half.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let (_, took) = until_closed(half);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn h04_floods_over_http_2_cost_little() {
    if peer("openssl").is_none() {
        return;
    }
    let operator = instance("");
    let Some(certificate) = with_tls(&operator, "") else { return };
    let server = Server::serve(&operator);
    let client = elsewhere(&operator);
    let streams = || (0..2_000_000).map(|number| number * 2 + 1);
    let before = server.resident();
    let floods: [(&str, Frames); 5] = [
        (
            "streams that are opened and reset",
            Box::new(streams().map(|stream| {
                [frame(HEADERS, 5, stream, REQUEST), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
            })),
        ),
        ("streams that stay open", Box::new(streams().map(|stream| frame(HEADERS, 4, stream, REQUEST)))),
        (
            "headers without end",
            Box::new(
                std::iter::once(frame(HEADERS, 1, 1, REQUEST))
                    .chain(std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &[0x82; 1000]))),
            ),
        ),
        ("pings", Box::new(std::iter::repeat_with(|| frame(PING, 0, 0, &[7; 8])))),
        ("settings", Box::new(std::iter::repeat_with(|| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])))),
    ];
    for (what, frames) in floods {
        let mut connection = Connection::open(server.address);
        connection.send(frames);
        let url = format!("https://{}", server.address);
        let sign = ["sign", "m", "--key", "k.pem", "--instance", &url, "--trusted-root", "root.json"];
        let mut command = client.command(sign);
        let started = Instant::now();
        let run = Run::from(command.env("SSL_CERT_FILE", &certificate).output().unwrap());
        assert_eq!(run.code, Some(0), "{what}: {run:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{what}: {:?}", started.elapsed());
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 64 * 1024, "{what}: {grown} KiB more");
    }
}
