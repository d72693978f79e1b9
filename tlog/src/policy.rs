//! Witness policies: which logs are known, and which witnesses must have cosigned a checkpoint (C2SP tlog-policy).
//!
//! ```text
//! log example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx
//! witness W1 w1.example+...
//! witness W2 w2.example+...   https://w2.example/
//! witness W3 w3.example+...
//! group   two-of-three 2 W1 W2 W3
//! quorum  two-of-three
//! ```
//!
//! Stricter than the specification in three points: the file must be UTF-8, a key cannot be both a log's and a witness's,
//! and a key of a signature type that this room does not verify is refused instead of never counting. A witness's URL is
//! handed out as it stands; nothing here ever connects to one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Checkpoint, Error, SignatureType, SignedNote, VerifierKey};

/// A parsed policy; the only way to get one is [`WitnessPolicy::parse`].
#[derive(Clone, Debug)]
pub struct WitnessPolicy {
    /// The keys of the logs, then those of the witnesses: what a note is verified with.
    keys: Vec<VerifierKey>,
    log_count: usize,
    rules: Vec<Rule>,
    /// The name of the last line, `none` or that of a rule.
    quorum: String,
}

/// A witness that a policy knows.
#[derive(Clone, Debug)]
pub struct PolicyWitness {
    /// Its name in the policy.
    pub name: String,
    /// The key of its cosignatures.
    pub key: VerifierKey,
    /// Where it can be asked, if the policy says so; any text without spaces.
    pub url: Option<String>,
}

/// A checkpoint that satisfies a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The checkpoint that was signed and cosigned.
    pub checkpoint: Checkpoint,
    /// Whether a log of the policy signed it; `false` only for a policy without any `log` line, and then the caller must
    /// have verified the log's signature.
    pub by_known_log: bool,
    /// Every witness of the policy that cosigned: its name in the policy, and its time in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

impl WitnessPolicy {
    /// Parses the text of a policy, at most 256 KiB.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] with the line and the rule that is broken; those of [`VerifierKey::parse`] for a key.
    pub fn parse(text: &str) -> Result<WitnessPolicy, Error> {
        if text.len() > MAX_POLICY {
            return Err(Error::Policy { line: 1, reason: "larger than 256 KiB" });
        }
        let mut parser = Parser::default();
        let mut count = 0usize;
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            count = count.saturating_add(1);
            parser.line(line).map_err(|fault| match fault {
                Fault::Reason(reason) => Error::Policy { line: count, reason },
                Fault::Key(error) => error,
            })?;
        }
        let missing = Error::Policy { line: count.saturating_add(1), reason: "no quorum line" };
        let quorum = parser.quorum.ok_or(missing)?;
        let log_count = parser.logs.len();
        let mut keys = parser.logs;
        keys.extend(parser.witnesses);
        Ok(WitnessPolicy { keys, log_count, rules: parser.rules, quorum })
    }

    /// Checks that a log of the policy signed the checkpoint and that the quorum of witnesses cosigned it.
    ///
    /// The log's key name must be the checkpoint's origin. Every witness counts once, by key. A signature line by any key
    /// of the policy that does not verify spoils the note, whether or not the quorum needs it.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::parse`] and [`SignedNote::verify`]; [`Error::NoKnownSignature`] where no log of the policy
    /// signed, [`Error::QuorumNotMet`] with the witnesses that did cosign.
    pub fn quorum_met(&self, note: &SignedNote) -> Result<Cosigned, Error> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let verified = match note.verify(&self.keys) {
            Err(Error::NoKnownSignature) => Vec::new(),
            other => other?,
        };
        let logs = self.logs();
        let by_known_log = verified.iter().any(|signer| {
            signer.key.signature_type() != SignatureType::CosignatureV1
                && signer.key.name() == checkpoint.origin
        });
        if !logs.is_empty() && !by_known_log {
            return Err(Error::NoKnownSignature);
        }
        let mut met: BTreeSet<&str> = BTreeSet::new();
        let mut witnesses = Vec::new();
        // A rule refers to earlier rules only, so one pass in the file's order decides them all.
        for rule in &self.rules {
            match rule {
                Rule::Witness(witness) => {
                    let PolicyWitness { name, key, .. } = witness.as_ref();
                    let cosigned = verified.iter().find(|signer| {
                        signer.key.signature_type() == SignatureType::CosignatureV1
                            && signer.key.name() == key.name()
                            && signer.key.key_id() == key.key_id()
                    });
                    if let Some(timestamp) = cosigned.and_then(|signer| signer.timestamp) {
                        met.insert(name);
                        witnesses.push((name.clone(), timestamp));
                    }
                }
                Rule::Group { name, threshold, members } => {
                    if members.iter().filter(|member| met.contains(member.as_str())).count() >= *threshold {
                        met.insert(name);
                    }
                }
            }
        }
        if self.quorum != NONE && !met.contains(self.quorum.as_str()) {
            let cosigned = witnesses.into_iter().map(|(name, _)| name).collect();
            return Err(Error::QuorumNotMet { quorum: self.quorum.clone(), cosigned });
        }
        Ok(Cosigned { checkpoint, by_known_log, witnesses })
    }

    /// Returns the keys of the policy's logs; the name of each is its log's origin.
    pub fn logs(&self) -> &[VerifierKey] {
        self.keys.get(..self.log_count).unwrap_or_default()
    }

    /// Returns the policy's witnesses, in its order.
    pub fn witnesses(&self) -> impl Iterator<Item = &PolicyWitness> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Witness(witness) => Some(witness.as_ref()),
            Rule::Group { .. } => None,
        })
    }
}

/// What one name of the policy stands for.
#[derive(Clone, Debug)]
enum Rule {
    Witness(Box<PolicyWitness>),
    Group { name: String, threshold: usize, members: Vec<String> },
}

#[derive(Default)]
struct Parser {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    rules: Vec<Rule>,
    /// Every witness and group name, and whether it is a member of a group already.
    names: BTreeMap<String, bool>,
    quorum: Option<String>,
}

enum Fault {
    Reason(&'static str),
    Key(Error),
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        let fault = |reason| Err(Fault::Reason(reason));
        if line.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return fault("a control character other than tab and line end");
        }
        let items: Vec<&str> = line.split([' ', '\t']).filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.set_quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => {
                fault("too few or too many words for this kind of line")
            }
            _ => fault("not a log, witness, group or quorum line"),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), Fault> {
        let key = self.new_key(key)?;
        if key.signature_type() == SignatureType::CosignatureV1 {
            return Err(Fault::Reason("a cosigner's key cannot be a log's key"));
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), Fault> {
        let key = self.new_key(key)?;
        if key.signature_type() != SignatureType::CosignatureV1 {
            return Err(Fault::Reason("a witness's key is a cosignature key"));
        }
        self.define(name)?;
        self.witnesses.push(key.clone());
        let url = url.map(str::to_owned);
        self.rules.push(Rule::Witness(Box::new(PolicyWitness { name: name.to_owned(), key, url })));
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), Fault> {
        for member in members {
            match self.names.get_mut(*member) {
                None => return Err(Fault::Reason("a member that no earlier line defines")),
                Some(taken) if *taken => return Err(Fault::Reason("a name is a member at most once")),
                Some(taken) => *taken = true,
            }
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            digits => digits
                .parse()
                .ok()
                .filter(|k: &usize| k.to_string() == digits)
                .ok_or(Fault::Reason("the threshold is not all, any or a decimal number"))?,
        };
        if threshold < 1 || threshold > members.len() {
            return Err(Fault::Reason("the threshold is not between 1 and the number of members"));
        }
        self.define(name)?;
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.rules.push(Rule::Group { name: name.to_owned(), threshold, members });
        Ok(())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), Fault> {
        if self.quorum.is_some() {
            return Err(Fault::Reason("a second quorum line"));
        }
        if name != NONE && !self.names.contains_key(name) {
            return Err(Fault::Reason("a quorum that no earlier line defines"));
        }
        self.quorum = Some(name.to_owned());
        Ok(())
    }

    fn define(&mut self, name: &str) -> Result<(), Fault> {
        if name == NONE {
            return Err(Fault::Reason("the name none is taken"));
        }
        if self.names.insert(name.to_owned(), false).is_some() {
            return Err(Fault::Reason("a name that an earlier line defines"));
        }
        Ok(())
    }

    /// Parses a key that no earlier line has: under another name, one key could count twice.
    fn new_key(&self, text: &str) -> Result<VerifierKey, Fault> {
        let key = VerifierKey::parse(text).map_err(Fault::Key)?;
        let same = |other: &VerifierKey| other.public_key().spki_der() == key.public_key().spki_der();
        if self.logs.iter().chain(&self.witnesses).any(same) {
            return Err(Fault::Reason("a key that an earlier line has"));
        }
        Ok(key)
    }
}

/// The quorum of a policy that asks for no cosignature.
const NONE: &str = "none";
const MAX_POLICY: usize = 256 * 1024;

#[cfg(test)]
mod tests;
