//! The attacks on whoever follows a repository: a mirror that lies, and keys in the wrong hands; one file because the scenarios are
//! read side by side with the specification's.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use sealwax_keys::{KeyKind, SecretKey};
use serde_json::{Value, json};

use super::*;
use crate::draft::Draft;
use crate::testing::{Site, copy, file};

/// Demands that an update is refused, and that what was good before still is.
fn refused(site: &Site, followed: &mut Followed) -> Error {
    let before = followed.current.clone();
    let error = site.update(followed).unwrap_err();
    assert_eq!(followed.current, before, "{error}");
    error
}

#[test]
fn follows_a_repository_through_every_change() {
    let mut site = Site::new();
    let mut followed = site.pinned();
    assert!(matches!(followed.verified(), Err(Error::NeverUpdated)));
    assert!(site.update(&mut followed).unwrap());
    assert!(!site.update(&mut followed).unwrap(), "nothing is new");
    for role in Role::ALL {
        site.rotate(role);
        assert!(site.update(&mut followed).unwrap(), "{role}");
    }
    site.change_files();
    assert!(site.update(&mut followed).unwrap());
    let verified = followed.verified().unwrap();
    assert_eq!(verified.trusted_root.as_bytes(), site.files[TRUSTED_ROOT]);
    assert_eq!((verified.root_version, verified.signing_config), (5, None));
    assert_eq!(verified.fresh_until, site.now + jiff::SignedDuration::from_hours(24 * 7));
    // Whoever comes anew gets to the same place.
    assert_eq!(site.followed(), followed);
}

#[test]
fn what_is_held_survives_being_written_down() {
    let followed = Site::new().followed();
    assert_eq!(Followed::from_json(followed.to_json().as_bytes()).unwrap(), followed);
    let fresh = Site::new().pinned();
    assert_eq!(Followed::from_json(fresh.to_json().as_bytes()).unwrap(), fresh);
    for text in ["", "{}", "null", r#"{"root":1}"#, r#"{"root":"","current":{}}"#, r#"{"root":"","x":1}"#] {
        assert!(matches!(Followed::from_json(text.as_bytes()), Err(Error::Malformed { .. })), "{text}");
    }
}

#[test]
fn what_did_not_change_is_not_fetched_again() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.later(2);
    site.renew(&[]);
    let asked = RefCell::new(Vec::new());
    let fetch = |name: &str, _| {
        asked.borrow_mut().push(name.to_owned());
        Ok(site.get(name))
    };
    followed.update(&fetch, site.now).unwrap();
    assert_eq!(*asked.borrow(), ["2.root.json", "timestamp.json"]);
}

#[test]
fn r01_a_root_that_skips_or_repeats_a_version_is_refused() {
    for version in [1, 3] {
        let mut site = Site::new();
        let mut followed = site.followed();
        let mut root = site.signed(Role::Root);
        root["version"] = json!(version);
        let mut draft = Draft::new(root).unwrap();
        draft.sign(&site.keys[&Role::Root]).unwrap();
        site.put("2.root.json", draft.to_json());
        let error = refused(&site, &mut followed);
        assert!(matches!(error, Error::RootVersion { held: 1, offered } if offered == version), "{error}");
    }
}

#[test]
fn r01_an_older_timestamp_is_refused() {
    let mut site = Site::new();
    let old = site.get("timestamp.json").unwrap();
    site.renew(&[Role::Timestamp]);
    let mut followed = site.followed();
    site.put("timestamp.json", old);
    let error = refused(&site, &mut followed);
    assert!(matches!(error, Error::Rollback { held: 2, offered: 1, .. }), "{error}");
}

#[test]
fn r01_an_older_snapshot_is_refused_even_by_a_new_timestamp() {
    let mut site = Site::new();
    site.renew(&[Role::Snapshot]);
    let mut followed = site.followed();
    site.pin_snapshot(1);
    let error = refused(&site, &mut followed);
    assert!(matches!(&error, Error::Rollback { name, .. } if name.contains("snapshot")), "{error}");
}

#[test]
fn r01_older_targets_are_refused_even_by_a_new_snapshot() {
    let mut site = Site::new();
    site.change_files();
    let mut followed = site.followed();
    site.edit_snapshot(|snapshot| snapshot["meta"]["targets.json"] = json!({"version": 1}));
    let error = refused(&site, &mut followed);
    assert!(matches!(&error, Error::Rollback { name, .. } if name.contains("targets")), "{error}");
    // Nor may a snapshot forget them.
    site.edit_snapshot(|snapshot| snapshot["meta"] = json!({}));
    assert!(matches!(refused(&site, &mut followed), Error::Mismatch(_)));
}

#[test]
fn r01_a_timestamp_of_the_same_version_changes_nothing() {
    let mut site = Site::new();
    let mut followed = site.followed();
    let mut signed = site.signed(Role::Timestamp);
    signed["meta"]["snapshot.json"]["version"] = json!(100);
    site.forge(Role::Timestamp, &signed);
    assert!(!site.update(&mut followed).unwrap());
}

#[test]
fn r03_what_has_expired_is_refused_whichever_role_it_is() {
    for role in Role::ALL {
        let mut site = Site::new();
        let mut followed = site.followed();
        let past = json!("2026-11-24T11:59:59Z");
        match role {
            Role::Root => site.edit(Role::Root, |root| root["expires"] = past),
            Role::Targets => site.edit_targets(|targets| targets["expires"] = past),
            Role::Snapshot => site.edit_snapshot(|snapshot| snapshot["expires"] = past),
            Role::Timestamp => site.edit(Role::Timestamp, |timestamp| timestamp["expires"] = past),
        }
        let error = refused(&site, &mut followed);
        assert!(matches!(&error, Error::Expired { name, .. } if name == role.name()), "{error}");
    }
}

#[test]
fn r03_a_mirror_that_stands_still_is_noticed() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.later(6);
    assert!(!site.update(&mut followed).unwrap());
    // The very timestamp that is held is offered again, after its end.
    site.later(2);
    let error = refused(&site, &mut followed);
    assert!(matches!(&error, Error::Expired { name, .. } if name == "timestamp"), "{error}");
    // What ran out may still be the floor for what comes.
    site.renew(&[]);
    assert!(site.update(&mut followed).unwrap());
}

#[test]
fn r04_one_key_under_two_names_counts_for_nothing() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.edit(Role::Root, |root| {
        let id = root["roles"]["snapshot"]["keyids"][0].as_str().unwrap().to_owned();
        let mut key = root["keys"][&id].clone();
        // The same key, written a little differently.
        let pem = key["keyval"]["public"].as_str().unwrap().trim_end().to_owned();
        key["keyval"]["public"] = json!(pem);
        root["keys"]["again"] = key;
        root["roles"]["snapshot"] = json!({"keyids": [id, "again"], "threshold": 2});
    });
    let error = refused(&site, &mut followed);
    assert!(matches!(&error, Error::OneKeyTwice { role } if role == "snapshot"), "{error}");
}

#[test]
fn r04_two_signatures_by_one_key_are_not_two() {
    let mut site = Site::new();
    let other = SecretKey::generate(KeyKind::P256).unwrap();
    let mut repository = site.repository();
    let mut keys = site.role_keys(Role::Timestamp);
    keys.keys.push(other.public_key().clone());
    keys.threshold = 2;
    repository.assign(Role::Timestamp, &keys, site.now).unwrap();
    let mut held: Vec<SecretKey> = site.keys.values().map(copy).collect();
    held.push(other);
    site.advance_with(&repository, &held, &[]).unwrap();
    let mut followed = site.followed();
    // One signs what comes next: once, and then twice.
    site.edit(Role::Timestamp, |_| {});
    let error = refused(&site, &mut followed);
    assert!(matches!(error, Error::Signatures { found: 1, threshold: 2, .. }), "{error}");
    let mut text: Value = serde_json::from_slice(&site.get("timestamp.json").unwrap()).unwrap();
    let signature = text["signatures"][0].clone();
    text["signatures"].as_array_mut().unwrap().push(signature);
    site.put("timestamp.json", text.to_string());
    assert!(matches!(refused(&site, &mut followed), Error::Malformed { .. }));
}

#[test]
fn r04_thresholds_that_nothing_or_nobody_meets_are_refused() {
    for threshold in [json!(0), json!(-1), json!(1.5), json!("1"), json!(u64::MAX), json!(2), Value::Null] {
        let mut site = Site::new();
        let mut followed = site.followed();
        let mut root = site.signed(Role::Root);
        root["version"] = json!(2);
        root["roles"]["timestamp"]["threshold"] = threshold.clone();
        // Not through our own writer, which would not have it either.
        let text = json!({"signed": root, "signatures": []}).to_string();
        match Draft::parse(text.as_bytes()) {
            Ok(_) => site.forge(Role::Root, &root),
            Err(_) => site.put("2.root.json", text),
        }
        refused(&site, &mut followed);
    }
}

#[test]
fn r05_what_only_a_delegated_role_vouches_for_is_not_there() {
    let mut site = Site::new();
    let mut followed = site.followed();
    let listed = site.signed(Role::Targets)["targets"].clone();
    let key = site.signed(Role::Root)["keys"].clone();
    let id = key.as_object().unwrap().keys().next().unwrap().clone();
    site.edit_targets(|targets| {
        targets["targets"] = json!({});
        let role =
            json!({"name": "other", "keyids": [id], "threshold": 1, "terminating": true, "paths": ["*"]});
        targets["delegations"] = json!({"keys": key, "roles": [role]});
    });
    site.edit_snapshot(|snapshot| snapshot["meta"]["other.json"] = json!({"version": 1}));
    let mut other = site.signed(Role::Targets);
    other["targets"] = listed;
    site.put("1.other.json", json!({"signed": other, "signatures": []}).to_string());
    let error = refused(&site, &mut followed);
    assert!(matches!(&error, Error::Absent { name } if name == TRUSTED_ROOT), "{error}");
}

#[test]
fn r06_null_and_other_malformed_json_is_refused() {
    let texts = [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "\u{feff}{}",
        r#"{"signed":null,"signatures":null}"#,
        r#"{"signed":{},"signatures":[]}"#,
        r#"{"signed":null,"signatures":[]}"#,
        r#"{"signed":{"_type":null},"signatures":[]}"#,
        r#"{"signatures":[null],"signed":{}}"#,
    ];
    for role in Role::ALL {
        for text in texts {
            let mut site = Site::new();
            let mut followed = site.followed();
            match role {
                Role::Root => site.put("2.root.json", text),
                Role::Timestamp => site.put("timestamp.json", text),
                Role::Snapshot => {
                    site.renew(&[Role::Snapshot]);
                    site.put("2.snapshot.json", text);
                }
                Role::Targets => {
                    site.change_files();
                    site.put("2.targets.json", text);
                }
            }
            refused(&site, &mut followed);
        }
    }
    // A null where a value belongs, signed by the right key.
    for field in ["expires", "version", "spec_version", "meta", "_type"] {
        let mut site = Site::new();
        let mut followed = site.followed();
        let mut text: Value = serde_json::from_slice(&site.get("timestamp.json").unwrap()).unwrap();
        text["signed"][field] = Value::Null;
        site.put("timestamp.json", text.to_string());
        let error = refused(&site, &mut followed);
        assert!(matches!(error, Error::Malformed { .. }), "{field}: {error}");
    }
}

#[test]
fn a_key_that_stands_twice_in_metadata_is_refused() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.edit(Role::Timestamp, |_| {});
    let text = String::from_utf8(site.get("timestamp.json").unwrap()).unwrap();
    let doubled = text.replacen("\"version\": 2", "\"version\": 9, \"version\": 2", 1);
    assert_ne!(text, doubled);
    site.put("timestamp.json", doubled);
    assert!(matches!(refused(&site, &mut followed), Error::Malformed { .. }));
}

#[test]
fn r07_a_root_that_is_unsigned_or_half_signed_is_refused() {
    let mut site = Site::new();
    let mut followed = site.followed();
    let new = SecretKey::generate(KeyKind::P256).unwrap();
    let old = copy(&site.keys[&Role::Root]);
    let mut repository = site.repository();
    repository
        .assign(Role::Root, &crate::RoleKeys { keys: vec![new.public_key().clone()], threshold: 1 }, site.now)
        .unwrap();
    let waiting = site.advance_with(&repository, &[], &[]).unwrap();
    let unsigned = waiting.writes.iter().find(|(name, _)| name == "staged/root.json").unwrap().1.clone();
    let stranger = SecretKey::generate(KeyKind::P256).unwrap();
    for signers in [vec![], vec![&new], vec![&old], vec![&stranger, &new]] {
        let mut draft = Draft::parse(&unsigned).unwrap();
        for key in &signers {
            draft.sign(key).unwrap();
        }
        site.put("2.root.json", draft.to_json());
        let error = refused(&site, &mut followed);
        assert!(matches!(error, Error::Signatures { found: 0, threshold: 1, .. }), "{error}");
    }
    let mut draft = Draft::parse(&unsigned).unwrap();
    draft.sign(&old).unwrap();
    draft.sign(&new).unwrap();
    site.put("2.root.json", draft.to_json());
    site.update(&mut followed).unwrap();
}

#[test]
fn r07_a_first_root_must_be_signed_by_its_own_keys() {
    let site = Site::new();
    let root = site.get("1.root.json").unwrap();
    let mut text: Value = serde_json::from_slice(&root).unwrap();
    text["signatures"] = json!([]);
    assert!(matches!(Followed::pin(text.to_string().as_bytes()), Err(Error::Signatures { .. })));
    text["signed"].as_object_mut().unwrap().remove("version");
    assert!(matches!(Followed::pin(text.to_string().as_bytes()), Err(Error::Malformed { .. })));
    assert!(matches!(Followed::pin(&site.get("timestamp.json").unwrap()), Err(Error::Malformed { .. })));
}

#[test]
fn r08_a_hash_never_becomes_a_path() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.edit_targets(|targets| targets["targets"][TRUSTED_ROOT]["hashes"]["sha256"] = json!("../../x"));
    let asked = RefCell::new(Vec::new());
    let fetch = |name: &str, _| {
        asked.borrow_mut().push(name.to_owned());
        Ok(site.get(name))
    };
    assert!(matches!(followed.update(&fetch, site.now), Err(Error::Mismatch(_))));
    assert!(!asked.borrow().iter().any(|name| name.contains("..")), "{asked:?}");
}

/// A stolen timestamp key uses up the version numbers; the repository takes the key back and starts at one again.
#[test]
fn r01_a_timestamp_that_was_sent_far_ahead_is_recovered_from() {
    let mut site = Site::new();
    site.edit(Role::Timestamp, |timestamp| timestamp["version"] = json!(u64::MAX));
    let mut followed = site.followed();
    assert_eq!(followed.verified().unwrap().timestamp_version, u64::MAX);
    let mut honest = site.signed(Role::Timestamp);
    honest["version"] = json!(1);
    site.forge(Role::Timestamp, &honest);
    assert!(matches!(refused(&site, &mut followed), Error::Rollback { .. }));
    site.rotate(Role::Timestamp);
    site.update(&mut followed).unwrap();
    assert_eq!(followed.verified().unwrap().timestamp_version, 2);
}

#[test]
fn r01_a_snapshot_or_targets_that_were_sent_far_ahead_are_recovered_from() {
    for role in [Role::Snapshot, Role::Targets] {
        let mut site = Site::new();
        let honest = site.directory.clone();
        match role {
            Role::Snapshot => site.edit_snapshot(|snapshot| snapshot["version"] = json!(1_000)),
            _ => site.edit_targets(|targets| targets["version"] = json!(1_000)),
        }
        let mut followed = site.followed();
        site.directory = honest;
        site.renew(&[Role::Snapshot, Role::Timestamp]);
        site.renew(&[Role::Timestamp]);
        assert!(matches!(refused(&site, &mut followed), Error::Rollback { .. }));
        // The snapshot's key alone takes both floors with it; the specification's 5.3.11.
        site.rotate(Role::Snapshot);
        site.update(&mut followed).unwrap();
        assert!(followed.verified().unwrap().targets_version < 1_000);
    }
}

#[test]
fn parts_of_two_states_do_not_go_together() {
    // A snapshot of the right version that is not the one that the timestamp names.
    let mut site = Site::new();
    let mut followed = site.followed();
    site.renew(&[Role::Snapshot]);
    let mut other = site.signed(Role::Snapshot);
    other["expires"] = json!("2027-01-01T00:00:00Z");
    site.forge(Role::Snapshot, &other);
    // Its signature may be a byte longer than the one that is named, which is noticed first.
    assert!(matches!(refused(&site, &mut followed), Error::Mismatch(_) | Error::Malformed { .. }));
    // Targets of another version than the snapshot names.
    let mut site = Site::new();
    let mut followed = site.followed();
    site.change_files();
    let old = site.get("1.targets.json").unwrap();
    site.put("2.targets.json", old);
    assert!(matches!(refused(&site, &mut followed), Error::Mismatch(_)));
    // Metadata of one role in the place of another.
    let mut site = Site::new();
    let mut followed = site.followed();
    let root = site.get("1.root.json").unwrap();
    site.put("timestamp.json", root);
    assert!(matches!(refused(&site, &mut followed), Error::Malformed { .. }));
}

#[test]
fn a_target_that_is_not_the_one_that_is_listed_is_refused() {
    for (change, text) in [
        ("length", json!({"length": 1, "hashes": {"sha256": "00"}})),
        ("no hash", json!({"length": 1, "hashes": {}})),
        ("unknown hash", json!({"length": 1, "hashes": {"md5": "00"}})),
    ] {
        let mut site = Site::new();
        let mut followed = site.followed();
        site.edit_targets(|targets| targets["targets"][TRUSTED_ROOT] = text.clone());
        site.put("targets/00.trusted_root.json", "x");
        site.put("targets/trusted_root.json", "x");
        assert!(matches!(refused(&site, &mut followed), Error::Mismatch(_)), "{change}");
    }
    let mut site = Site::new();
    let mut followed = site.followed();
    site.change_files();
    let name = format!("targets/{}.{TRUSTED_ROOT}", fingerprint(&site.files[TRUSTED_ROOT]));
    let mut text = site.get(&name).unwrap();
    text[0] ^= 1;
    site.put(&name, text);
    assert!(matches!(refused(&site, &mut followed), Error::Mismatch(_)));
}

#[test]
fn a_trusted_root_that_cannot_be_read_does_not_replace_one_that_can() {
    let mut site = Site::new();
    let mut followed = site.followed();
    let text = b"{\"mediaType\":\"of times to come\"}".to_vec();
    let listed = json!({"length": text.len(), "hashes": {"sha256": fingerprint(&text)}});
    site.put(&format!("targets/{}.{TRUSTED_ROOT}", fingerprint(&text)), text);
    site.edit_targets(|targets| targets["targets"][TRUSTED_ROOT] = listed);
    assert!(matches!(refused(&site, &mut followed), Error::TrustedRoot(_)));
    followed.verified().unwrap();
}

#[test]
fn b04_endless_data_is_not_taken() {
    for name in ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "targets/"] {
        let mut site = Site::new();
        let mut followed = site.followed();
        site.change_files();
        let limits = RefCell::new(Vec::new());
        let endless = |asked: &str, limit: u64| {
            if asked.starts_with(name) {
                limits.borrow_mut().push(limit);
                return Ok(Some(vec![b' '; usize::try_from(limit).unwrap() + 1]));
            }
            Ok(site.get(asked))
        };
        let error = followed.update(&endless, site.now).unwrap_err();
        assert!(matches!(&error, Error::Malformed { reason, .. } if reason.contains("longer")), "{error}");
        assert!(limits.borrow().iter().all(|&limit| limit <= 2_000_000), "{limits:?}");
    }
    // Nor are endless roots.
    let mut site = Site::new();
    let mut followed = site.followed();
    for _ in 0..MAX_ROOTS {
        site.edit(Role::Root, |_| {});
    }
    assert!(matches!(refused(&site, &mut followed), Error::TooManyRoots { .. }));
    // But the next time it goes on from where it got to.
    site.update(&mut followed).unwrap();
}

#[test]
fn r10_an_update_that_fails_anywhere_leaves_what_was_good() {
    let mut site = Site::new();
    let before = site.followed();
    site.rotate(Role::Timestamp);
    site.change_files();
    let asked = RefCell::new(Vec::new());
    let fetch = |name: &str, _| {
        asked.borrow_mut().push(name.to_owned());
        Ok(site.get(name))
    };
    let mut after = before.clone();
    after.update(&fetch, site.now).unwrap();
    let asked = asked.into_inner();
    assert_eq!(asked.len(), 6, "{asked:?}");
    for broken in &asked {
        for answer in [Err("down".to_owned()), Ok(None), Ok(Some(b"{}".to_vec()))] {
            // The end of the roots is told by one that is not there.
            let honest = broken == "3.root.json" && answer == Ok(None)
                || broken == "2.root.json" && answer == Ok(None);
            let mut followed = before.clone();
            let fetch = |name: &str, _| if name == broken { answer.clone() } else { Ok(site.get(name)) };
            let updated = followed.update(&fetch, site.now);
            if broken == "3.root.json" && honest {
                updated.unwrap();
                continue;
            }
            let error = updated.unwrap_err();
            assert_eq!(error.is_refusal(), answer == Ok(Some(b"{}".to_vec())) || honest, "{broken}: {error}");
            assert_eq!(followed.current, before.current, "{broken}");
            followed.verified().unwrap();
            // And the repository can still be followed.
            site.update(&mut followed).unwrap();
            assert_eq!(followed, after);
        }
    }
}

#[test]
fn r11_offline_everything_is_checked_again() {
    let site = Site::new();
    let followed = site.followed();
    followed.verified().unwrap();
    let current = followed.current.clone().unwrap();
    let spoil = |text: &str| text.replacen("2026", "2036", 1).replacen("2027", "2037", 1);
    let spoilt = [
        Current { root: spoil(&current.root), ..current.clone() },
        Current { timestamp: spoil(&current.timestamp), ..current.clone() },
        Current { snapshot: spoil(&current.snapshot), ..current.clone() },
        Current { targets: spoil(&current.targets), ..current.clone() },
        Current { files: BTreeMap::from([(TRUSTED_ROOT.to_owned(), "{}".to_owned())]), ..current.clone() },
        Current { files: BTreeMap::new(), ..current.clone() },
        Current { timestamp: Site::new().followed().current.unwrap().timestamp, ..current.clone() },
    ];
    for spoilt in spoilt {
        assert_ne!(spoilt, current);
        let mut held = Followed { current: Some(spoilt), ..followed.clone() };
        held.verified().unwrap_err();
        // The repository mends it.
        site.update(&mut held).unwrap();
        held.verified().unwrap();
    }
}

#[test]
fn unknown_fields_are_signed_over_and_otherwise_ignored() {
    let mut site = Site::new();
    let mut followed = site.followed();
    site.edit(Role::Root, |root| {
        root["custom-field"] = json!("value");
        root["roles"]["root"]["another-field"] = json!({"a": [1, 2]});
        let key = root["keys"].as_object_mut().unwrap().values_mut().next().unwrap();
        key["keyid_hash_algorithms"] = json!(["md5"]);
    });
    site.update(&mut followed).unwrap();
    assert_eq!(followed.root_version().unwrap(), 2);
}

#[test]
fn without_consistent_snapshots_files_have_their_plain_names() {
    let mut site = Site::new();
    site.edit(Role::Root, |root| root["consistent_snapshot"] = json!(false));
    for role in [Role::Snapshot, Role::Targets] {
        let text = site.get(&file(role, 1)).unwrap();
        site.put(&format!("{role}.json"), text);
        site.directory.remove(&format!("public/{}", file(role, 1)));
    }
    let text = site.files[TRUSTED_ROOT].clone();
    site.put(&format!("targets/{TRUSTED_ROOT}"), text);
    let mut followed = site.pinned();
    site.update(&mut followed).unwrap();
}

/// The roots of the public-good instance, from the first whose keys are written as they are today.
#[test]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read vector files and say what they skip"
)]
fn the_public_roots_follow_one_another() {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let history = shared.join("vectors/root-signing/metadata/root_history");
    let root = |version: u64| std::fs::read(history.join(format!("{version}.root.json")));
    let Ok(first) = root(5) else {
        println!("skipped: {} (no vectors)", history.display());
        return;
    };
    let mut followed = Followed::pin(&first).unwrap();
    let fetch = |name: &str, _| {
        let version = name.strip_suffix(".root.json").and_then(|version| version.parse().ok());
        Ok(version.and_then(|version| root(version).ok()))
    };
    // There is no timestamp among the vectors, and the last of these roots has expired.
    let fresh: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let error = followed.update(&fetch, fresh).unwrap_err();
    assert!(matches!(&error, Error::Absent { name } if name == "timestamp.json"), "{error}");
    assert_eq!(followed.root_version().unwrap(), 15);
    let late: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    assert!(matches!(followed.update(&fetch, late), Err(Error::Expired { .. })));
}
