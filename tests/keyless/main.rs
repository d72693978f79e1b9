//! Keyless signing with the real binary: logins, tokens of CI jobs, and services that answer anything but the truth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

mod lies;
mod logins;
mod served;
mod services;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use sealwax_tests::oidc::Issuer;
use sealwax_tests::sigstore::Sigstore;
use sealwax_tests::{Run, Sandbox};

/// A deployment, an issuer that it certifies, and somebody with a model `m` who was handed the files of both.
struct Deployment {
    sigstore: Sigstore,
    issuer: Issuer,
    client: Sandbox,
}

impl Deployment {
    fn start() -> Self {
        let (sigstore, issuer, client) = (Sigstore::start(), Issuer::start(), Sandbox::new());
        client.model("m");
        sigstore.hand_out(&client, sigstore.config(&issuer.url()));
        Self { sigstore, issuer, client }
    }

    /// Prepares to sign with a good token of Alice's.
    fn sign(&self) -> Command {
        self.client.write("token", self.issuer.email("alice@example.com"));
        self.client.command(SIGN)
    }

    /// Demands that nothing was signed: no bundle, and nothing left beside the model.
    fn signed_nothing(&self) {
        let entries = std::fs::read_dir(self.client.at("m")).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    /// Demands that signing fails with a code and a text, that nothing was written, and that the token was not told.
    fn refuses(&self, mut command: Command, code: i32, text: &str) -> Run {
        let run = Run::from(command.output().unwrap());
        run.fails(code, text);
        assert!(run.stderr.contains("hint:"), "{run:?}");
        self.told_nothing(&run);
        self.signed_nothing();
        run
    }

    /// Demands that no token was printed (attack K08).
    fn told_nothing(&self, run: &Run) {
        for said in [&run.stdout, &run.stderr] {
            assert!(!said.contains("eyJ"), "{run:?}");
        }
    }

    /// Demands that the bundle verifies for an identity, offline, and not for another one.
    fn verifies(&self, identity: &str) {
        let issuer = self.issuer.url();
        let verify = |identity, issuer| {
            ["verify", "m", "--identity", identity, "--issuer", issuer, "--trusted-root", "root.json"]
        };
        self.client.ok(verify(identity, &issuer));
        assert_eq!(self.client.rejected(verify("mallory@example.com", &issuer)), "I03-identity-not-allowed");
        assert_eq!(self.client.rejected(verify(identity, "https://id.example")), "I02-issuer-not-allowed");
    }
}

/// Signing with the token in a file.
const SIGN: [&str; 6] = ["sign", "m", "--trust-config", "trust.json", "--identity-token", "token"];

/// A run of `sealwax` that waits for somebody to log in.
struct Waiting {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Waiting {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    /// Reads what is said up to the line that begins with `log in at`, and gives the rest of it.
    fn address(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "{}", self.said);
            self.said.push_str(&line);
            if let Some(rest) = line.strip_prefix("log in at ") {
                return rest.trim().to_owned();
            }
        }
    }

    fn end(mut self) -> Run {
        std::io::Read::read_to_string(&mut self.stderr, &mut self.said).unwrap();
        let mut run = Run::from(self.child.wait_with_output().unwrap());
        run.stderr = self.said;
        run
    }
}
