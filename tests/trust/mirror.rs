//! A repository, by whoever has its keys, and a server for it that lies where a test wants that.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sealwax_attestation::TrustedRoot;
use sealwax_keys::{KeyFile, KeyKind, SecretKey};
use sealwax_trust::{Advance, Repository, Role, RoleKeys, TRUSTED_ROOT, Work, fingerprint};

/// What the server does instead of serving.
#[derive(Clone, Debug)]
pub enum Lie {
    /// It serves an earlier copy of everything.
    Old(Files),
    /// It serves other bytes for the names that contain this.
    Instead(&'static str, Vec<u8>),
    /// It never ends an answer.
    Endless(&'static str),
    /// It sends a byte now and then.
    Slow(&'static str),
    /// It answers with a status.
    Status(u16),
    /// It sends whoever asks elsewhere.
    Redirect(String),
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// A repository's directory, all of its keys, and a server.
pub struct Mirror {
    pub files: Files,
    pub keys: BTreeMap<Role, SecretKey>,
    pub targets: Files,
    pub address: SocketAddr,
    /// When it publishes what it publishes next.
    pub now: Timestamp,
    served: Arc<Mutex<(Files, Option<Lie>)>>,
}

impl Mirror {
    /// Makes a repository that hands out a trusted root, and serves it.
    pub fn start(trusted_root: &str) -> Self {
        Self::start_at(now(), trusted_root)
    }

    /// Makes it at a time.
    pub fn start_at(now: Timestamp, trusted_root: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new((Files::new(), None)));
        let shared = Arc::clone(&served);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (files, lie) = shared.lock().unwrap().clone();
                    let _ = answer(stream, &files, lie);
                });
            }
        });
        let generate = |role| (role, SecretKey::generate(KeyKind::P256).unwrap());
        let keys: BTreeMap<Role, SecretKey> = Role::ALL.into_iter().map(generate).collect();
        let roles = keys.iter().map(|(&role, key)| (role, only(key))).collect();
        let targets = Files::from([(TRUSTED_ROOT.to_owned(), trusted_root.as_bytes().to_vec())]);
        let mut mirror = Self { files: Files::new(), keys, targets, address, now, served };
        mirror.advance(&Repository::start(&roles, now).unwrap(), Vec::new(), &[]);
        mirror
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The fingerprint of its first root.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.files["public/1.root.json"])
    }

    /// Publishes these roles anew.
    pub fn renew(&mut self, roles: &[Role]) {
        self.advance(&self.open(), Vec::new(), roles);
    }

    /// Hands out another trusted root.
    pub fn hand_out(&mut self, trusted_root: &TrustedRoot) {
        self.targets.insert(TRUSTED_ROOT.to_owned(), trusted_root.to_json().into_bytes());
        self.renew(&[]);
    }

    /// Gives a role another key.
    pub fn rotate(&mut self, role: Role) {
        let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
        let mut repository = self.open();
        repository.assign(role, &only(&key), self.now).unwrap();
        let old = self.keys.insert(role, key).unwrap();
        self.advance(&repository, vec![old], &[]);
    }

    /// Lies from now on.
    pub fn lie(&self, lie: Lie) {
        self.served.lock().unwrap().1 = Some(lie);
    }

    /// Is honest again.
    pub fn be_honest(&self) {
        self.served.lock().unwrap().1 = None;
    }

    fn open(&self) -> Repository {
        Repository::open(&|name, _| Ok(self.files.get(name).cloned())).unwrap()
    }

    fn advance(&mut self, repository: &Repository, mut more: Vec<SecretKey>, renew: &[Role]) {
        more.extend(self.keys.values().map(copy));
        let work = Work { keys: &more, files: &self.targets, renew, now: self.now };
        let Advance { writes, waiting, .. } =
            repository.advance(&work, &|name, _| Ok(self.files.get(name).cloned())).unwrap();
        assert!(waiting.is_empty(), "{waiting:?}");
        self.files.extend(writes);
        self.served.lock().unwrap().0 = self.files.clone();
    }
}

fn only(key: &SecretKey) -> RoleKeys {
    RoleKeys { keys: vec![key.public_key().clone()], threshold: 1 }
}

fn copy(key: &SecretKey) -> SecretKey {
    match KeyFile::parse(key.to_pkcs8_pem(None).unwrap().as_bytes()).unwrap() {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(_) => unreachable!(),
    }
}

/// The machine's time.
pub fn now() -> Timestamp {
    SystemTime::now().try_into().unwrap()
}

fn answer(mut stream: TcpStream, files: &Files, lie: Option<Lie>) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default();
    let name = format!("public{path}");
    let honest = |files: &Files| files.get(&name).cloned();
    let body = match lie {
        Some(Lie::Old(files)) => honest(&files),
        Some(Lie::Instead(part, bytes)) if name.contains(part) => Some(bytes),
        Some(Lie::Status(status)) => {
            return write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Some(Lie::Redirect(to)) => {
            let head = "Content-Length: 0\r\nConnection: close";
            return write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}{path}\r\n{head}\r\n\r\n");
        }
        Some(Lie::Endless(part)) if name.contains(part) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"signed\":\"")?;
            loop {
                stream.write_all(&[b'a'; 65_536])?;
            }
        }
        Some(Lie::Slow(part)) if name.contains(part) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(500));
            }
        }
        _ => honest(files),
    };
    let (status, body) = body.map_or((404, Vec::new()), |body| (200, body));
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
