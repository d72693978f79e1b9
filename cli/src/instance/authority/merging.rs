//! What a trusted root says of an authority of which something was replaced.

use jiff::{SignedDuration, Timestamp};

use sealwax_attestation::TrustedRoot;

use super::whole_seconds;

/// Adds to a trusted root what is not there, and ends the time of what it replaces; `false` where it was all there.
pub(super) fn merge(root: &mut TrustedRoot, part: &TrustedRoot, now: Timestamp) -> bool {
    let now = whole_seconds(now);
    // What was certified a moment ago is signed with until its certificate ends.
    let last_use = now.checked_add(LONGEST_LIFE).unwrap_or(now);
    let mut changed = false;
    let authorities = [
        (&mut root.certificate_authorities, &part.certificate_authorities, last_use),
        (&mut root.timestamp_authorities, &part.timestamp_authorities, now),
    ];
    for (list, new, end) in authorities {
        for one in new
            .iter()
            .filter(|one| list.iter().all(|old| old.chain != one.chain))
            .cloned()
            .collect::<Vec<_>>()
        {
            list.iter_mut()
                .filter(|old| old.valid_until.is_none())
                .for_each(|old| old.valid_until = Some(end));
            list.push(one);
            changed = true;
        }
    }
    let list = &mut root.ct_logs;
    for one in part
        .ct_logs
        .iter()
        .filter(|one| list.iter().all(|old| old.key != one.key))
        .cloned()
        .collect::<Vec<_>>()
    {
        list.iter_mut().filter(|old| old.valid_until.is_none()).for_each(|old| old.valid_until = Some(now));
        list.push(one);
        changed = true;
    }
    changed
}

/// The longest life of a certificate for an identity.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_mins(10);
