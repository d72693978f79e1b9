//! A repository from its first day: keys here and in a safe, changes, rotations, renewals.

use sealwax_keys::KeyKind;

use super::*;
use crate::followed::TRUSTED_ROOT;
use crate::testing::{Site, copy};

fn names(advance: &Advance) -> Vec<&str> {
    advance.writes.iter().map(|(name, _)| name.as_str()).collect()
}

fn keys(site: &Site, roles: &[Role]) -> Vec<SecretKey> {
    roles.iter().map(|role| copy(&site.keys[role])).collect()
}

/// A new repository of which nothing is published.
fn unpublished() -> (Site, Repository) {
    let mut site = Site::new();
    site.directory.clear();
    let roles = Role::ALL.into_iter().map(|role| (role, site.role_keys(role))).collect();
    let repository = Repository::start(&roles, site.now).unwrap();
    (site, repository)
}

const ONLINE: [Role; 2] = [Role::Snapshot, Role::Timestamp];

#[test]
fn what_comes_later_names_only_what_came_before() {
    let (mut site, repository) = unpublished();
    let advance = site.advance(&repository, &[]).unwrap();
    let target =
        format!("public/targets/{}.{TRUSTED_ROOT}", hex::encode(Sha256::digest(&site.files[TRUSTED_ROOT])));
    let expected = [
        target.as_str(),
        "public/1.targets.json",
        "public/1.snapshot.json",
        "public/1.root.json",
        "public/timestamp.json",
    ];
    assert_eq!(names(&advance), expected);
    assert_eq!((advance.waiting.len(), advance.keys.len()), (0, 4));
    // After every single write, clients see the old state or the new one, or cannot tell: never anything else.
    let mut after = Site::new();
    after.directory.clear();
    let complete = site.directory.clone();
    for (name, bytes) in &advance.writes {
        after.directory.insert(name.clone(), bytes.clone());
        let whole = after.directory == complete;
        let root = after.get("1.root.json").map(|root| Followed::pin(&root).unwrap());
        if let Some(mut followed) = root {
            assert_eq!(after.update(&mut followed).is_ok(), whole);
        }
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut site = Site::new();
    let advance = site.advance(&site.repository(), &[]).unwrap();
    assert_eq!((names(&advance).len(), advance.waiting.len()), (0, 0));
}

#[test]
fn each_role_is_renewed_before_it_runs_out() {
    let mut site = Site::new();
    site.later(1);
    assert_eq!(names(&site.advance(&site.repository(), &[]).unwrap()), ["public/timestamp.json"]);
    site.later(29);
    let expected = ["public/2.snapshot.json", "public/timestamp.json"];
    assert_eq!(names(&site.advance(&site.repository(), &[]).unwrap()), expected);
    site.later(275);
    let advance = site.advance(&site.repository(), &[]).unwrap();
    assert!(
        names(&advance).contains(&"public/2.root.json") && names(&advance).contains(&"public/2.targets.json")
    );
    site.followed();
    // What is not due can be renewed all the same.
    assert!(names(&site.advance(&site.repository(), &[Role::Root]).unwrap()).contains(&"public/3.root.json"));
}

#[test]
fn what_is_signed_elsewhere_waits_and_then_comes_into_force() {
    let (mut site, repository) = unpublished();
    let online = keys(&site, &ONLINE);
    let advance = site.advance_with(&repository, &online, &[]).unwrap();
    assert_eq!(names(&advance), ["staged/root.json", "staged/targets.json"]);
    let waiting: Vec<(Role, u64)> =
        advance.waiting.iter().map(|waiting| (waiting.role, waiting.version)).collect();
    assert_eq!(waiting, [(Role::Root, 1), (Role::Targets, 1)]);
    let root_key = key_id(site.keys[&Role::Root].public_key()).unwrap();
    assert_eq!(advance.waiting[0].keys, BTreeSet::from([root_key]));

    // One is signed, far away.
    let sign = |site: &mut Site, name: &str, role: Role| {
        let mut draft = Draft::parse(&site.directory[name]).unwrap();
        draft.sign(&site.keys[&role]).unwrap();
        site.directory.insert(name.to_owned(), draft.to_json().into_bytes());
    };
    sign(&mut site, STAGED_ROOT, Role::Root);
    let advance = site.advance_with(&site.repository(), &online, &[]).unwrap();
    assert_eq!(names(&advance), [STAGED_ROOT, STAGED_TARGETS], "there is nothing to hand out yet");
    assert_eq!(advance.waiting.len(), 2);
    sign(&mut site, STAGED_TARGETS, Role::Targets);
    let advance = site.advance_with(&site.repository(), &online, &[]).unwrap();
    assert_eq!((advance.removals.len(), advance.waiting.len()), (2, 0));
    site.followed();

    // A change waits too, and what is in force stays in force.
    let mut followed = site.followed();
    site.files.insert("signing_config.v0.2.json".to_owned(), b"{}".to_vec());
    let advance = site.advance_with(&site.repository(), &online, &[]).unwrap();
    assert_eq!(names(&advance), [STAGED_TARGETS]);
    assert!(!site.update(&mut followed).unwrap());
    sign(&mut site, STAGED_TARGETS, Role::Targets);
    site.advance_with(&site.repository(), &online, &[]).unwrap();
    assert!(site.update(&mut followed).unwrap());
    // A signature for another draft is one for nothing.
    site.files.remove("signing_config.v0.2.json");
    site.advance_with(&site.repository(), &online, &[]).unwrap();
    sign(&mut site, STAGED_TARGETS, Role::Targets);
    site.files.insert("signing_config.v0.2.json".to_owned(), b"{\"x\":1}".to_vec());
    let advance = site.advance_with(&site.repository(), &online, &[]).unwrap();
    assert_eq!((names(&advance), advance.waiting.len()), (vec![STAGED_TARGETS], 1));
}

#[test]
fn a_new_key_of_the_targets_comes_into_force_with_targets_that_it_signed() {
    let mut site = Site::new();
    let mut followed = site.followed();
    let old = keys(&site, &Role::ALL);
    let new = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let mut repository = site.repository();
    let assigned = RoleKeys { keys: vec![new.public_key().clone()], threshold: 1 };
    repository.assign(Role::Targets, &assigned, site.now).unwrap();
    // The new key is in a safe: the root could be published, but no client could go on.
    let advance = site.advance_with(&repository, &old, &[]).unwrap();
    assert_eq!(names(&advance), [STAGED_ROOT, STAGED_TARGETS]);
    assert!(!site.update(&mut followed).unwrap());
    let mut draft = Draft::parse(&site.directory[STAGED_TARGETS]).unwrap();
    draft.sign(&new).unwrap();
    site.directory.insert(STAGED_TARGETS.to_owned(), draft.to_json().into_bytes());
    let advance = site.advance_with(&site.repository(), &old, &[]).unwrap();
    assert!(
        names(&advance).contains(&"public/2.root.json") && names(&advance).contains(&"public/2.targets.json")
    );
    assert!(site.update(&mut followed).unwrap());
    // The old key has done its duty.
    assert!(!advance.keys.contains(&key_id(site.keys[&Role::Targets].public_key()).unwrap()));
}

#[test]
fn a_root_of_several_keys_takes_as_many_signatures_as_it_says() {
    let mut site = Site::new();
    let people: Vec<SecretKey> = (0..3).map(|_| SecretKey::generate(KeyKind::P256).unwrap()).collect();
    let public = people.iter().map(|key| key.public_key().clone()).collect();
    let mut repository = site.repository();
    repository.assign(Role::Root, &RoleKeys { keys: public, threshold: 2 }, site.now).unwrap();
    let mut held = keys(&site, &Role::ALL);
    held.push(copy(&people[0]));
    let advance = site.advance_with(&repository, &held, &[]).unwrap();
    assert_eq!(advance.waiting[0].keys.len(), 2, "any of the two others");
    held.push(copy(&people[2]));
    let advance = site.advance_with(&site.repository(), &held, &[]).unwrap();
    assert_eq!(names(&advance), ["public/2.root.json"]);
    let states = site.repository().states().unwrap();
    assert_eq!((states[0].version, states[0].threshold, states[0].keys.len()), (2, 2, 3));
    site.followed();
}

#[test]
fn the_keys_that_sign_often_must_be_here() {
    let mut site = Site::new();
    site.later(2);
    let some = keys(&site, &[Role::Root, Role::Targets, Role::Snapshot]);
    let refused = site.advance_with(&site.repository(), &some, &[]).unwrap_err();
    assert!(matches!(refused, Error::CannotSign { role: Role::Timestamp }), "{refused}");
}

#[test]
fn a_role_without_keys_or_with_too_few_is_refused() {
    let site = Site::new();
    let key = site.keys[&Role::Targets].public_key().clone();
    for (keys, threshold) in
        [(vec![], 1), (vec![key.clone()], 0), (vec![key.clone()], 2), (vec![key.clone(), key.clone()], 1)]
    {
        let refused =
            site.repository().assign(Role::Targets, &RoleKeys { keys, threshold }, site.now).unwrap_err();
        assert!(matches!(refused, Error::Threshold { role: Role::Targets, .. }), "{refused}");
    }
    let p384 = SecretKey::generate(KeyKind::P384).unwrap().public_key().clone();
    let other = RoleKeys { keys: vec![p384], threshold: 1 };
    assert!(matches!(site.repository().assign(Role::Root, &other, site.now), Err(Error::KeyKind(_))));
    assert!(matches!(Repository::start(&BTreeMap::new(), site.now), Err(Error::Threshold { .. })));
}

#[test]
fn what_a_client_would_refuse_is_not_published() {
    let mut site = Site::new();
    site.files.insert(TRUSTED_ROOT.to_owned(), b"not one".to_vec());
    assert!(matches!(site.advance(&site.repository(), &[]), Err(Error::TrustedRoot(_))));
    site.files.clear();
    assert!(matches!(site.advance(&site.repository(), &[]), Err(Error::Absent { .. })));
    site.followed();
}

#[test]
fn what_an_interrupted_run_left_was_never_in_force() {
    let mut site = Site::new();
    let before = site.directory.clone();
    site.change_files();
    let timestamp = before["public/timestamp.json"].clone();
    site.put("timestamp.json", timestamp);
    site.followed();
    // The next run writes the same names anew.
    site.files.insert("signing_config.v0.2.json".to_owned(), b"{}".to_vec());
    let advance = site.advance(&site.repository(), &[]).unwrap();
    assert!(names(&advance).contains(&"public/2.targets.json"));
    assert!(site.followed().verified().unwrap().signing_config.is_some());
}

#[test]
fn where_there_is_no_repository_there_is_none() {
    assert!(matches!(Repository::open(&|_, _| Ok(None)), Err(Error::NotStarted)));
    assert!(matches!(Repository::open(&|_, _| Err("down".to_owned())), Err(Error::Unreachable { .. })));
}
