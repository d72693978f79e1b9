//! Reading, as monitors and mirrors do it: the checkpoint and tiles under both prefixes, and paths that are none.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use sealwax_tests::Sandbox;
use sealwax_tests::http::{self, Answer, get, request};
use sealwax_tests::server::{ENTRIES, Server, Signer, instance, log_key, open_log};
use sealwax_tlog::{Checkpoint, Hash, Tile, entries};
use sealwax_transparency_log::NewEntry;

/// The entry at a position of a grown log.
pub(crate) fn body(index: u64) -> Vec<u8> {
    format!("entry {index} {}", "x".repeat(usize::try_from(index % 50).unwrap())).into_bytes()
}

/// An instance whose log grew to each of these sizes.
pub(crate) fn grown(sizes: &[u64]) -> Sandbox {
    let sandbox = instance("");
    let mut log = open_log(&sandbox);
    let mut from = 0;
    for &size in sizes {
        let bodies: Vec<Vec<u8>> = (from..size).map(body).collect();
        let new: Vec<NewEntry<'_>> = bodies.iter().map(|body| NewEntry { body, envelope: None }).collect();
        log.append(&new).unwrap();
        from = size;
    }
    sandbox
}

fn ask(address: SocketAddr, headers: &str, path: &str) -> Answer {
    request(address, "GET", path, headers, b"").unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_tile_of_every_width_leads_to_the_signed_root() {
    const SIZE: u64 = 530;
    let sandbox = grown(&[1, 3, 255, 256, 300, SIZE]);
    let server = Server::serve(&sandbox);
    let checkpoint = get(server.address, "/checkpoint");
    let signed = Checkpoint::open(&checkpoint.body, &log_key(&sandbox)).unwrap();
    assert_eq!(signed.size, SIZE);
    assert_eq!(get(server.address, "/api/v2/checkpoint").body, checkpoint.body);
    let leaves: Vec<Hash> = (0..SIZE).map(|index| Hash::leaf(&body(index))).collect();
    let fetch = |tile: &Tile| {
        let answer = get(server.address, &format!("/{}", tile.path()));
        assert_eq!(answer.status, 200, "{}", tile.path());
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        answer.body
    };
    for index in 0..3 {
        let first = usize::try_from(index).unwrap() * 256;
        let widest = 256.min(leaves.len() - first);
        for width in 1..=widest {
            let part = u16::try_from(width).unwrap();
            let hashes = fetch(&Tile::hashes(0, index, part).unwrap());
            assert_eq!(hashes, Tile::encode(&leaves[first..first + width]), "{index} {width}");
            let bundle = fetch(&Tile::entries(index, part).unwrap());
            let bodies: Vec<Vec<u8>> =
                entries::decode(&bundle, part).unwrap().iter().map(|body| body.to_vec()).collect();
            let expected: Vec<Vec<u8>> =
                (first..first + width).map(|at| body(u64::try_from(at).unwrap())).collect();
            assert_eq!(bodies, expected, "{index} {width}");
        }
    }
    let level: Vec<Hash> = leaves.chunks_exact(256).map(root_of).collect();
    for width in 1..=2 {
        let tile = Tile::hashes(1, 0, width).unwrap();
        assert_eq!(fetch(&tile), Tile::encode(&level[..usize::from(width)]));
        assert_eq!(get(server.address, &format!("/api/v2/{}", tile.path())).body, fetch(&tile));
    }
    // The root from the tiles, without asking for any proof.
    let rest = root_of(&leaves[512..]);
    assert_eq!(Hash::node(&Hash::node(&level[0], &level[1]), &rest), signed.root);
    // What the signed tree has not is not there, whatever is stored.
    for path in [
        "tile/0/002.p/19",
        "tile/0/002",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/entries/002.p/19",
    ] {
        for prefix in ["/", "/api/v2/"] {
            let answer = get(server.address, &format!("{prefix}{path}"));
            assert_eq!((answer.status, answer.header("cache-control")), (404, "no-store"), "{path}");
        }
    }
}

/// The root of up to 256 leaves.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        leaves => {
            let split = leaves.len().next_power_of_two() / 2;
            Hash::node(&root_of(&leaves[..split]), &root_of(&leaves[split..]))
        }
    }
}

#[test]
fn h07_only_what_never_changes_may_be_kept() {
    let sandbox = grown(&[300]);
    let server = Server::serve(&sandbox);
    let submitted = http::post(server.address, ENTRIES, b"{}").unwrap();
    assert_eq!((submitted.status, submitted.header("cache-control")), (400, "no-store"));
    for path in [
        "/checkpoint",
        "/api/v2/checkpoint",
        "/healthz",
        "/metrics",
        "/nothing",
        "/tile/0/009",
        "/tile/nothing",
        "/api/v2/log/entries",
        "/api/sealwax/v1/proof/inclusion?index=1",
        "/api/sealwax/v1/proof/inclusion?index=1&size=2",
        "/api/sealwax/v1/proof/consistency?from=1",
        "/api/sealwax/v1/checkpoints",
        "/api/sealwax/v1/entries/1",
        "/api/sealwax/v1/entries/999",
        "/api/sealwax/v1/search?name=x",
        "/api/sealwax/v1/envelopes/00",
    ] {
        assert_eq!(get(server.address, path).header("cache-control"), "no-store", "{path}");
    }
    for path in
        ["/tile/0/000", "/tile/0/001.p/44", "/tile/0/000.p/7", "/tile/entries/000", "/api/v2/tile/1/000.p/1"]
    {
        let kept = get(server.address, path);
        assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
        // A cache that does not know of encodings must not hand one to who did not ask.
        assert!(!path.contains("entries") || kept.header("vary") == "accept-encoding", "{kept:?}");
    }
}

#[test]
fn h06_answers_are_compressed_where_asked_and_where_it_helps() {
    let sandbox = grown(&[300]);
    let server = Server::serve(&sandbox);
    let gzip = "Accept-Encoding: gzip\r\n";
    for (path, shrinks) in [
        ("/tile/entries/000", true),
        ("/tile/entries/001.p/44", true),
        ("/api/sealwax/v1/search?name=x", false),
        ("/api/sealwax/v1/proof/inclusion?index=1", true),
        ("/tile/0/000", false),
        ("/checkpoint", false),
    ] {
        let plain = get(server.address, path);
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""), "{path}");
        let packed = ask(server.address, gzip, path);
        if !shrinks {
            assert_eq!(packed.body, plain.body, "{path}");
            continue;
        }
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert!(packed.body.len() < plain.body.len(), "{path}");
        assert_eq!(unpack(&packed.body), plain.body, "{path}");
        for none in
            ["Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: br\r\n"]
        {
            assert_eq!(ask(server.address, none, path).body, plain.body, "{path} {none}");
        }
    }
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), packed).unwrap();
    let stdin = std::fs::File::open(file.path()).unwrap();
    let output = Command::new("gzip").arg("-dc").stdin(Stdio::from(stdin)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn h12_no_page_no_override_and_head_like_get() {
    let sandbox = grown(&[300]);
    let server = Server::serve(&sandbox);
    for path in ["/checkpoint", "/tile/0/000", "/tile/entries/001.p/44", "/healthz", "/nothing"] {
        let (head, got) =
            (request(server.address, "HEAD", path, "", b"").unwrap(), get(server.address, path));
        assert_eq!(
            (head.status, head.header("content-length")),
            (got.status, got.header("content-length")),
            "{path}"
        );
    }
    let request_of = Signer::new().rekord(b"artifact").to_string();
    // A browser says where its page came from; the log takes nothing from pages, and tells none that it may read.
    for origin in ["https://evil.example", "null", &server.url()] {
        let headers = format!("Origin: {origin}\r\nContent-Type: text/plain\r\n");
        for path in [ENTRIES, "/api/sealwax/v1/envelopes"] {
            let answer = request(server.address, "POST", path, &headers, request_of.as_bytes()).unwrap();
            assert_eq!((answer.status, &answer.json()["code"]), (403, &7.into()), "{answer:?}");
        }
        for (method, path) in [("OPTIONS", ENTRIES), ("OPTIONS", "/checkpoint"), ("GET", "/checkpoint")] {
            let answer = request(server.address, method, path, &headers, b"").unwrap();
            assert_eq!(answer.status, if method == "GET" { 200 } else { 405 });
            let allowed = |(name, _): &(String, String)| name.starts_with("access-control-");
            assert!(!answer.headers.iter().any(allowed), "{answer:?}");
        }
    }
    // Another method than the one of the request line is nobody's business.
    let headers =
        "X-HTTP-Method-Override: POST\r\nX-Method-Override: POST\r\nContent-Type: application/json\r\n";
    for path in [ENTRIES, "/api/v2/log/entries?_method=POST"] {
        let answer = request(server.address, "GET", path, headers, request_of.as_bytes()).unwrap();
        assert_eq!(answer.status, 405, "{answer:?}");
    }
    server.ask(404, "entries/300");
}

#[test]
fn h10_one_spelling_of_each_path() {
    let sandbox = grown(&[300]);
    let server = Server::serve(&sandbox);
    let checkpoint = get(server.address, "/checkpoint").body;
    for path in [
        "//checkpoint",
        "/./checkpoint",
        "/x/../checkpoint",
        "/%2e%2e/checkpoint",
        "/checkpoint/",
        "/checkpoint%00",
        "/CHECKPOINT",
        "/api/v2//checkpoint",
        "/api/v2/api/v2/checkpoint",
        "/tile//0/000",
        "/tile/0/%30%30%30",
        "/tile/0/000%2ep/7",
        "/tile%2f0%2f000",
        "/tile/../keys/log.pem",
        "/tile/%2e%2e/%2e%2e/keys/log.pem",
        "/tile/..%2f..%2fkeys%2flog.pem",
        "/tile/0/000.p/256",
        "/tile/0/000.p/0",
        "/tile/0/000.p/007",
        "/tile/00/000",
        "/tile/0/0",
        "/tile/0/x000/000",
        "/tile/-1/000",
        "/tile/64/000",
        "/tile/0/x18/446/744/073/709/551/615",
        "/api/sealwax/v1/envelopes/..%2f..%2fkeys%2flog.pem",
        "/api/sealwax/v1/entries/%2e%2e",
    ] {
        let answer = get(server.address, path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.text().contains("PRIVATE KEY"), "{path}");
        assert_ne!(answer.body, checkpoint, "{path}");
    }
    // Bytes that no request line has are not read as a path at all.
    for path in ["/checkpoint\0", "/check\u{1}point", "/check point", "/tile/0/000\x7f"] {
        let line = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = http::exchange(server.address, line.as_bytes()).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{path:?}: {}", String::from_utf8_lossy(&answer));
    }
    // An absolute address is the same path, whatever host it or the header names: nothing is fetched from there (H01).
    for (target, host) in [
        ("http://other.example/checkpoint", "other.example"),
        ("http://127.0.0.1:1/checkpoint", "x"),
        ("/checkpoint", "evil.example\r\nX-Forwarded-Host: evil.example"),
    ] {
        let line = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = http::exchange(server.address, line.as_bytes()).unwrap();
        let (answer, _) = http::parse(&answer, false).unwrap();
        assert_eq!((answer.status, answer.body), (200, checkpoint.clone()), "{target}");
    }
    assert_eq!(
        http::exchange(
            server.address,
            b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\nConnection: close\r\n\r\n"
        )
        .unwrap()
        .get(9..12)
        .map(|status| status == b"200"),
        Some(false)
    );
}
