//! The public-good instance of Sigstore, which everybody trusts who has nothing else: its repository, pinned by the
//! fingerprint of one version of its root, and what that repository handed out when this was built.

/// Where its repository is served.
pub const URL: &str = "https://tuf-repo-cdn.sigstore.dev";

/// The version of its root that is pinned. A repository keeps every version.
pub const ROOT_VERSION: u64 = 16;

/// The fingerprint of that version, which expires in April 2027; the later ones are vouched for by the earlier.
pub const ROOT_FINGERPRINT: &str = "27aea7e372aa7864065174f0661784fcf8b0e28b1dbfebeada31a0f1fb19167f";

/// Its trusted root, as of the release of the `sigstore-trust-root` crate that is built in.
pub const TRUSTED_ROOT: &str = sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;

/// Its signing configuration, of the same date.
pub const SIGNING_CONFIG: &str = sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG;

#[cfg(test)]
mod tests {
    use sealwax_attestation::TrustedRoot;

    #[test]
    fn the_built_in_root_can_be_read_and_has_every_kind_of_service() {
        let root = TrustedRoot::from_json(super::TRUSTED_ROOT.as_bytes()).unwrap();
        assert!(!root.logs.is_empty() && !root.ct_logs.is_empty());
        assert!(!root.certificate_authorities.is_empty() && !root.timestamp_authorities.is_empty());
    }
}
