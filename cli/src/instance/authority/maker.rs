//! Making the keys of an authority, and what is public of them.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use sealwax_attestation::{AuthorityInstance, CtLogInstance, TrustedRoot};
use sealwax_authority::{CertifiedKey, Name, Role, Validity};
use sealwax_keys::{Certificate, KeyKind, PublicKey, SecretKey};

use crate::error::Error;
use crate::files;
use crate::instance::ledger::Ledger;
use crate::instance::making;
use crate::key_files;
use crate::world::World;

use super::{
    AUTHORITY, CA_CHAIN, CA_KEY, CT, CT_KEY, CT_LOG_KEY, CT_PUBLIC_KEY, CT_VERIFIER_KEY, ISSUER_KEY,
    ISSUER_PUBLIC_KEY, LEDGER, MARKER, ROOT_KEY, TSA_CHAIN, TSA_KEY, private_directory, whole_seconds,
};

/// Fills the `keys/` that is there, `authority/` and `ct/` of a directory, and gives what a trusted root says of them.
///
/// `ca_key` is the URI of the key that certifies identities, where it is in a token; it must be none of those that are taken.
pub(in crate::instance) fn build(
    dir: &Path,
    origin: &str,
    ca_key: Option<&Path>,
    taken: &[PublicKey],
    passphrase: Option<&str>,
    world: &World,
) -> Result<TrustedRoot, Error> {
    private_directory(&dir.join(AUTHORITY))?;
    let maker = Maker { dir, origin, passphrase, in_token: None, taken, world };
    let root = maker.root()?;
    let ca_maker = Maker { in_token: ca_key, ..maker };
    let part = TrustedRoot {
        certificate_authorities: vec![ca_maker.certified(Role::Identities, &root)?],
        timestamp_authorities: vec![maker.certified(Role::Timestamps, &root)?],
        ct_logs: vec![maker.ct_key()?],
        ..TrustedRoot::default()
    };
    maker.issuer()?;
    maker.record(&format!("{CT}.{origin}"))?;
    Ledger::create(&dir.join(LEDGER))?;
    making::create_marker(&dir.join(MARKER), origin)?;
    Ok(part)
}

/// Makes keys of an authority and writes them with what is public of them.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub(super) dir: &'a Path,
    pub(super) origin: &'a str,
    pub(super) passphrase: Option<&'a str>,
    /// The URI of the one key to be made, if it is in a token.
    pub(super) in_token: Option<&'a Path>,
    /// The keys that have a use here already.
    pub(super) taken: &'a [PublicKey],
    pub(super) world: &'a World,
}

impl Maker<'_> {
    pub(super) fn root(&self) -> Result<CertifiedKey, Error> {
        let key = self.new_key(ROOT_KEY, KeyKind::P384)?;
        let name = format!("root {}", short(key.public_key()));
        CertifiedKey::new_root(key, self.name(&name), self.validity(ROOT_YEARS)?)
            .map_err(self.failed(ROOT_KEY))
    }

    /// Makes a key that the root certifies for a role.
    pub(super) fn certified(&self, role: Role, root: &CertifiedKey) -> Result<AuthorityInstance, Error> {
        let (key_path, chain_path, what, route) = match role {
            Role::Identities => (CA_KEY, CA_CHAIN, "identities", ""),
            Role::Timestamps => (TSA_KEY, TSA_CHAIN, "time stamps", "/api/v1/timestamp"),
        };
        let key = self.new_key(key_path, KeyKind::P256)?;
        let failed = || self.failed(chain_path);
        let name = format!("{what} {}", short(key.public_key()));
        let end = root.chain().first().map_or(0, Certificate::not_after);
        let mut validity = self.validity(YEARS)?;
        validity.not_after = validity.not_after.min(Timestamp::from_second(end).unwrap_or(Timestamp::MAX));
        let chain = root.certify(role, key.public_key(), self.name(&name), validity).map_err(failed())?;
        let certified = CertifiedKey::new(chain, key).map_err(failed())?;
        files::create_public(&self.dir.join(chain_path), &certified.chain_pem())?;
        certified
            .authority_instance(&format!("https://{}{route}", self.origin), Some(self.origin))
            .map_err(failed())
    }

    pub(super) fn ct_key(&self) -> Result<CtLogInstance, Error> {
        let secret = self.new_key(CT_KEY, KeyKind::P256)?;
        let key = secret.public_key();
        files::create_public(&self.dir.join(CT_PUBLIC_KEY), &key.to_pem())?;
        Ok(CtLogInstance {
            base_url: format!("https://{}/{CT}", self.origin),
            key: key.spki_der().to_vec(),
            key_details: key.scheme().key_details().to_owned(),
            log_id: key.fingerprint().to_vec(),
            valid_from: whole_seconds(self.world.now()),
            valid_until: None,
            operator: Some(self.origin.to_owned()),
        })
    }

    /// Makes an empty record of certificates.
    pub(super) fn record(&self, origin: &str) -> Result<(), Error> {
        let (key, place) = (self.dir.join(CT_LOG_KEY), self.dir.join(CT));
        let log = making::create_log(&key, &place, Some(origin), None, self.world)?;
        let verifier = log.verifier_key().map_err(|source| Error::TrustedRoot { path: key, source })?;
        files::create_public(&self.dir.join(CT_VERIFIER_KEY), &format!("{verifier}\n"))
    }

    pub(super) fn issuer(&self) -> Result<(), Error> {
        let key = self.new_key(ISSUER_KEY, KeyKind::P256)?;
        files::create_public(&self.dir.join(ISSUER_PUBLIC_KEY), &key.public_key().to_pem())
    }

    fn new_key(&self, name: &str, kind: KeyKind) -> Result<SecretKey, Error> {
        let path = self.dir.join(name);
        let key = key_files::create_own_secret(&path, kind, self.in_token, self.passphrase, self.world)?;
        // What it signs for one purpose could be passed off as signed for the other (attack K09).
        if self.taken.contains(key.public_key()) {
            let name = self.in_token.map(key_files::name_of).unwrap_or_default();
            return Err(Error::Usage(format!(
                "{name}: has another use in this instance; each needs its own key"
            )));
        }
        Ok(key)
    }

    /// Whoever reads a certificate sees whose instance this is. A subject has room for 64 characters.
    fn name<'a>(&'a self, common_name: &'a str) -> Name<'a> {
        Name { organization: self.origin.get(..64).unwrap_or(self.origin), common_name }
    }

    fn validity(&self, years: i64) -> Result<Validity, Error> {
        let not_before = whole_seconds(self.world.now());
        let not_after = not_before.checked_add(SignedDuration::from_hours(years.saturating_mul(8_766)));
        let not_after = not_after.map_err(|_| Error::Usage("the clock is wrong".to_owned()))?;
        Ok(Validity { not_before, not_after })
    }

    fn failed(&self, name: &str) -> impl FnOnce(sealwax_authority::Error) -> Error {
        let path = self.dir.join(name);
        move |source| Error::Authority { path, source }
    }
}

/// Enough of a key's fingerprint to tell two authorities of one instance apart.
pub(super) fn short(key: &PublicKey) -> String {
    let fingerprint = hex::encode(key.fingerprint());
    fingerprint.get(..8).unwrap_or(&fingerprint).to_owned()
}

/// How long authorities live. What they signed is believed for ever; they sign for that long.
const ROOT_YEARS: i64 = 20;
const YEARS: i64 = 10;
