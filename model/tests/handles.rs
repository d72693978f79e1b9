//! A deep and wide model with few file handles. Alone in its process, because the limit is the process's.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests build the directories that they hash"
)]

use std::{fs, num::NonZeroUsize};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealwax_model::{HashOptions, Method, Serialization, hash_model};

#[test]
fn f09_deep_and_wide_models_need_few_handles() {
    let temporary = tempfile::tempdir().unwrap();
    let deep = temporary.path().join("d/".repeat(126));
    fs::create_dir_all(&deep).unwrap();
    for number in 0..50 {
        fs::write(deep.join(format!("f{number}")), b"deep").unwrap();
    }
    for number in 0..1000 {
        let wide = temporary.path().join(format!("w{number}"));
        fs::create_dir(&wide).unwrap();
        fs::write(wide.join("file"), number.to_string()).unwrap();
    }
    for number in 0..40 {
        fs::write(temporary.path().join(format!("large{number}")), vec![7; 5_000_000]).unwrap();
    }

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(32), maximum: limit.maximum }).unwrap();
    let shards = Method::Shards { size: 1_000_000.try_into().unwrap() };
    for method in [Method::Files, shards] {
        for allow_symlinks in [false, true] {
            let options = HashOptions {
                serialization: Serialization { method, allow_symlinks, ..Serialization::default() },
                threads: NonZeroUsize::new(4),
                ..HashOptions::default()
            };
            assert_eq!(hash_model(temporary.path(), &options, &()).unwrap().files, 1090);
        }
    }
    setrlimit(Resource::Nofile, limit).unwrap();
}
