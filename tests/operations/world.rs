//! An instance that signs one small model after the other, and its server.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use sealwax_tests::Sandbox;
use serde_json::Value;

/// Signs a model that nobody signed before.
pub(crate) fn sign(sandbox: &Sandbox, number: u32) {
    sandbox.write("m/f", number.to_string());
    sandbox.ok(["sign", "m"]);
}

/// A sandbox whose log has so many entries.
pub(crate) fn signed(entries: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    (0..entries).for_each(|number| sign(&sandbox, number));
    sandbox
}

pub(crate) fn size(sandbox: &Sandbox) -> u64 {
    sandbox.json(0, ["instance", "show"])["log"]["size"].as_u64().unwrap()
}

/// Writes the server's settings.
pub(crate) fn settings(sandbox: &Sandbox, text: &str) {
    fs::write(sandbox.instance().join("serve.toml"), text).unwrap();
}

/// A running `sealwax serve`, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox) -> Server {
        let mut command = sandbox.command(["serve", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Server { child, url: said["url"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
