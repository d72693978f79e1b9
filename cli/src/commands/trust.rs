//! `sealwax trust add`, `list`, `show`, `refresh` and `remove`

mod publish;

use std::path::Path;

use clap::{Args, Subcommand};
use sealwax_attestation::AuthorityInstance;
use sealwax_trust::{Followed, fingerprint, sigstore};
use serde_json::{Value, json};

use crate::error::Error;
use crate::terminal::{Tone, count};
use crate::trust_store::{self, Found, Held, Mirror, SIGSTORE, Source, Trust};
use crate::world::World;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Trust what a file says, or follow a repository (TUF)
    Add(Add),
    /// List what is trusted
    List,
    /// Show what is trusted under a name
    Show(Named),
    /// Ask the repositories for what is new
    Refresh(Refresh),
    /// Do not trust it any more
    Remove(Named),
    /// Publish what this instance vouches for, so that others can follow it
    #[command(subcommand)]
    Publish(publish::Action),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// A trusted root, a client trust configuration, a directory of `instance export`, the root of a repository (with
    /// --url), the URL of a repository, or `sigstore`
    #[arg(value_name = "FILE|URL|sigstore")]
    what: String,

    /// What to call it [default: the URL's host, or the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The SHA-256 of the file, or of a version of the repository's root, as its operator told you
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<String>,

    /// Where the repository of this root is served, or another place than usual for `sigstore`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// The name [default: every repository that was added]
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    match action {
        Action::Add(options) => add(options, world),
        Action::List => list(world),
        Action::Show(Named { name }) => show(&Trust::find(name, world)?, world),
        Action::Refresh(options) => refresh(options.name.as_deref(), world),
        Action::Publish(action) => publish::run(action, world),
        Action::Remove(Named { name }) => {
            Trust::find(name, world)?.remove()?;
            world.terminal.result(Tone::Plain, "removed ", name)?;
            world.terminal.json(&json!({"removed": name}))
        }
    }
}

fn add(options: &Add, world: &World) -> Result<(), Error> {
    let wanted = options.fingerprint.as_deref().map(|text| text.trim_start_matches("sha256:").to_lowercase());
    let wanted = wanted.as_deref();
    let trust = if options.what == SIGSTORE {
        if wanted.is_some() || options.name.is_some() {
            return Err(Error::Usage("sigstore has its name and its fingerprint built in".to_owned()));
        }
        add_sigstore(options.url.as_deref(), world)?
    } else if is_url(&options.what) {
        if options.url.is_some() {
            return Err(Error::Usage("--url goes with a file; the URL is given already".to_owned()));
        }
        add_url(&options.what, options.name.as_deref(), wanted, world)?
    } else {
        add_file(Path::new(&options.what), options, wanted, world)?
    };
    world.terminal.say(Tone::Plain, "added   ", &format!("{}: {}", trust.name, describe(&trust.source)));
    show(&trust, world)
}

/// The public-good instance: pinned by what is built in, whoever serves it.
fn add_sigstore(url: Option<&str>, world: &World) -> Result<Trust, Error> {
    let url = url.unwrap_or(sigstore::URL);
    let root =
        Mirror::new(url, world)?.find_root(sigstore::ROOT_VERSION, Some(sigstore::ROOT_FINGERPRINT))?;
    follow(SIGSTORE, url, &root, world)
}

fn add_url(url: &str, name: Option<&str>, wanted: Option<&str>, world: &World) -> Result<Trust, Error> {
    let url = url.trim_end_matches('/');
    let name = chosen(name, host(url))?;
    let root = Mirror::new(url, world)?.find_root(1, wanted)?;
    if wanted.is_none() {
        let found = fingerprint(&root);
        world.terminal.say(Tone::Plain, "found   ", &format!("the repository {url}"));
        world.terminal.say(Tone::Plain, "        ", &format!("fingerprint of its root: {found}"));
        let question = "Did its operator tell you this fingerprint, by another way than this URL?";
        match world.terminal.confirm(question) {
            Some(true) => {}
            Some(false) => return Err(Error::Usage("nothing was added".to_owned())),
            None => {
                let what = format!(
                    "{url}: its root has the fingerprint {found}; if its operator says so too, give it with --fingerprint"
                );
                return Err(Error::Usage(what));
            }
        }
    }
    follow(&name, url, &root, world)
}

fn add_file(path: &Path, options: &Add, wanted: Option<&str>, world: &World) -> Result<Trust, Error> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    let found = trust_store::read_file(path, wanted)?;
    match (found, options.url.as_deref()) {
        (Found::Root(root), Some(url)) => {
            let url = url.trim_end_matches('/');
            if !is_url(url) {
                return Err(Error::Usage(format!("{url}: not a URL")));
            }
            follow(&chosen(options.name.as_deref(), host(url))?, url, &root, world)
        }
        (Found::Root(_), None) => {
            Err(Error::Usage(format!("{}: say with --url where its repository is served", path.display())))
        }
        (Found::Files(_), Some(_)) => {
            Err(Error::Usage(format!("{}: --url goes with a repository's root", path.display())))
        }
        (Found::Files(files), None) => {
            Trust::add_files(&chosen(options.name.as_deref(), &stem)?, &files, world)
        }
    }
}

/// Takes in the repository's newest state before anything is kept of it.
fn follow(name: &str, url: &str, root: &[u8], world: &World) -> Result<Trust, Error> {
    Trust::check_free(name, world)?;
    let wrong = |source| Error::Trust { name: url.to_owned(), source };
    let mut followed = Followed::pin(root).map_err(wrong)?;
    let mirror = Mirror::new(url, world)?;
    followed.update(&|name, limit| mirror.fetch(name, limit), world.now()).map_err(wrong)?;
    Trust::add_repository(name, url, &fingerprint(root), &followed, world)
}

fn list(world: &World) -> Result<(), Error> {
    let mut rows = Vec::new();
    for trust in Trust::all(world)? {
        let held = trust.held();
        let age = match &held {
            Err(error) => format!(", damaged: {error}"),
            Ok(held) => age(held, world).map(|age| format!(", {age}")).unwrap_or_default(),
        };
        let what = format!("{}{age}", describe(&trust.source));
        world.terminal.result(Tone::Plain, &trust.name, &what)?;
        rows.push(to_json(&trust, held.as_ref().ok()));
    }
    world.terminal.json(&json!({"trusted": rows}))
}

fn show(trust: &Trust, world: &World) -> Result<(), Error> {
    let held = trust.held()?;
    let terminal = world.terminal;
    terminal.result(Tone::Plain, "name       ", &trust.name)?;
    terminal.result(Tone::Plain, "from       ", &describe(&trust.source))?;
    if let Source::Repository { fingerprint, .. } = &trust.source {
        terminal.result(Tone::Plain, "pinned     ", &format!("root with fingerprint {fingerprint}"))?;
    }
    if let Some(age) = age(&held, world) {
        terminal.result(Tone::Plain, "state      ", &age)?;
    }
    let root = &held.trusted_root;
    for log in &root.logs {
        terminal.result(Tone::Plain, "log        ", &log.origin)?;
    }
    for (label, authorities) in
        [("identities ", &root.certificate_authorities), ("time stamps", &root.timestamp_authorities)]
    {
        for authority in authorities {
            terminal.result(Tone::Plain, label, &title(authority))?;
        }
    }
    terminal.result(Tone::Plain, "CT logs    ", &count(length(&root.ct_logs), "key"))?;
    let mut object = to_json(trust, Some(&held));
    if let Some(object) = object.as_object_mut() {
        object.insert("trusted_root".to_owned(), value(&root.to_json()));
        let config = held.signing_config(&trust.name)?.map(|config| value(&config.to_json()));
        object.insert("signing_config".to_owned(), config.unwrap_or_default());
    }
    terminal.json(&object)
}

fn refresh(name: Option<&str>, world: &World) -> Result<(), Error> {
    let trusts = match name {
        Some(name) => vec![Trust::find(name, world)?],
        None => Trust::all(world)?,
    };
    let mut rows = Vec::new();
    for trust in trusts {
        let (trust, changed) = match (&trust.source, name) {
            // What is built in is followed from the first time that somebody asks for it by name.
            (Source::BuiltIn, Some(_)) => (add_sigstore(None, world)?, true),
            (Source::File, Some(name)) => {
                let what = format!("{name} is from a file; remove it and add the newer file");
                return Err(Error::Usage(what));
            }
            _ => match trust.refresh(world)? {
                Some(changed) => (trust, changed),
                None => continue,
            },
        };
        let held = trust.held()?;
        let state = age(&held, world).unwrap_or_default();
        let label = if changed { "updated " } else { "the same" };
        world.terminal.result(Tone::Good, label, &format!("{}: {state}", trust.name))?;
        let mut row = to_json(&trust, Some(&held));
        if let Some(row) = row.as_object_mut() {
            row.insert("changed".to_owned(), changed.into());
        }
        rows.push(row);
    }
    world.terminal.json(&json!({"refreshed": rows}))
}

fn describe(source: &Source) -> String {
    match source {
        Source::BuiltIn => "the public-good Sigstore, built in".to_owned(),
        Source::File => "a file".to_owned(),
        Source::Repository { url, .. } => format!("the repository {url}"),
    }
}

fn age(held: &Held, world: &World) -> Option<String> {
    let versions = held.versions?;
    let (root, targets, until) = (versions.root, versions.targets, versions.fresh_until);
    let fresh = if until < world.now() { "may have changed since" } else { "vouched for until" };
    Some(format!("root {root}, targets {targets}, {fresh} {until}"))
}

fn to_json(trust: &Trust, held: Option<&Held>) -> Value {
    let (kind, url, fingerprint) = match &trust.source {
        Source::BuiltIn => ("built-in", None, None),
        Source::File => ("file", None, None),
        Source::Repository { url, fingerprint } => ("repository", Some(url), Some(fingerprint)),
    };
    let versions = held.and_then(|held| held.versions).map(|versions| {
        json!({
            "root": versions.root,
            "targets": versions.targets,
            "timestamp": versions.timestamp,
            "fresh_until": versions.fresh_until.to_string(),
        })
    });
    json!({
        "name": trust.name,
        "kind": kind,
        "url": url,
        "fingerprint": fingerprint,
        "versions": versions,
        "damaged": held.is_none(),
    })
}

fn title(authority: &AuthorityInstance) -> String {
    let name = format!("{} {}", authority.organization, authority.common_name);
    let until = authority.valid_until.map(|until| format!(" until {until}")).unwrap_or_default();
    format!("{} since {}{until}", name.trim(), authority.valid_from)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The host of a URL, without port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// The name that was typed, else one that is made.
fn chosen(typed: Option<&str>, made: &str) -> Result<String, Error> {
    let name = typed.unwrap_or(made);
    if name == SIGSTORE {
        return Err(Error::Usage("the name sigstore is that of the public-good instance".to_owned()));
    }
    trust_store::check_name(name).map(|()| name.to_owned())
}
