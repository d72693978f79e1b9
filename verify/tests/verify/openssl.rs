//! Certificates made by the `openssl` program, where there is one.

use std::cell::Cell;
use std::process::{Command, Stdio};

use sealwax_keys::{Certificate, KeyKind, SecretKey};
use tempfile::TempDir;

/// A folder in which openssl issues certificates.
pub(crate) struct Openssl {
    folder: TempDir,
    issued: Cell<u32>,
}

/// What a certificate should say.
pub(crate) struct Request<'a> {
    pub(crate) subject: &'a str,
    /// The first and last second of validity, as `YYYYMMDDHHMMSSZ`.
    pub(crate) validity: (&'a str, &'a str),
    /// Lines of an openssl extension section, separated by `|`.
    pub(crate) extensions: &'a str,
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: SecretKey,
    /// The name of the files, without their endings.
    file: String,
}

impl Issued {
    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

/// The extensions of a good authority and of a good leaf.
pub(crate) const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE|keyUsage=critical,keyCertSign,cRLSign";
pub(crate) const LEAF: &str =
    "basicConstraints=critical,CA:FALSE|keyUsage=critical,digitalSignature|extendedKeyUsage=codeSigning";

/// Validities around the verifier's clock.
pub(crate) const DECADES: (&str, &str) = ("20200101000000Z", "20400101000000Z");
pub(crate) const THIS_YEAR: (&str, &str) = ("20260101000000Z", "20261231235959Z");
pub(crate) const LAST_YEAR: (&str, &str) = ("20250101000000Z", "20251231235959Z");
pub(crate) const NEXT_YEAR: (&str, &str) = ("20270101000000Z", "20271231235959Z");

pub(crate) fn authority(subject: &str) -> Request<'_> {
    Request { subject, validity: DECADES, extensions: AUTHORITY }
}

pub(crate) fn leaf() -> Request<'static> {
    Request { subject: "leaf", validity: THIS_YEAR, extensions: LEAF }
}

impl Openssl {
    pub(crate) fn start() -> Option<Self> {
        let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            println!("skipped: certificates (no openssl)");
            return None;
        }
        let openssl = Self { folder: tempfile::tempdir().unwrap(), issued: Cell::new(0) };
        openssl.write("index.txt", "");
        openssl.write("serial", "01");
        Some(openssl)
    }

    /// Issues a certificate with a new key.
    pub(crate) fn issue(&self, request: &Request<'_>, issuer: &Issued) -> Issued {
        self.issue_for(request, SecretKey::generate(KeyKind::P256).unwrap(), Some(issuer))
    }

    /// Makes a self-signed certificate with a new key.
    pub(crate) fn root(&self, request: &Request<'_>) -> Issued {
        self.issue_for(request, SecretKey::generate(KeyKind::P256).unwrap(), None)
    }

    /// Issues a certificate for a key, by another or by itself.
    pub(crate) fn issue_for(&self, request: &Request<'_>, key: SecretKey, issuer: Option<&Issued>) -> Issued {
        self.issued.set(self.issued.get() + 1);
        let file = format!("c{}", self.issued.get());
        self.write(&format!("{file}.key"), &key.to_pkcs8_pem(None).unwrap());
        self.write(&format!("{file}.cnf"), &config(&request.extensions.replace('|', "\n")));
        let subject = format!("/CN={}", request.subject);
        self.run(
            &[
                "req",
                "-new",
                "-key",
                &format!("{file}.key"),
                "-subj",
                &subject,
                "-out",
                &format!("{file}.csr"),
            ],
            &file,
        );
        let by = issuer.map_or(&file, |issuer| &issuer.file);
        let (key_file, certificate_file) = (format!("{by}.key"), format!("{by}.pem"));
        let (csr, out) = (format!("{file}.csr"), format!("{file}.pem"));
        let mut arguments = vec!["ca", "-batch", "-notext", "-extensions", "wanted"];
        arguments.extend(["-startdate", request.validity.0, "-enddate", request.validity.1]);
        arguments.extend(["-in", &csr, "-out", &out, "-keyfile", &key_file]);
        match issuer {
            Some(_) => arguments.extend(["-cert", &certificate_file]),
            None => arguments.push("-selfsign"),
        }
        self.run(&arguments, &file);
        let pem = std::fs::read(self.folder.path().join(&out)).unwrap();
        let certificate = Certificate::from_pem_chain(&pem).unwrap().remove(0);
        Issued { certificate, key, file }
    }

    fn run(&self, arguments: &[&str], file: &str) {
        let config = format!("{file}.cnf");
        let output = Command::new("openssl")
            .args(arguments)
            .args(["-config", &config])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }
}

fn config(extensions: &str) -> String {
    format!(
        "[req]\ndistinguished_name=name\nprompt=no\n[name]\n[ca]\ndefault_ca=here\n[here]\ndatabase=index.txt\nserial=serial\n\
         new_certs_dir=.\ndefault_md=sha256\npolicy=any\nunique_subject=no\nemail_in_dn=no\n\
         [any]\ncommonName=supplied\n[wanted]\n{extensions}\n"
    )
}
