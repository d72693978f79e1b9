//! The rule for byte ranges: each file is covered from its first byte on, without gap, in steps of the signed size.

use std::{collections::HashMap, num::NonZeroU64};

use crate::{
    error::Error,
    path::ModelPath,
    resource::{Resource, ResourceName},
};

/// Checks the ranges of every file; that all names are of ranges was checked before.
pub(super) fn check(resources: &[Resource], size: NonZeroU64) -> Result<(), Error> {
    let mut files: HashMap<Option<&ModelPath>, Vec<Shard<'_>>> = HashMap::new();
    for Resource { name, .. } in resources {
        if let Some(range) = name.range() {
            files.entry(name.path()).or_default().push(Shard { start: range.start, end: range.end, name });
        }
    }
    files.into_values().try_for_each(|shards| check_file(shards, size.get()))
}

#[derive(Clone, Copy)]
struct Shard<'a> {
    start: u64,
    end: u64,
    name: &'a ResourceName,
}

fn check_file(listed: Vec<Shard<'_>>, size: u64) -> Result<(), Error> {
    let mut shards = listed.clone();
    shards.sort_by_key(|shard| (shard.start, shard.end));
    check_coverage(&shards, size)?;
    check_order(&listed)
}

fn check_coverage(shards: &[Shard<'_>], size: u64) -> Result<(), Error> {
    let mut expected_start = 0_u64;
    let last = shards.len().saturating_sub(1);
    for (index, shard) in shards.iter().enumerate() {
        let length = shard.end.saturating_sub(shard.start);
        let fits = if index == last { (1..=size).contains(&length) } else { length == size };
        if shard.start != expected_start || !fits {
            return Err(Error::BrokenShards { name: shard.name.to_string(), expected_start });
        }
        expected_start = shard.end;
    }
    Ok(())
}

/// Accepts the order of the numbers (`8:16` before `16:22`) and that of the text (`16:22` before `8:16`).
fn check_order(listed: &[Shard<'_>]) -> Result<(), Error> {
    let Some(shard) = first_descent(listed, |shard| shard.start) else {
        return Ok(());
    };
    match first_descent(listed, |shard| shard.name.to_string()) {
        Some(_) => Err(Error::ShardOrder { name: shard.name.to_string() }),
        None => Ok(()),
    }
}

fn first_descent<'a, K: Ord>(listed: &[Shard<'a>], key: impl Fn(&Shard<'a>) -> K) -> Option<Shard<'a>> {
    let descent = listed.windows(2).find(|pair| match pair {
        [before, after] => key(after) <= key(before),
        _ => false,
    });
    descent.and_then(|pair| pair.last().copied())
}
