//! The repository (TUF) by which whoever trusts the instance learns what changed, below `/tuf`: signed files, served as they are.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::answer::{IMMUTABLE, NEVER, Refusal};
use super::{Site, blocking};

/// Serves a file of the repository.
pub(super) async fn file(
    State(site): State<Site>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let absent = || Refusal::not_found("the repository does not have it");
    let Path(name) = name.map_err(|_| absent())?;
    if !is_name(&name) {
        return Err(absent());
    }
    let caching = if name == TIMESTAMP { NEVER } else { IMMUTABLE };
    let read = site.repository.ok_or_else(absent)?;
    let bytes = blocking(move || read(&name).map_err(|error| Refusal::internal(&error))).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes.ok_or_else(absent)?).into_response())
}

/// Whether a path is one that a repository has: numbered metadata, the timestamp, a target by its hash. Nothing else reaches a
/// file system.
fn is_name(name: &str) -> bool {
    let number = |text: &str| {
        (1..=20).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.starts_with('0')
    };
    if let Some(target) = name.strip_prefix("targets/") {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
        let hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        return target.split_once('.').is_some_and(|(prefix, rest)| hash(prefix) && rest.bytes().all(plain));
    }
    match name.split_once('.') {
        Some((version, "root.json" | "snapshot.json" | "targets.json")) => number(version),
        _ => name == TIMESTAMP,
    }
}

const TIMESTAMP: &str = "timestamp.json";

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn h10_only_what_a_repository_has_is_a_name() {
        let target = format!("targets/{}.trusted_root.json", "0a".repeat(32));
        for name in ["1.root.json", "12.targets.json", "3.snapshot.json", "timestamp.json", &target] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("targets/{}.a/b", "0a".repeat(32));
        let up = format!("targets/{}.../../x", "0a".repeat(32));
        for name in [
            "",
            ".",
            "..",
            "../staged/root.json",
            "root.json",
            "01.root.json",
            "0.root.json",
            "1.timestamp.json",
            "1.root.json/",
            "./1.root.json",
            "targets/",
            "targets/trusted_root.json",
            "targets/../1.root.json",
            "repository.json",
            "-1.root.json",
            "1.root.json\0",
            "1.ROOT.json",
            &long,
            &up,
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
