//! A signer, a log in memory and a verifier who trusts both; and bundles that it accepts, ready to be broken.

use jiff::Timestamp;
use serde_json::Value;

use sealwax_attestation::{
    Bundle, Content, EntryFormat, Envelope, HashedRekord, InclusionProof, LogInstance, Statement,
    TransparencyLogEntry, TrustedRoot, VerificationMaterial, Verifier,
};
use sealwax_keys::{HashAlgorithm, KeyKind, SecretKey};
use sealwax_model::{Hashed, Manifest, Method, Resource, ResourceName, Reused, Serialization};
use sealwax_tlog::proof::{HashReader, Node, prove_inclusion};
use sealwax_tlog::{Checkpoint, Error, Hash, RightEdge, SignedNote};
use sealwax_verify::{Authentic, LogRequirement, Policy, Rejection, Signers, TrustedKey, authenticate};

/// The envelope of a bundle about a model.
pub(crate) fn envelope(bundle: &Bundle) -> &Envelope {
    bundle.envelope().unwrap()
}

/// The same, to be broken.
pub(crate) fn envelope_mut(bundle: &mut Bundle) -> &mut Envelope {
    match &mut bundle.content {
        Content::Envelope(envelope) => envelope,
        Content::Message(_) => panic!("a message"),
    }
}

/// The verifier's clock.
pub(crate) const NOW: &str = "2026-11-01T12:00:00Z";

/// The model's files, each with its content.
pub(crate) const FILES: [(&str, &str); 3] =
    [("config.json", "{}"), ("weights/a.bin", "weights"), ("weights/b.bin", "more weights")];

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The manifest of files with these contents.
pub(crate) fn manifest(files: &[(&str, &str)]) -> Manifest {
    let resource = |(name, content): &(&str, &str)| Resource {
        name: ResourceName::parse(name, Method::Files).unwrap(),
        digest: HashAlgorithm::Sha256.digest(content.as_bytes()),
    };
    Manifest::new(Serialization::default(), files.iter().map(resource).collect()).unwrap()
}

/// What hashing a directory with these files gives.
pub(crate) fn hashed(files: &[(&str, &str)]) -> Hashed {
    let count = |number: usize| u64::try_from(number).unwrap();
    let bytes = files.iter().map(|(_, content)| count(content.len())).sum();
    Hashed {
        manifest: manifest(files),
        ignored: Vec::new(),
        unexpected: Vec::new(),
        bytes,
        files: count(files.len()),
        reused: Reused::default(),
        known: None,
    }
}

/// A log in memory, with its key.
pub(crate) struct Log {
    pub(crate) key: SecretKey,
    pub(crate) origin: String,
    bodies: Vec<Vec<u8>>,
}

impl Log {
    /// Starts a log with three entries of others.
    pub(crate) fn new(origin: &str) -> Self {
        let bodies = (0..3).map(|index| format!("entry {index} of another").into_bytes()).collect();
        Self { key: SecretKey::generate(KeyKind::Ed25519).unwrap(), origin: origin.to_owned(), bodies }
    }

    /// Appends an entry's canonical body and returns its index.
    pub(crate) fn append(&mut self, body: Vec<u8>) -> u64 {
        self.bodies.push(body);
        self.size() - 1
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.bodies.len()).unwrap()
    }

    pub(crate) fn root(&self) -> Hash {
        tree(&self.bodies).root()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.origin.clone(),
            size: self.size(),
            root: self.root(),
            extensions: Vec::new(),
        }
    }

    pub(crate) fn signed(&self) -> SignedNote {
        self.checkpoint().sign(&self.key).unwrap()
    }

    /// Answers for one entry as it stands in the whole log.
    pub(crate) fn entry(&self, index: u64) -> TransparencyLogEntry {
        let proof = prove_inclusion(self, index, self.size()).unwrap();
        TransparencyLogEntry {
            format: EntryFormat::HashedRekord002,
            log_index: index,
            log_id: self.instance().log_id,
            promise: None,
            inclusion_proof: InclusionProof {
                log_index: index,
                root_hash: *self.root().as_bytes(),
                tree_size: self.size(),
                hashes: proof.iter().map(|hash| *hash.as_bytes()).collect(),
                checkpoint: String::from_utf8(self.signed().to_bytes()).unwrap(),
            },
            canonicalized_body: self.bodies[usize::try_from(index).unwrap()].clone(),
        }
    }

    pub(crate) fn instance(&self) -> LogInstance {
        let key = self.key.public_key().clone();
        LogInstance::new(self.origin.clone(), key, time("2026-01-01T00:00:00Z")).unwrap()
    }

    pub(crate) fn trusted_root(&self) -> TrustedRoot {
        TrustedRoot { logs: vec![self.instance()], ..TrustedRoot::default() }
    }
}

impl HashReader for Log {
    type Error = Error;

    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, Error> {
        let leaves = |node: &Node| {
            let (start, end) = (node.index << node.level, (node.index + 1) << node.level);
            usize::try_from(start).unwrap()..usize::try_from(end).unwrap()
        };
        Ok(wanted.iter().map(|node| tree(&self.bodies[leaves(node)]).root()).collect())
    }
}

fn tree(bodies: &[Vec<u8>]) -> RightEdge {
    let mut edge = RightEdge::empty();
    for body in bodies {
        edge.append(Hash::leaf(body)).unwrap();
    }
    edge
}

/// The signer, the log and the verifier's trust.
pub(crate) struct World {
    pub(crate) key: SecretKey,
    pub(crate) log: Log,
    pub(crate) root: TrustedRoot,
    pub(crate) policy: Policy,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_key(KeyKind::P256)
    }

    pub(crate) fn with_key(kind: KeyKind) -> Self {
        let (key, log) = (SecretKey::generate(kind).unwrap(), Log::new("log.example"));
        let trusted = TrustedKey { name: "release key".to_owned(), key: key.public_key().clone() };
        let policy = Policy {
            signers: Signers::Keys(vec![trusted]),
            log: LogRequirement::Required { witnesses: None },
            ignored: Vec::new(),
        };
        Self { root: log.trusted_root(), key, log, policy }
    }

    /// The same verifier, asking for no log.
    pub(crate) fn waived(mut self) -> Self {
        self.policy.log = LogRequirement::Waived;
        self
    }

    /// The payload that says that the model is [`FILES`].
    pub(crate) fn payload(&self) -> Vec<u8> {
        Statement::new("my-model".to_owned(), manifest(&FILES)).to_payload().unwrap()
    }

    /// Signs a payload as it should be signed.
    pub(crate) fn sign(&self, payload: &[u8]) -> Envelope {
        let unsigned = Envelope::in_toto(payload.to_vec(), Vec::new());
        Envelope { signature: self.key.sign(&unsigned.pae()).unwrap(), ..unsigned }
    }

    /// Signs the good statement after a change to its JSON.
    pub(crate) fn sign_changed(&self, change: impl FnOnce(&mut Value)) -> Envelope {
        let mut statement = serde_json::from_slice(&self.payload()).unwrap();
        change(&mut statement);
        self.sign(statement.to_string().as_bytes())
    }

    /// The entry that an envelope should have.
    pub(crate) fn rekord(&self, envelope: &Envelope) -> HashedRekord {
        let key = self.key.public_key();
        HashedRekord::for_envelope(envelope, key.scheme(), Verifier::from(key))
    }

    /// Logs an entry and gives the log's answer for it, with one more entry after it.
    pub(crate) fn logged(&mut self, rekord: &HashedRekord) -> TransparencyLogEntry {
        let index = self.log.append(rekord.to_body().unwrap());
        self.log.append(b"a later entry of another".to_vec());
        self.log.entry(index)
    }

    /// A bundle around an envelope, without a log entry.
    pub(crate) fn unlogged(&self, envelope: Envelope) -> Bundle {
        let material = VerificationMaterial::PublicKey { hint: self.key.public_key().oms_hint(), key: None };
        Bundle::new(material, Content::Envelope(envelope))
    }

    /// A bundle around an envelope, logged.
    pub(crate) fn bundle(&mut self, envelope: Envelope) -> Bundle {
        let entry = self.logged(&self.rekord(&envelope));
        Bundle { log_entries: vec![entry], ..self.unlogged(envelope) }
    }

    /// A bundle that this verifier accepts.
    pub(crate) fn good(&mut self) -> Bundle {
        self.bundle(self.sign(&self.payload()))
    }

    pub(crate) fn verdict(&self, bundle: &Bundle) -> Result<Authentic, Rejection> {
        self.verdict_with(bundle, &self.policy)
    }

    pub(crate) fn verdict_with(&self, bundle: &Bundle, policy: &Policy) -> Result<Authentic, Rejection> {
        authenticate(bundle, &self.root, policy.clone(), time(NOW))
    }
}
