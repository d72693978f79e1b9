//! What the end-to-end tests share: a sandbox with its own home, the `sealwax` binary, models, and the public vectors and
//! outside clients where they are present.
//!
//! Every sandbox is a temporary directory; nothing of the person running the tests is read or written.

// What fails here fails the test that uses it, with its line.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

pub mod crash;
pub mod http;
pub mod litewitness;
pub mod log;
pub mod loopback;
pub mod machine;
pub mod oidc;
pub mod server;
pub mod sigstore;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// A directory with an empty home, in which `sealwax` runs with no instance yet.
pub struct Sandbox {
    dir: TempDir,
}

/// What a run of `sealwax` left.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// Makes an empty sandbox.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("home")).expect("a home");
        Self { dir }
    }

    /// Gives the sandbox's directory, where commands run.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Gives a path in the sandbox.
    pub fn at(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, bytes).expect("a written file");
        path
    }

    /// Makes a small model directory of four files, two of them nested.
    pub fn model(&self, name: &str) -> PathBuf {
        self.write(format!("{name}/config.json"), br#"{"layers":2}"#);
        self.write(format!("{name}/weights.bin"), vec![7_u8; 100_000]);
        self.write(format!("{name}/tokenizer/vocab.json"), br#"{"a":0}"#);
        self.write(format!("{name}/tokenizer/merges.txt"), b"");
        self.at(name)
    }

    /// Makes a sandbox with a signed model `m`.
    pub fn signed() -> Self {
        let sandbox = Self::new();
        sandbox.model("m");
        sandbox.ok(["sign", "m"]);
        sandbox
    }

    /// Prepares a run of `sealwax` with this sandbox as its whole world.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(sealwax());
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.at("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command
    }

    /// Runs `sealwax`.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::from(self.command(arguments).output().expect("sealwax runs"))
    }

    /// Runs `sealwax` and demands success.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{run:?}");
        run
    }

    /// Runs `sealwax` with `--json`, demands an exit code, and gives the object that it printed.
    pub fn json<S: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = S>) -> Value {
        let mut command = self.command(arguments);
        command.arg("--json");
        let run = Run::from(command.output().expect("sealwax runs"));
        assert_eq!(run.code, Some(code), "{run:?}");
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    /// Runs `sealwax`, demands a rejection, and gives its code.
    pub fn rejected<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let verdict = self.json(1, arguments);
        assert_eq!(verdict["verdict"], "rejected", "{verdict}");
        assert!(!verdict.to_string().contains("accepted"), "{verdict}");
        verdict["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Gives the directory of the instance that `sealwax` makes by default here.
    pub fn instance(&self) -> PathBuf {
        let home = self.at("home");
        if cfg!(target_os = "macos") {
            home.join("Library/Application Support/sealwax")
        } else {
            home.join(".local/share/sealwax")
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Demands an exit code, an `error` line that holds `text`, and no claim of success.
    pub fn fails(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains("error") && self.stderr.contains(text), "{text}: {self:?}");
        assert!(!self.stdout.contains("verified") && !self.stderr.contains("signed  "), "{self:?}");
    }
}

/// Gives the `sealwax` binary: `SEALWAX_BIN`, or the one of this workspace, built once.
pub fn sealwax() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("SEALWAX_BIN") {
            return PathBuf::from(path);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--package", "sealwax", "--bin", "sealwax", "--quiet", "--message-format=json"])
            .current_dir(workspace())
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "sealwax does not build");
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let executable = messages.lines().rev().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_binary = message["target"]["name"] == "sealwax";
            message["executable"].as_str().filter(|_| is_binary).map(PathBuf::from)
        });
        executable.expect("cargo names the binary")
    })
}

/// Gives the workspace's root.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests is a folder of the workspace").to_owned()
}

/// Gives a folder of the public vectors and peers, or says that what needs it is skipped.
pub fn shared(what: &str, folder: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("SEALWAX_SHARED") {
        Some(root) => PathBuf::from(root),
        None => workspace().join("../shared"),
    };
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {what} ({folder} is not here)");
    None
}

/// Gives an outside program from `SEALWAX_PEERS` or the search path, or says that what needs it is skipped.
pub fn peer(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("SEALWAX_PEERS").map(PathBuf::from).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// Finds the libraries of sigstore-js, with entries of Rekor's second interface, and says that they were not there where they
/// are not.
pub fn sigstore_js() -> Option<PathBuf> {
    let peers = std::env::var_os("SEALWAX_PEERS").map(PathBuf::from);
    let modules = peers.and_then(|peers| Some(peers.parent()?.join("sigstore-js/node_modules")));
    let found = modules.filter(|modules| modules.join("sigstore").is_dir());
    if found.is_none() {
        eprintln!("skipped: sigstore-js of version 4 is not installed");
    }
    found
}

/// Copies a directory tree of regular files.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a readable directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}

/// Gives every regular file below a directory, sorted.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).expect("a readable directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}
