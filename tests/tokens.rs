//! Keys in a PKCS#11 token, from the command line: SoftHSM, where it is installed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealwax_authority::{TimestampRequest, certificate_answer, certificate_request};
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tests::server::Server;
use sealwax_tests::{Run, Sandbox, http, peer};
use serde_json::{Value, json};

const PIN: &str = "swordfish-4711";

/// A sandbox with a token `test`, whose PIN is in the file `pin`.
struct Desk {
    sandbox: Sandbox,
    module: PathBuf,
}

impl Desk {
    /// Gives `None`, and says so, where SoftHSM is not installed.
    fn new() -> Option<Self> {
        let tool = peer("softhsm2-util")?;
        let places = ["/usr/lib/softhsm", "/usr/lib64/softhsm", "/usr/local/lib/softhsm"];
        let modules = places.map(|place| Path::new(place).join("libsofthsm2.so"));
        let Some(module) = modules.into_iter().find(|path| path.exists()) else {
            println!("skipped: libsofthsm2.so is not installed");
            return None;
        };
        let desk = Self { sandbox: Sandbox::new(), module };
        let (sandbox, tokens) = (&desk.sandbox, desk.sandbox.at("tokens"));
        fs::create_dir(&tokens).unwrap();
        sandbox.write("softhsm2.conf", format!("directories.tokendir = {}\n", tokens.display()));
        sandbox.write("pin", format!("{PIN}\n"));
        fs::set_permissions(sandbox.at("pin"), fs::Permissions::from_mode(0o600)).unwrap();
        let made = Command::new(tool)
            .args(["--init-token", "--free", "--label", "test", "--so-pin", "officer-pin", "--pin", PIN])
            .env("SOFTHSM2_CONF", sandbox.at("softhsm2.conf"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Some(desk)
    }

    /// A URI that says where module and PIN are.
    fn uri(&self, object: &str) -> String {
        let pin = self.sandbox.at("pin");
        let query = format!("module-path={}&pin-source=file:{}", self.module.display(), pin.display());
        format!("pkcs11:token=test;object={object}?{query}")
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.env("SOFTHSM2_CONF", self.sandbox.at("softhsm2.conf"));
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::from(self.command(arguments).output().unwrap())
    }

    fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{run:?}");
        run
    }

    /// Makes a key in the token, and gives its URI and a file with its public half.
    fn key(&self, object: &str, kind: &str) -> (String, PathBuf) {
        let uri = self.uri(object);
        let made = self.ok(["key", "generate", "--kind", kind, "--token", &uri, "--json"]);
        let made: Value = serde_json::from_str(&made.stdout).unwrap();
        let public = self.sandbox.write(format!("{object}.pub"), made["public_key"].as_str().unwrap());
        (uri, public)
    }

    fn serve(&self) -> Server {
        let mut under = Command::new("env");
        under.env("SOFTHSM2_CONF", self.sandbox.at("softhsm2.conf"));
        Server::start(under, &self.sandbox, &["serve"])
    }
}

#[test]
fn a_model_is_signed_by_a_key_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    desk.sandbox.model("m");
    for kind in ["p256", "p384"] {
        let (uri, public) = desk.key(kind, kind);
        let shown = desk.ok(["key", "show", &uri]);
        assert!(shown.stdout.ends_with(&fs::read_to_string(&public).unwrap()), "{shown:?}");
        let signed = desk.ok(["sign", "m", "--key", &uri]);
        assert!(signed.stderr.contains(&format!("pkcs11:token=test;object={kind}")), "{signed:?}");
        assert!(!signed.stderr.contains("pin-source"), "{signed:?}");
        // Verifying needs no token.
        desk.sandbox.ok(["verify", "m", "--key", public.to_str().unwrap()]);
    }
    let again = desk.run(["key", "generate", "--token", &desk.uri("p256")]);
    again.fails(2, "in the token already");
    // The current directory is inside the model, and the URI is no path in it.
    let mut inside = desk.command(["sign", ".", "--key", &desk.uri("p256"), "--instance", "../i"]);
    let inside = Run::from(inside.current_dir(desk.sandbox.at("m")).output().unwrap());
    assert_eq!(inside.code, Some(0), "{inside:?}");
}

#[test]
fn the_keys_of_an_instance_may_be_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    let instance = desk.sandbox.instance();
    let (log, _) = desk.key("log", "ed25519");
    let (signer, public) = desk.key("signer", "p256");
    desk.run(["instance", "init", "--log-key", &signer]).fails(2, "Ed25519");
    desk.run(["instance", "init", "--log-key", "key.pem"]).fails(2, "not a pkcs11: URI");
    desk.run(["instance", "init", "--log-key", &log, "--signing-key", &log]).fails(2, "cannot sign models");
    assert!(!instance.exists());
    desk.ok(["instance", "init", "--origin", "log.example", "--log-key", &log, "--signing-key", &signer]);
    for (name, uri) in [("log", &log), ("signing", &signer)] {
        let path = instance.join(format!("keys/{name}.pem"));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{uri}\n"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    for name in ["a", "b"] {
        desk.sandbox.model(name);
        desk.ok(["sign", name]);
        desk.sandbox.ok(["verify", name]);
        desk.sandbox.ok(["verify", name, "--key", public.to_str().unwrap()]);
    }
    desk.ok(["log", "fsck"]);

    // Served, stopped and served again, the same log goes on.
    let sign = |server: &Server, name: &str| {
        desk.sandbox.model(name);
        let root = instance.join("trusted_root.json");
        let arguments = ["sign", name, "--key", &signer, "--trusted-root", root.to_str().unwrap()];
        desk.ok(arguments.into_iter().chain(["--instance", &server.url()]));
        desk.sandbox.ok(["verify", name]);
    };
    let mut server = desk.serve();
    sign(&server, "c");
    let said = fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    assert!(!String::from_utf8_lossy(&said).contains(PIN) && !server.said().contains(PIN));
    server.terminate();
    assert_eq!(server.ended(), Some(0));
    let server = desk.serve();
    sign(&server, "d");
    assert_eq!(server.size(), 4);
    drop(server);

    desk.run(["log", "freeze", "--next", "--log-key", &log]).fails(2, "the key of an earlier log");
    desk.run(["log", "freeze", "--next", "--log-key", &signer]).fails(2, "Ed25519");
    desk.ok(["sign", "a"]);
    let (next, _) = desk.key("next", "ed25519");
    desk.ok(["log", "freeze", "--next", "--origin", "next.example", "--log-key", &next]);
    desk.ok(["sign", "b"]);
    for name in ["a", "b", "c"] {
        desk.sandbox.ok(["verify", name]);
    }
    assert_eq!(fs::read_to_string(instance.join("shards/log.example/log.pem")).unwrap(), format!("{log}\n"));
    assert_eq!(fs::read_to_string(instance.join("keys/log.pem")).unwrap(), format!("{next}\n"));
}

#[test]
fn an_authoritys_keys_may_be_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    let keys = desk.sandbox.instance().join("keys");
    let [(ca, _), (tsa, _), (log, _)] =
        [desk.key("ca", "p256"), desk.key("tsa", "p384"), desk.key("log", "ed25519")];
    let other_use = "has another use in this instance";
    desk.run(["instance", "init", "--ca-key", &ca, "--signing-key", &ca]).fails(2, other_use);
    desk.run(["instance", "init", "--ca-key", &log]).fails(2, "P-256 or P-384");
    assert!(!desk.sandbox.instance().exists());
    desk.ok(["instance", "init", "--origin", "log.example", "--ca-key", &ca]);
    desk.run(["authority", "rotate", "tsa", "--new-key", &ca]).fails(2, other_use);
    desk.ok(["authority", "rotate", "tsa", "--new-key", &tsa]);
    for (name, uri) in [("ca", &ca), ("tsa", &tsa)] {
        assert_eq!(fs::read_to_string(keys.join(name).with_extension("pem")).unwrap(), format!("{uri}\n"));
    }

    let server = desk.serve();
    let stamp = |server: &Server| {
        let request = TimestampRequest::new(b"signature").unwrap();
        let head = "Content-Type: application/timestamp-query\r\n";
        let path = "/api/v1/timestamp";
        let answer = http::request(server.address, "POST", path, head, &request.to_der()).unwrap();
        (answer.status == 201).then(|| request.check(&answer.body).unwrap())
    };
    let certify = |server: &Server| {
        let invited = desk.sandbox.json(0, ["instance", "invite", "alice@example.com"]);
        let secret = invited["invitation"].as_str().unwrap().split_once('#').unwrap().1;
        let body = json!({"invitation": secret}).to_string();
        let path = "/api/sealwax/v1/invitations/redeem";
        let token = http::post(server.address, path, body.as_bytes()).unwrap().json()["token"].clone();
        let head = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
        let key = SecretKey::generate(KeyKind::P256).unwrap();
        let body = certificate_request(&key).unwrap();
        let path = "/api/v2/signingCert";
        let answer = http::request(server.address, "POST", path, &head, body.as_bytes()).unwrap();
        (answer.status == 200).then(|| certificate_answer(&answer.body, &key).unwrap())
    };
    stamp(&server).unwrap();
    let chain = certify(&server).unwrap();
    chain[0].is_signed_by(chain[1].public_key()).unwrap();

    // Without the token neither is made, and nothing else stops.
    let (tokens, elsewhere) = (desk.sandbox.at("tokens"), desk.sandbox.at("elsewhere"));
    fs::rename(&tokens, &elsewhere).unwrap();
    assert!(stamp(&server).is_none() && certify(&server).is_none());
    assert_eq!(http::get(server.address, "/checkpoint").status, 200);
    let said = server.said();
    assert!(said.contains("no such token is there (the key tsa)") && !said.contains(PIN), "{said}");
    drop(server);
    // SoftHSM reads which tokens there are when it starts.
    fs::rename(&elsewhere, &tokens).unwrap();
    let server = desk.serve();
    stamp(&server).unwrap();
    certify(&server).unwrap();
}

#[test]
fn a_witness_signs_with_a_key_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    let (uri, _) = desk.key("witness", "ed25519");
    desk.ok(["witness", "init", "w", "--name", "w.example/1", "--key", &uri]);
    let mut under = Command::new("env");
    under.env("SOFTHSM2_CONF", desk.sandbox.at("softhsm2.conf"));
    let mut server = Server::start(under, &desk.sandbox, &["witness", "serve", "w"]);
    server.terminate();
    assert_eq!(server.ended(), Some(0));
    // Without the token there is no witness.
    desk.sandbox.run(["witness", "serve", "w"]).fails(3, "no such token");
}

#[test]
fn k08_the_pin_stands_nowhere() {
    let Some(desk) = Desk::new() else { return };
    let (uri, _) = desk.key("key", "p256");
    let (named, _) = uri.split_once('?').unwrap();
    desk.sandbox.model("m");
    let sign = |uri: &str, pin: Option<&str>| {
        let mut command = desk.command(["sign", "m", "--key", uri, "--json"]);
        command.env("SEALWAX_PKCS11_MODULE", &desk.module);
        if let Some(pin) = pin {
            command.env("SEALWAX_PIN", pin);
        }
        Run::from(command.output().unwrap())
    };
    let signed = sign(named, Some(PIN));
    assert_eq!(signed.code, Some(0), "{signed:?}");
    sign(named, None).fails(3, "no terminal");
    let wrong = sign(named, Some("wrong-pin-0815"));
    wrong.fails(2, "wrong PIN");
    for hidden in ["wrong-pin-0815", PIN] {
        assert!(!format!("{wrong:?} {signed:?}").contains(hidden), "{hidden}");
    }
    for shown in [format!("{named}?pin-value={PIN}"), format!("{named};pin-value={PIN}")] {
        let refused = sign(&shown, None);
        refused.fails(2, "must not hold the PIN");
        assert!(!format!("{refused:?}").contains(PIN), "{refused:?}");
    }
    // The file with the PIN is as private as a key.
    fs::set_permissions(desk.sandbox.at("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.run(["sign", "m", "--key", &uri]).fails(2, "can be read by others");
    let pin = desk.sandbox.at("pin");
    let typed = ["sign", "m", "--key", named, "--passphrase-file", pin.to_str().unwrap()];
    let mut typed = desk.command(typed);
    let typed = Run::from(typed.env("SEALWAX_PKCS11_MODULE", &desk.module).output().unwrap());
    assert_eq!(typed.code, Some(0), "{typed:?}");
}

#[test]
fn no_file_and_no_directory_decides_what_is_loaded() {
    let Some(desk) = Desk::new() else { return };
    let (uri, _) = desk.key("key", "p256");
    desk.sandbox.model("m");
    let module = desk.sandbox.at("module.so");
    fs::copy(&desk.module, &module).unwrap();
    let refused = |uri: &str, code: i32, text: &str| {
        desk.run(["sign", "m", "--key", uri]).fails(code, text);
        desk.run(["key", "show", uri]).fails(code, text);
    };
    // A file that is given as a key is a key, whatever stands in it.
    let file = desk.sandbox.write("hostile.pem", &uri);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    refused(file.to_str().unwrap(), 2, "no PEM block");
    for path in ["module.so", "./module.so"] {
        refused(&format!("pkcs11:object=key?module-path={path}"), 2, "not absolute");
        let mut command = desk.command(["key", "show", "pkcs11:object=key"]);
        Run::from(command.env("SEALWAX_PKCS11_MODULE", path).output().unwrap()).fails(2, "not absolute");
    }
    refused("pkcs11:object=key", 2, "no module is named");
    fs::set_permissions(&module, fs::Permissions::from_mode(0o666)).unwrap();
    refused(&format!("pkcs11:object=key?module-path={}", module.display()), 2, "changed by others");
    refused(&format!("pkcs11:object=key?module-path={}", file.display()), 3, "cannot use the module");
    refused("pkcs11:object=key?module-path=/nowhere/module.so", 3, "No such file");
    refused("pkcs11:object=key?module-path=/dev/null", 2, "");
    refused(&uri.replace("object=key", "object=other"), 2, "no such key");
    refused(&uri.replace("token=test", "token=other"), 3, "no such token");
}
