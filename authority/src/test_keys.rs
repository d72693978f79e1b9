//! Keys, names and times that the tests of this room share.

use jiff::{SignedDuration, Timestamp};

use sealwax_keys::{Certificate, KeyKind, SecretKey};

use crate::certificate::{Name, Validity};
use crate::certified_key::{CertifiedKey, Role};

/// The time at which the tests happen.
pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

/// The time at which the tests happen.
pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Names an authority of the organization `Example`.
pub(crate) fn name(common_name: &str) -> Name<'_> {
    Name { organization: "Example", common_name }
}

/// A validity from and to so many hours after [`now`].
pub(crate) fn validity(from: i64, to: i64) -> Validity {
    Validity {
        not_before: now() + SignedDuration::from_hours(from),
        not_after: now() + SignedDuration::from_hours(to),
    }
}

/// A validity of so many years from [`now`] on.
pub(crate) fn years(years: i64) -> Validity {
    validity(0, years * 365 * 24)
}

/// A root that is valid for ten years.
pub(crate) fn root() -> CertifiedKey {
    CertifiedKey::new_root(SecretKey::generate(KeyKind::P384).unwrap(), name("Root"), years(10)).unwrap()
}

/// Certifies a key for five years, under the name `Below`.
pub(crate) fn chain(root: &CertifiedKey, role: Role, key: &SecretKey) -> Vec<Certificate> {
    root.certify(role, key.public_key(), name("Below"), years(5)).unwrap()
}

/// Every way to flip one bit of some bytes, to cut them short, or to double one of them.
pub(crate) fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let changed = |index: usize, mask: u8| {
        let mut copy = bytes.to_vec();
        copy[index] ^= mask;
        copy
    };
    (0..bytes.len()).flat_map(move |index| {
        let mut doubled = bytes.to_vec();
        doubled.insert(index, bytes[index]);
        (0..8).map(move |bit| changed(index, 1 << bit)).chain([bytes[..index].to_vec(), doubled])
    })
}
