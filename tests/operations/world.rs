//! An instance that signs one small model after the other.

use std::fs;

use sealwax_tests::Sandbox;

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
