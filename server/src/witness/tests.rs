use axum::body::{Body, to_bytes};
use axum::http::Request;
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tlog::{AddCheckpoint, Checkpoint, EMPTY_ROOT, Hash, SignedNote, VerifierKey};
use tower::Service;

use super::*;

const ORIGIN: &str = "log.example.com";
/// The SHA-256 of the origin.
const HASH: &str = "ad09f5b958e8a8c8d52406674379854832d78963651b6b3e591fda689fb95c30";

/// A log, and a witness of it behind its routes.
struct World {
    log: SecretKey,
    key: VerifierKey,
    router: Router,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let log = SecretKey::generate(KeyKind::Ed25519).unwrap();
        let log_key = VerifierKey::from_ed25519(ORIGIN, log.public_key()).unwrap();
        let witness = crate::testing::witness(directory.path(), "w.example", &log_key);
        let key = witness.verifier_key().clone();
        let router = router(Arc::new(witness), Arc::new(Notify::new()));
        World { log, key, router, directory }
    }

    /// A request for a tree of one leaf, or none.
    fn body(&self, old_size: u64, leaf: Option<&[u8]>) -> Vec<u8> {
        let (size, root) = leaf.map_or((0, EMPTY_ROOT), |leaf| (1, Hash::leaf(leaf)));
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root, extensions: Vec::new() };
        let note = checkpoint.sign(&self.log).unwrap().to_bytes();
        AddCheckpoint { old_size, proof: Vec::new(), note }.to_bytes()
    }

    async fn send(&mut self, method: &str, path: &str, body: Vec<u8>) -> (u16, String, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let response = self.router.call(request).await.unwrap();
        let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, kind.unwrap_or_default(), to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    async fn post(&mut self, body: Vec<u8>) -> (u16, String, Vec<u8>) {
        self.send("POST", "/add-checkpoint", body).await
    }
}

fn path() -> String {
    format!("/{}/checkpoint", HASH)
}

#[tokio::test]
async fn the_routes_answer_as_the_protocol_says() {
    let mut world = World::new();
    let (status, ..) = world.send("GET", &path(), Vec::new()).await;
    assert_eq!(status, 404);
    let (status, kind, line) = world.post(world.body(0, Some(b"a"))).await;
    assert_eq!((status, kind.as_str()), (200, TEXT));
    let request = AddCheckpoint::parse(&world.body(0, Some(b"a"))).unwrap();
    let mut note = SignedNote::parse(&request.note).unwrap();
    note.add_cosignature(&line, &world.key).unwrap();
    let (status, kind, served) = world.send("GET", &path(), Vec::new()).await;
    assert_eq!((status, kind.as_str()), (200, TEXT));
    assert_eq!(served, note.to_bytes());
    assert_eq!(world.send("GET", "/healthz", Vec::new()).await.0, 200);
    assert_eq!(world.send("GET", "/add-checkpoint", Vec::new()).await.0, 405);
    assert_eq!(world.send("GET", "/", Vec::new()).await.0, 404);
}

#[tokio::test]
async fn every_refusal_has_its_status_and_a_line_for_people() {
    let mut world = World::new();
    assert_eq!(world.post(world.body(0, Some(b"a"))).await.0, 200);
    let (status, kind, body) = world.post(world.body(0, Some(b"a"))).await;
    assert_eq!((status, kind.as_str(), body.as_slice()), (409, "text/x.tlog.size", b"1\n".as_slice()));
    let other = World::new();
    let unknown = String::from_utf8(world.body(1, Some(b"a"))).unwrap().replace(ORIGIN, "other.example");
    let bodies = [
        (400, b"nonsense".to_vec()),
        (400, world.body(1, None)),
        (403, other.body(1, Some(b"a"))),
        (404, unknown.into_bytes()),
        (413, vec![b'x'; MAX_BODY + 1]),
        (422, world.body(1, Some(b"b"))),
    ];
    for (expected, body) in bodies {
        let (status, kind, text) = world.post(body).await;
        assert_eq!(status, expected);
        assert_eq!(kind, TEXT, "{expected}");
        assert!(text.len() > 3, "{expected}");
    }
    assert_eq!(world.post(world.body(1, Some(b"a"))).await.0, 200);
}

#[tokio::test]
async fn w08_what_fails_inside_is_no_cosignature_and_tells_strangers_nothing() {
    let mut world = World::new();
    // Another program holds the database: the witness waits a while and gives up.
    let path = world.directory.path().join("state.db");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, _, body) = world.post(world.body(0, Some(b"a"))).await;
    assert_eq!((status, body.as_slice()), (503, format!("{FAILED}\n").as_bytes()));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.post(world.body(0, Some(b"a"))).await.0, 200);
}
