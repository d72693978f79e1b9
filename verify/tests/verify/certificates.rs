//! Certificate chains of a private authority, each wrong in one thing.
//!
//! This is one file because each refused chain differs from the good one by one line.

use std::time::{Duration, Instant};

use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::pkcs8::DecodePrivateKey as _;

use sealwax_attestation::{
    Bundle, Content, Envelope, HashedRekord, TrustedRoot, VerificationMaterial, Verifier,
};
use sealwax_keys::{Certificate, HashAlgorithm, KeyFile, KeyKind, SecretKey};
use sealwax_verify::{
    Authentic, CertificateProblem, Fault, Form, LogRequirement, Policy, Rejection, Signer, Signers,
    TimeSource, VerifiedModel, authenticate,
};

use crate::openssl::{
    AUTHORITY, DECADES, Issued, LAST_YEAR, LEAF, NEXT_YEAR, Openssl, Request, THIS_YEAR, authority, leaf,
};
use crate::world::{FILES, NOW, World, hashed, time};

/// What is checked: a signed statement with a chain, and who the verifier trusts.
struct Case {
    envelope: Envelope,
    chain: Vec<Vec<u8>>,
    anchors: Vec<Certificate>,
    signed_at: Option<&'static str>,
}

impl Case {
    /// A statement signed with the leaf's key, the leaf followed by other certificates, and one anchor.
    fn new(leaf: &Issued, others: &[&Issued], anchor: &Issued) -> Self {
        let chain = std::iter::once(leaf).chain(others.iter().copied()).map(Issued::der).collect();
        let anchors = vec![anchor.certificate.clone()];
        Self { envelope: sign(&leaf.key), chain, anchors, signed_at: None }
    }

    fn bundle(&self) -> Bundle {
        let material = VerificationMaterial::CertificateChain(self.chain.clone());
        Bundle::new(material, Content::Envelope(self.envelope.clone()))
    }

    fn policy(&self) -> Policy {
        let signers =
            Signers::CertificateChain { anchors: self.anchors.clone(), signed_at: self.signed_at.map(time) };
        Policy { signers, log: LogRequirement::Waived, ignored: vec![] }
    }

    fn authenticate(&self, now: &str) -> Result<Authentic, Rejection> {
        authenticate(&self.bundle(), &TrustedRoot::default(), self.policy(), time(now))
    }

    fn verdict(&self) -> Result<VerifiedModel, Rejection> {
        self.authenticate(NOW)?.confirm(&hashed(&FILES))
    }

    /// The one problem of the certificate that the verdict is about.
    fn problem(&self) -> (String, CertificateProblem) {
        match self.verdict() {
            Err(Rejection::Certificate { subject, problem }) => (subject, problem),
            other => panic!("{other:?}"),
        }
    }
}

fn sign(key: &SecretKey) -> Envelope {
    let unsigned = Envelope::in_toto(World::new().payload(), Vec::new());
    Envelope { signature: key.sign(&unsigned.pae()).unwrap(), ..unsigned }
}

/// A leaf of a root, with extensions.
fn leaf_with(openssl: &Openssl, extensions: &str) -> Case {
    let root = openssl.root(&authority("root"));
    let leaf = openssl.issue(&Request { extensions, ..leaf() }, &root);
    Case::new(&leaf, &[], &root)
}

/// A leaf of an intermediate of a root, the intermediate being as requested.
fn intermediate_with(openssl: &Openssl, request: &Request<'_>) -> Case {
    let root = openssl.root(&authority("root"));
    let intermediate = openssl.issue(request, &root);
    let leaf = openssl.issue(&leaf(), &intermediate);
    Case::new(&leaf, &[&intermediate], &root)
}

#[test]
fn chains_with_and_without_intermediate_are_accepted() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let one = openssl.issue(&authority("one"), &root);
    let two = openssl.issue(&authority("two"), &one);
    let (short, long) = (openssl.issue(&leaf(), &root), openssl.issue(&leaf(), &two));
    for case in [
        Case::new(&short, &[], &root),
        Case::new(&short, &[&root], &root),
        Case::new(&long, &[&one, &two], &root),
        Case::new(&long, &[&root, &two, &one], &root),
        Case::new(&long, &[&two], &one),
        Case::new(&long, &[], &two),
    ] {
        let verified = case.verdict().unwrap();
        let Signer::Certificate { subject, anchor, key, fingerprint, valid_at, time_source } =
            verified.signer()
        else {
            panic!()
        };
        assert_eq!((subject.as_str(), anchor.clone()), ("CN=leaf", case.anchors[0].subject()));
        let leaf = Certificate::from_der(&case.chain[0]).unwrap();
        assert_eq!((key, *fingerprint), (leaf.public_key(), leaf.fingerprint()));
        assert_eq!((*valid_at, *time_source), (time(NOW), TimeSource::Clock));
        assert!(matches!(verified.form(), Form::Dsse(_)));
    }
}

#[test]
fn a_certificates_signature_can_be_logged() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let leaf = openssl.issue(&leaf(), &root);
    let case = Case::new(&leaf, &[], &root);
    let mut world = World::new();
    let policy = Policy { log: LogRequirement::Required { witnesses: None }, ..case.policy() };
    let mut verdict = |verifier: Verifier| {
        let rekord =
            HashedRekord::for_envelope(&case.envelope, leaf.certificate.public_key().scheme(), verifier);
        let bundle = Bundle { log_entries: vec![world.logged(&rekord)], ..case.bundle() };
        world.verdict_with(&bundle, &policy)
    };
    assert!(verdict(Verifier::Certificate(leaf.der())).is_ok());
    // The entry must name the certificate that signed, and neither another nor its bare key (attack C15).
    for other in [
        Verifier::Certificate(root.der()),
        Verifier::Certificate(openssl.issue_for(&crate::openssl::leaf(), same_key(&leaf), Some(&root)).der()),
        Verifier::from(leaf.certificate.public_key()),
    ] {
        assert_refused!(verdict(other), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    }
    let unlogged = world.verdict_with(&case.bundle(), &policy);
    assert_refused!(unlogged, "T05-log-entry-missing", Rejection::LogEntryMissing);
}

/// Another copy of an issued certificate's key.
fn same_key(issued: &Issued) -> SecretKey {
    let pem = issued.key.to_pkcs8_pem(None).unwrap();
    let Ok(KeyFile::Plain(key)) = KeyFile::parse(pem.as_bytes()) else { panic!() };
    key
}

#[test]
fn c01_a_leaf_must_be_valid_at_the_time_that_counts() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    for validity in [LAST_YEAR, NEXT_YEAR] {
        let leaf = openssl.issue(&Request { validity, ..leaf() }, &root);
        let case = Case::new(&leaf, &[], &root);
        let (subject, problem) = case.problem();
        assert!(matches!(problem, CertificateProblem::Time { at, .. } if at == time(NOW)));
        assert_eq!(subject, "CN=leaf");
        assert_refused!(case.verdict(), "C01-certificate-time", Rejection::Certificate { .. });
    }
    let leaf = openssl.issue(&leaf(), &root);
    let case = Case::new(&leaf, &[], &root);
    // Both ends are inclusive.
    for (now, good) in [
        ("2025-12-31T23:59:59Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2026-12-31T23:59:59Z", true),
        ("2027-01-01T00:00:00Z", false),
    ] {
        assert_eq!(case.authenticate(now).is_ok(), good, "{now}");
    }
    let rejection = case.authenticate("2027-01-01T00:00:00Z").map(drop).unwrap_err();
    assert_eq!(rejection.fault(), Fault::Stale);
}

#[test]
fn c01_the_callers_time_counts_where_it_is_given() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let expired = openssl.issue(&Request { validity: LAST_YEAR, ..leaf() }, &root);
    let then = Case { signed_at: Some("2025-06-01T00:00:00Z"), ..Case::new(&expired, &[], &root) };
    let verified = then.verdict().unwrap();
    assert!(matches!(
        verified.signer(),
        Signer::Certificate { valid_at, time_source: TimeSource::Caller, .. } if *valid_at == time("2025-06-01T00:00:00Z")
    ));
    // Valid now, and not when the caller says that it was used.
    let current = openssl.issue(&leaf(), &root);
    let before = Case { signed_at: Some("2025-06-01T00:00:00Z"), ..Case::new(&current, &[], &root) };
    assert!(matches!(before.problem().1, CertificateProblem::Time { .. }));
}

#[test]
fn c02_a_chain_to_an_unknown_root_is_refused() {
    let Some(openssl) = Openssl::start() else { return };
    let (root, other) = (openssl.root(&authority("root")), openssl.root(&authority("other")));
    let intermediate = openssl.issue(&authority("intermediate"), &root);
    let leaf = openssl.issue(&leaf(), &intermediate);
    // Carrying the root along does not make it trusted; and no anchor trusts nobody.
    for case in [
        Case::new(&leaf, &[&intermediate, &root], &other),
        Case::new(&leaf, &[&intermediate], &other),
        Case::new(&leaf, &[], &root),
        Case { anchors: vec![], ..Case::new(&leaf, &[&intermediate, &root], &root) },
    ] {
        assert_eq!(case.problem(), ("CN=leaf".to_owned(), CertificateProblem::NoChain));
        assert_refused!(case.verdict(), "C02-no-chain", Rejection::Certificate { .. });
    }
    let empty = Case { chain: vec![], ..Case::new(&leaf, &[], &root) };
    assert_refused!(empty.verdict(), "C02-no-chain", Rejection::Certificate { .. });
    let rejection = empty.verdict().map(drop).unwrap_err();
    assert_eq!(rejection.fault(), Fault::Policy);
}

#[test]
fn c03_every_certificate_of_the_path_must_be_valid() {
    let Some(openssl) = Openssl::start() else { return };
    for validity in [LAST_YEAR, NEXT_YEAR] {
        let case = intermediate_with(&openssl, &Request { validity, ..authority("intermediate") });
        let (subject, problem) = case.problem();
        assert!(matches!(problem, CertificateProblem::Time { .. }), "{problem:?}");
        assert_eq!(subject, "CN=intermediate");
        let root = openssl.root(&Request { validity, ..authority("root") });
        let leaf = openssl.issue(&leaf(), &root);
        let (subject, problem) = Case::new(&leaf, &[], &root).problem();
        assert!(matches!(problem, CertificateProblem::Time { .. }), "{problem:?}");
        assert_eq!(subject, "CN=root");
    }
}

#[test]
fn c03_another_valid_path_is_found() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let old = openssl.issue(&Request { validity: LAST_YEAR, ..authority("intermediate") }, &root);
    let renewed = openssl.issue_for(&authority("intermediate"), same_key(&old), Some(&root));
    let leaf = openssl.issue(&leaf(), &old);
    for others in [[&old, &renewed], [&renewed, &old]] {
        assert!(Case::new(&leaf, &others, &root).verdict().is_ok());
    }
    assert!(matches!(Case::new(&leaf, &[&old], &root).problem().1, CertificateProblem::Time { .. }));
}

#[test]
fn c05_a_leaf_must_be_for_signing_code() {
    let Some(openssl) = Openssl::start() else { return };
    for extensions in [
        "keyUsage=critical,digitalSignature",
        "keyUsage=critical,digitalSignature|extendedKeyUsage=anyExtendedKeyUsage",
        "keyUsage=critical,digitalSignature|extendedKeyUsage=serverAuth",
        "keyUsage=critical,digitalSignature|extendedKeyUsage=critical,timeStamping",
        "keyUsage=critical,digitalSignature|extendedKeyUsage=clientAuth,emailProtection",
        "keyUsage=critical,keyAgreement|extendedKeyUsage=codeSigning",
        "keyUsage=critical,nonRepudiation|extendedKeyUsage=codeSigning",
    ] {
        let case = leaf_with(&openssl, extensions);
        assert!(matches!(case.problem().1, CertificateProblem::Usage(_)), "{extensions}");
        assert_refused!(case.verdict(), "C05-certificate-usage", Rejection::Certificate { .. });
    }
    for extensions in [LEAF, "extendedKeyUsage=codeSigning", "extendedKeyUsage=serverAuth,codeSigning"] {
        assert!(leaf_with(&openssl, extensions).verdict().is_ok(), "{extensions}");
    }
}

#[test]
fn c05_an_authority_for_something_else_issues_no_signer() {
    let Some(openssl) = Openssl::start() else { return };
    for (usage, good) in [
        ("extendedKeyUsage=serverAuth", false),
        ("extendedKeyUsage=timeStamping,clientAuth", false),
        ("extendedKeyUsage=codeSigning", true),
        ("extendedKeyUsage=anyExtendedKeyUsage", true),
    ] {
        let extensions = format!("{AUTHORITY}|{usage}");
        let request = Request { extensions: &extensions, ..authority("intermediate") };
        let case = intermediate_with(&openssl, &request);
        assert_eq!(case.verdict().is_ok(), good, "{usage}");
        if !good {
            assert_eq!(case.problem().1, CertificateProblem::NoChain);
        }
    }
}

#[test]
fn c06_an_authority_does_not_sign_models() {
    let Some(openssl) = Openssl::start() else { return };
    for extensions in [
        "basicConstraints=critical,CA:TRUE|keyUsage=critical,digitalSignature,keyCertSign|extendedKeyUsage=codeSigning",
        "basicConstraints=CA:TRUE|extendedKeyUsage=codeSigning",
    ] {
        let case = leaf_with(&openssl, extensions);
        assert!(matches!(case.problem().1, CertificateProblem::LeafIsAuthority(_)), "{extensions}");
        assert_refused!(case.verdict(), "C06-leaf-is-authority", Rejection::Certificate { .. });
    }
    // As the certificate of model_signing's own tests: CA by name, without the right to issue.
    let harmless =
        "basicConstraints=critical,CA:TRUE|keyUsage=critical,digitalSignature|extendedKeyUsage=codeSigning";
    assert!(leaf_with(&openssl, harmless).verdict().is_ok());
}

#[test]
fn c06_only_authorities_issue() {
    let Some(openssl) = Openssl::start() else { return };
    for extensions in [
        LEAF,
        "keyUsage=critical,keyCertSign",
        "basicConstraints=critical,CA:FALSE|keyUsage=critical,keyCertSign",
        "basicConstraints=critical,CA:TRUE|keyUsage=critical,digitalSignature",
        "basicConstraints=critical,CA:TRUE|keyUsage=critical,cRLSign",
    ] {
        let request = Request { extensions, ..authority("intermediate") };
        let case = intermediate_with(&openssl, &request);
        assert_eq!(case.problem(), ("CN=leaf".to_owned(), CertificateProblem::NoChain), "{extensions}");
        // Nor does being trusted make one of them an authority.
        let root = openssl.root(&Request { extensions, ..authority("root") });
        let leaf = openssl.issue(&leaf(), &root);
        assert_eq!(Case::new(&leaf, &[], &root).problem().1, CertificateProblem::NoChain, "{extensions}");
    }
}

#[test]
fn c06_path_lengths_are_kept() {
    let Some(openssl) = Openssl::start() else { return };
    let limited = |limit: u8| AUTHORITY.replace("CA:TRUE", &format!("CA:TRUE,pathlen:{limit}"));
    for (limit, intermediates, good) in
        [(0, 0, true), (0, 1, false), (1, 1, true), (1, 2, false), (2, 2, true)]
    {
        let extensions = limited(limit);
        let root = openssl.root(&Request { extensions: &extensions, ..authority("root") });
        let mut path = vec![];
        for index in 0..intermediates {
            let issuer = path.last().unwrap_or(&root);
            path.push(openssl.issue(&authority(&format!("intermediate {index}")), issuer));
        }
        let leaf = openssl.issue(&leaf(), path.last().unwrap_or(&root));
        let case = Case::new(&leaf, &path.iter().collect::<Vec<_>>(), &root);
        assert_eq!(case.verdict().is_ok(), good, "{limit} {intermediates}");
        if !good {
            assert_eq!(case.problem().1, CertificateProblem::NoChain);
        }
    }
}

#[test]
fn c08_critical_extensions_that_are_not_understood_are_refused() {
    let Some(openssl) = Openssl::start() else { return };
    for (extension, oid) in [
        ("1.2.3.4=critical,ASN1:NULL", "1.2.3.4"),
        ("nameConstraints=critical,permitted;DNS:example.com", "2.5.29.30"),
        ("certificatePolicies=critical,1.2.3.4", "2.5.29.32"),
        ("policyConstraints=critical,requireExplicitPolicy:0", "2.5.29.36"),
    ] {
        let expected = CertificateProblem::CriticalExtension(oid.to_owned());
        let case = leaf_with(&openssl, &format!("{LEAF}|{extension}"));
        assert_eq!(case.problem(), ("CN=leaf".to_owned(), expected.clone()));
        assert_refused!(case.verdict(), "C08-critical-extension", Rejection::Certificate { .. });
        let extensions = format!("{AUTHORITY}|{extension}");
        let request = Request { extensions: &extensions, ..authority("intermediate") };
        let case = intermediate_with(&openssl, &request);
        assert_eq!(case.problem(), ("CN=intermediate".to_owned(), expected.clone()));
        let root = openssl.root(&Request { extensions: &extensions, ..authority("root") });
        let issued = openssl.issue(&leaf(), &root);
        assert_eq!(Case::new(&issued, &[], &root).problem(), ("CN=root".to_owned(), expected));
    }
    assert!(leaf_with(&openssl, &format!("{LEAF}|1.2.3.4=ASN1:NULL")).verdict().is_ok());
}

#[test]
fn c09_a_maze_of_authorities_is_answered_at_once() {
    let Some(openssl) = Openssl::start() else { return };
    // Thirty-one certificates of one name and one key: each could have issued each, and itself.
    let maze = openssl.root(&authority("maze"));
    let mut certificates = vec![];
    while certificates.len() < 31 {
        certificates.push(openssl.issue_for(&authority("maze"), same_key(&maze), Some(&maze)));
    }
    let leaf = openssl.issue(&leaf(), &maze);
    let anchor = openssl.root(&authority("root"));
    let case = Case::new(&leaf, &certificates.iter().collect::<Vec<_>>(), &anchor);
    assert_eq!(case.chain.len(), 32);
    let start = Instant::now();
    assert_eq!(case.problem().1, CertificateProblem::NoChain);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // An honest way out is found where it is looked for first.
    let honest = Case { anchors: vec![maze.certificate.clone()], ..case };
    assert!(honest.verdict().is_ok());
}

#[test]
fn c09_paths_end() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let mut path = vec![];
    for index in 0..8 {
        let issuer = path.last().unwrap_or(&root);
        path.push(openssl.issue(&authority(&format!("intermediate {index}")), issuer));
    }
    // The anchor counts among the eight authorities of a path.
    for (length, good) in [(7, true), (8, false)] {
        let leaf = openssl.issue(&leaf(), &path[length - 1]);
        let case = Case::new(&leaf, &path[..length].iter().collect::<Vec<_>>(), &root);
        assert_eq!(case.verdict().is_ok(), good, "{length}");
    }
}

#[test]
fn c10_keys_decide_between_authorities_of_one_name() {
    let Some(openssl) = Openssl::start() else { return };
    let (one, two) = (openssl.root(&authority("root")), openssl.root(&authority("root")));
    let leaf = openssl.issue(&leaf(), &two);
    assert_eq!(Case::new(&leaf, &[], &one).problem().1, CertificateProblem::NoChain);
    assert_eq!(Case::new(&leaf, &[&two], &one).problem().1, CertificateProblem::NoChain);
    for anchors in [[&one, &two], [&two, &one]] {
        let anchors = anchors.map(|root| root.certificate.clone()).to_vec();
        assert!(Case { anchors, ..Case::new(&leaf, &[], &two) }.verdict().is_ok());
    }
    // A liar of the same name in the bundle does not hide the right one.
    let intermediate = openssl.issue(&authority("intermediate"), &one);
    let liar = openssl.root(&authority("intermediate"));
    let leaf = openssl.issue(&crate::openssl::leaf(), &intermediate);
    for others in [[&liar, &intermediate], [&intermediate, &liar]] {
        assert!(Case::new(&leaf, &others, &one).verdict().is_ok());
    }
}

#[test]
fn c10_names_must_chain_as_well() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let leaf = openssl.issue(&leaf(), &root);
    // The same authority's key, certified under another name, and under the same name in another letter case.
    for name in ["renamed", "Root", "root "] {
        let renamed = openssl.issue_for(&authority(name), same_key(&root), None);
        assert_eq!(Case::new(&leaf, &[], &renamed).problem().1, CertificateProblem::NoChain, "{name}");
    }
    let renewed = openssl.issue_for(&authority("root"), same_key(&root), None);
    assert!(Case::new(&leaf, &[], &renewed).verdict().is_ok());
}

#[test]
fn c12_another_key_than_the_leafs_is_refused() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let (leaf, twin) = (openssl.issue(&leaf(), &root), openssl.issue(&leaf(), &root));
    let intermediate = openssl.issue(&authority("intermediate"), &root);
    for other in [&twin.key, &root.key, &intermediate.key] {
        let case = Case { envelope: sign(other), ..Case::new(&leaf, &[&twin, &intermediate], &root) };
        assert_refused!(case.verdict(), "D01-signature-invalid", Rejection::SignatureInvalid);
    }
    // Only the first certificate is the signer's (attack I08).
    let mut reordered = Case::new(&leaf, &[&twin], &root);
    reordered.chain.swap(0, 1);
    assert_refused!(reordered.verdict(), "D01-signature-invalid", Rejection::SignatureInvalid);
}

#[test]
fn c16_what_is_not_strict_der_is_refused() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let leaf = openssl.issue(&leaf(), &root);
    let good = Case::new(&leaf, &[&root], &root);
    let der = leaf.der();
    let trailing = [der.as_slice(), &[0]].concat();
    let deep = [0x30, 0x80].repeat(1_000);
    for bad in [
        vec![],
        vec![0x30],
        vec![0x30, 0x80, 0, 0],
        der[..der.len() - 1].to_vec(),
        trailing,
        deep,
        vec![0; 70_000],
    ] {
        let case = Case { chain: vec![bad.clone(), root.der()], ..Case::new(&leaf, &[], &root) };
        assert!(matches!(case.problem().1, CertificateProblem::Malformed(_)));
        assert_refused!(case.verdict(), "C16-certificate-malformed", Rejection::Certificate { .. });
        let rejection = case.verdict().map(drop).unwrap_err();
        assert_eq!(rejection.fault(), Fault::Malformed);
        // Behind the leaf it proposes no path, and none that is there is lost by it.
        let chain = vec![der.clone(), bad, root.der()];
        assert!(Case { chain, ..Case::new(&leaf, &[], &root) }.verdict().is_ok());
    }
    // One flipped bit anywhere in the leaf: malformed, another certificate, or another key, and never accepted.
    for at in 0..der.len() {
        let mut flipped = der.clone();
        flipped[at] ^= 1;
        let chain = vec![flipped, root.der()];
        let case = Case { chain, envelope: good.envelope.clone(), ..Case::new(&leaf, &[], &root) };
        assert!(case.verdict().is_err(), "{at}");
    }
    assert!(good.verdict().is_ok());
}

#[test]
fn c17_a_leaf_is_not_its_own_authority() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let issued = openssl.issue(&leaf(), &root);
    let itself = openssl.root(&leaf());
    // Given as the anchor, issued by another or by itself.
    for leaf in [&issued, &itself] {
        let case = Case::new(leaf, &[], leaf);
        assert!(matches!(case.problem().1, CertificateProblem::LeafIsAuthority(_)));
        assert_refused!(case.verdict(), "C06-leaf-is-authority", Rejection::Certificate { .. });
    }
    // Self-signed under the anchor's name.
    let pretender = openssl.root(&Request { subject: "root", ..leaf() });
    assert_eq!(Case::new(&pretender, &[], &root).problem().1, CertificateProblem::NoChain);
    assert_eq!(Case::new(&pretender, &[&pretender], &root).problem().1, CertificateProblem::NoChain);
    // As an anchor beside the real one it is still no authority over itself.
    let both = vec![root.certificate.clone(), issued.certificate.clone()];
    let case = Case { anchors: both, ..Case::new(&issued, &[], &root) };
    assert!(matches!(case.problem().1, CertificateProblem::LeafIsAuthority(_)));
}

/// A leaf with a P-384 key, and what signs any message with it over SHA-256.
fn p384_leaf(openssl: &Openssl) -> (Issued, Issued, impl Fn(&[u8]) -> Vec<u8>) {
    let root = openssl.root(&authority("root"));
    let request = Request { validity: THIS_YEAR, ..leaf() };
    let leaf = openssl.issue_for(&request, SecretKey::generate(KeyKind::P384).unwrap(), Some(&root));
    let pem = leaf.key.to_pkcs8_pem(None).unwrap();
    let key = p384::ecdsa::SigningKey::from_pkcs8_pem(&pem).unwrap();
    let sign = move |message: &[u8]| {
        let signature: p384::ecdsa::DerSignature =
            key.sign_prehash(&HashAlgorithm::Sha256.digest(message)).unwrap();
        signature.as_bytes().to_vec()
    };
    (root, leaf, sign)
}

#[test]
fn signatures_of_model_signing_0_2_are_accepted_from_certificates() {
    let Some(openssl) = Openssl::start() else { return };
    let (root, leaf, sign) = p384_leaf(&openssl);
    let payload = crate::legacy::payload();
    let signature = sign(crate::legacy::message(&payload).as_bytes());
    let envelope = Envelope::in_toto(payload.into_bytes(), signature);
    let case = Case { envelope, ..Case::new(&leaf, &[], &root) };
    let verified = case.verdict().unwrap();
    assert_eq!(verified.form(), Form::ModelSigningV0);
    // That release logged nothing, so an entry of its signature is never honest.
    let mut world = World::new();
    let verifier = Verifier::Certificate(leaf.der());
    let scheme = leaf.certificate.public_key().scheme();
    let entry = world.logged(&HashedRekord::for_envelope(&case.envelope, scheme, verifier));
    let logged = Bundle { log_entries: vec![entry], ..case.bundle() };
    for log in [LogRequirement::Waived, LogRequirement::Required { witnesses: None }] {
        let found = world.verdict_with(&logged, &Policy { log, ..case.policy() });
        assert_refused!(found, "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    }
}

#[test]
fn g06_the_old_encoding_is_for_the_old_statement_only() {
    let Some(openssl) = Openssl::start() else { return };
    let (root, leaf, sign) = p384_leaf(&openssl);
    let old = crate::legacy::payload();
    let new = String::from_utf8(World::new().payload()).unwrap();
    let standard = |payload: &str| Envelope::in_toto(payload.as_bytes().to_vec(), vec![]).pae();
    let message = crate::legacy::message(&old);
    for (what, payload, signed) in [
        ("the new statement in the old encoding", &new, crate::legacy::message(&new).into_bytes()),
        ("the new statement over SHA-256", &new, standard(&new)),
        ("the old statement over SHA-256", &old, standard(&old)),
        ("the old encoding of another statement", &old, crate::legacy::message(&new).into_bytes()),
        ("the old encoding with the new prefix", &old, message.replace("DSSEV1", "DSSEv1").into_bytes()),
        ("the old encoding with the length of its text", &old, {
            let printed = message.split_once(" b'").unwrap().1.len() + 2;
            message.replace(&format!(" {} b'", old.len()), &format!(" {printed} b'")).into_bytes()
        }),
    ] {
        let envelope = Envelope::in_toto(payload.clone().into_bytes(), sign(&signed));
        let found = Case { envelope, ..Case::new(&leaf, &[], &root) }.verdict();
        assert!(found.is_err(), "{what}");
        assert_refused!(found, "D01-signature-invalid", Rejection::SignatureInvalid);
    }
    // The old statement, signed as DSSE says.
    let unsigned = Envelope::in_toto(old.into_bytes(), vec![]);
    let envelope = Envelope { signature: leaf.key.sign(&unsigned.pae()).unwrap(), ..unsigned };
    let verified = Case { envelope, ..Case::new(&leaf, &[], &root) }.verdict().unwrap();
    assert!(matches!(verified.form(), Form::Dsse(_)));
}

#[test]
fn a_long_lived_leaf_is_the_authoritys_business() {
    let Some(openssl) = Openssl::start() else { return };
    let root = openssl.root(&authority("root"));
    let leaf = openssl.issue(&Request { validity: DECADES, ..leaf() }, &root);
    assert!(Case::new(&leaf, &[], &root).verdict().is_ok());
}
