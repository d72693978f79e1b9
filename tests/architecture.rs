//! Holds the code to ARCHITECTURE.md: the two tables there are read here, so that page and code cannot drift apart.
//!
//! *Rooms.* A room is a member of the workspace. It may depend on the rooms that its row names; "everything" is every room,
//! "libraries" every room whose row names its dependencies one by one. Dependencies for building count like ordinary ones.
//! For its tests alone (dev-dependencies) a room may also use any library in a row above its own, so that no cycle can
//! arise.
//!
//! *Who may touch the world.* Where a cell says anything but "yes", the clippy.toml in force for the room bans the methods
//! of that column; a cell such as "two modules" is kept by an allow in each of them. Nobody starts other programs.
//!
//! The other tests hold the house rules that no lint knows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

#[test]
fn every_room_depends_only_on_what_the_table_allows() {
    let rooms = rooms(&architecture());
    let packages = metadata();
    assert_eq!(
        packages.iter().map(|package| package.room.as_str()).collect::<BTreeSet<_>>(),
        rooms.iter().map(|room| room.name.as_str()).collect::<BTreeSet<_>>(),
        "the workspace's members are not the rooms of ARCHITECTURE.md"
    );
    let problems: Vec<String> =
        packages.iter().flat_map(|package| forbidden_edges(package, &rooms)).collect();
    assert!(problems.is_empty(), "ARCHITECTURE.md does not allow:\n{}", problems.join("\n"));
}

#[test]
fn every_package_is_named_after_its_folder() {
    for package in metadata() {
        let expected =
            if package.room == "cli" { "sealwax".to_owned() } else { format!("sealwax-{}", package.room) };
        assert_eq!(package.name, expected);
    }
}

#[test]
fn a_forbidden_edge_is_found() {
    let rooms = rooms(&architecture());
    let edges = |room: &str, dependencies: &[(&str, bool)]| {
        let dependencies = dependencies.iter().map(|&(name, dev)| (name.to_owned(), dev)).collect();
        let package = Package { name: format!("sealwax-{room}"), room: room.to_owned(), dependencies };
        forbidden_edges(&package, &rooms).len()
    };
    assert_eq!(edges("tlog", &[("keys", false)]), 0);
    assert_eq!(edges("keys", &[("tlog", false)]), 1);
    assert_eq!(edges("keys", &[("tlog", true)]), 1, "a test may not look up");
    assert_eq!(edges("transparency-log", &[("verify", false)]), 1);
    assert_eq!(edges("transparency-log", &[("verify", true)]), 0, "a test may look down");
    assert_eq!(edges("examples", &[("transparency-log", false)]), 0);
    assert_eq!(edges("examples", &[("cli", false), ("tests", true)]), 2);
    assert_eq!(edges("tests", &[("cli", false)]), 0);
}

#[test]
fn every_room_bans_what_it_may_not_touch() {
    let page = architecture();
    let world = table(&page, "Who may touch the world");
    let (header, rows) = world.split_first().unwrap();
    let known: BTreeSet<String> = rooms(&page).into_iter().map(|room| room.name).collect();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for row in rows {
        for room in row[0].split(", ") {
            assert!(known.contains(room), "{room} is no room");
            seen.insert(room.to_owned());
            let (file, banned) = bans(room);
            let columns = header.iter().zip(row).skip(1);
            let denied = columns.filter(|(_, cell)| *cell != "yes").map(|(column, _)| column.as_str());
            for column in denied.chain(["other programs"]) {
                let missing = methods(column).iter().filter(|method| !banned.contains(**method));
                let missing = missing.filter(|method| within_reach(method, room));
                problems.extend(
                    missing.map(|method| format!("{room}: {} does not ban {method}", file.display())),
                );
            }
        }
    }
    for room in rooms(&page).iter().filter(|room| room.library) {
        assert!(seen.contains(&room.name), "{} is not in the table of who may touch the world", room.name);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_crate_inherits_the_workspaces_lints() {
    let workspace = read(&root().join("Cargo.toml"));
    let forbids = "unsafe_code = \"forbid\"";
    let sections = ["rust", "clippy"].map(|tool| section(&workspace, &format!("workspace.lints.{tool}")));
    assert!(sections[0].contains(&forbids));
    for package in metadata() {
        let manifest = read(&root().join(&package.room).join("Cargo.toml"));
        if package.room != UNSAFE_ROOM {
            assert!(section(&manifest, "lints").contains(&"workspace = true"), "{}: [lints]", package.name);
            continue;
        }
        for lint in sections.concat().iter().filter(|lint| !lint.is_empty() && **lint != forbids) {
            assert!(manifest.lines().any(|line| line == *lint), "{}: lacks {lint}", package.name);
        }
        assert!(manifest.contains("undocumented_unsafe_blocks = \"warn\""));
    }
}

#[test]
fn no_code_is_unsafe_but_in_one_room() {
    let is_unsafe = |path: &Path| {
        let code = code_only(&read(path));
        let mut words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.any(|word| word == "unsafe")
    };
    let found = sources().into_iter().filter(|path| is_unsafe(path));
    let room = root().join(UNSAFE_ROOM).join("src");
    let (allowed, others): (Vec<PathBuf>, Vec<PathBuf>) = found.partition(|path| path.starts_with(&room));
    assert!(others.is_empty() && !allowed.is_empty(), "unsafe code: {others:?}, {allowed:?}");
}

#[test]
fn the_search_for_unsafe_code_reads_rust() {
    let hidden = r##"// no word
        /* no /* word */ word */ let text = "\" word"; let raw = r#"word " word"#; let bytes = br"word\"; let c = 'w'; let q = '"'; let l: &'word str;"##;
    assert_eq!(code_only(hidden).matches("word").count(), 1, "{}", code_only(hidden));
    assert!(code_only("let text = \"\"; word {}").contains("word"));
    assert!(code_only("let backslash = '\\\\'; word").contains("word"));
    assert!(code_only("// comment\nword").contains("word"));
}

#[test]
fn a_long_file_says_why_it_is_one() {
    let silent = |path: &PathBuf| {
        let text = read(path);
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let lines = text.lines().count();
        (lines > MAX_LINES && !header.contains("one file because"))
            .then(|| format!("{}: {lines}", path.display()))
    };
    let problems: Vec<String> = sources().iter().filter_map(silent).collect();
    assert!(
        problems.is_empty(),
        "too many lines without \"one file because\" in the header:\n{}",
        problems.join("\n")
    );
}

#[test]
fn every_outside_crate_is_explained() {
    let manifest = read(&root().join("Cargo.toml"));
    let page = read(&root().join("docs/dependencies.md"));
    let used = page.split("\n## ").next().unwrap();
    let lines = section(&manifest, "workspace.dependencies");
    let crates = lines.iter().filter_map(|line| Some(line.split_once(" = ")?.0));
    let outside: Vec<&str> = crates.filter(|name| !name.starts_with("sealwax-")).collect();
    assert!(outside.len() > 20, "only {outside:?}");
    for name in outside {
        assert!(used.contains(&format!("`{name}`")), "docs/dependencies.md does not say why {name} is used");
    }
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    for path in files() {
        // What is no text names no places.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        let found = private_path(&text);
        assert!(found.is_none(), "{}: {}", path.display(), found.unwrap_or_default());
    }
}

#[test]
fn a_place_on_one_machine_is_found() {
    for top in PRIVATE_TREES {
        for before in ["", "see ", "\"", "(", "=", "file://", "a\n"] {
            let text = format!("{before}/{top}/somebody/notes.md");
            assert!(private_path(&text).is_some(), "{text}");
        }
        for text in [format!("~/{top}/x"), format!("$dir/{top}/x"), format!("/{top}"), format!("/{top}s/x")] {
            assert_eq!(private_path(&text), None, "{text}");
        }
    }
}

/// A row of the table of rooms.
struct Room {
    name: String,
    allowed: BTreeSet<String>,
    /// Whether the row names the room's dependencies one by one.
    library: bool,
}

/// Reads the table of rooms, in its order.
fn rooms(page: &str) -> Vec<Room> {
    let table = table(page, "Rooms");
    let rows: Vec<(String, &str)> =
        table.iter().skip(1).map(|row| (row[0].trim_matches('`').to_owned(), row[2].as_str())).collect();
    let every: BTreeSet<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    let library = |cell: &str| cell != "everything" && cell != "libraries";
    let libraries: BTreeSet<String> =
        rows.iter().filter(|(_, cell)| library(cell)).map(|(name, _)| name.clone()).collect();
    let allowed = |cell: &str| match cell {
        "everything" => every.clone(),
        "libraries" => libraries.clone(),
        "–" => BTreeSet::new(),
        list => list.split(", ").map(str::to_owned).collect(),
    };
    let rooms: Vec<Room> = rows
        .iter()
        .map(|(name, cell)| Room { name: name.clone(), allowed: allowed(cell), library: library(cell) })
        .collect();
    for room in &rooms {
        assert!(room.allowed.is_subset(&every), "the row of {} names something that is no room", room.name);
    }
    assert!(rooms.len() > 1, "no rooms in ARCHITECTURE.md");
    rooms
}

/// Reads the first Markdown table under a heading: trimmed cells, header first.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let heading = format!("## {heading}");
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| *line != heading)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(rows.len() > 1, "no table under {heading}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "uneven table under {heading}");
    rows
}

/// A member of the workspace and its dependencies on others, by room; true for one of tests only.
struct Package {
    name: String,
    room: String,
    dependencies: Vec<(String, bool)>,
}

fn forbidden_edges(package: &Package, rooms: &[Room]) -> Vec<String> {
    let Some(place) = rooms.iter().position(|room| room.name == package.room) else {
        return vec![format!("{} at all: no row", package.room)];
    };
    let above = |name: &str| rooms[..place].iter().any(|room| room.library && room.name == name);
    let allowed = |to: &str, dev: bool| rooms[place].allowed.contains(to) || (dev && above(to));
    let refused = package.dependencies.iter().filter(|(to, dev)| !allowed(to, *dev));
    refused
        .map(|(to, dev)| format!("{} → {to}{}", package.room, if *dev { " (tests)" } else { "" }))
        .collect()
}

/// Asks cargo for the members of the workspace.
fn metadata() -> Vec<Package> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let folder = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let room =
        |package: &Value| folder(Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap());
    let edge = |dependency: &Value| {
        // Only our own are dependencies by path.
        let to = folder(Path::new(dependency["path"].as_str()?));
        Some((to, dependency["kind"] == "dev"))
    };
    packages
        .iter()
        .map(|package| Package {
            name: package["name"].as_str().unwrap().to_owned(),
            room: room(package),
            dependencies: package["dependencies"].as_array().unwrap().iter().filter_map(edge).collect(),
        })
        .collect()
}

/// Reads what the clippy.toml in force for a room bans: its own, which replaces the root's, else the root's.
fn bans(room: &str) -> (PathBuf, BTreeSet<String>) {
    let own = Path::new(room).join("clippy.toml");
    let file = if root().join(&own).is_file() { own } else { PathBuf::from("clippy.toml") };
    let text = read(&root().join(&file));
    let path = |line: &str| {
        let (_, rest) = line.split_once("path = \"")?;
        let (path, _) = rest.split_once('"')?;
        Some(path.to_owned())
    };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let banned: BTreeSet<String> = lines.filter_map(path).collect();
    (file, banned)
}

/// The methods by which the world of a column is touched, as far as every room can be asked to ban them by name.
fn methods(column: &str) -> &'static [&'static str] {
    match column {
        "read files" => &[
            "std::fs::read",
            "std::fs::read_to_string",
            "std::fs::read_dir",
            "std::fs::metadata",
            "std::fs::File::open",
        ],
        "write files" => &[
            "std::fs::write",
            "std::fs::File::create",
            "std::fs::create_dir",
            "std::fs::create_dir_all",
            "std::fs::remove_file",
            "std::fs::rename",
        ],
        "clock, random" => &[
            "std::time::SystemTime::now",
            "std::time::Instant::now",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
        ],
        "network" => &["std::net::TcpStream::connect"],
        "environment, home, stdout" => {
            &["std::env::var", "std::env::var_os", "std::env::args", "std::env::current_dir"]
        }
        "other programs" => &["std::process::Command::new"],
        other => panic!("no methods are known for the column {other:?}"),
    }
}

/// Tells whether a room can call a method: one of the standard library, or of a crate that its manifest names.
fn within_reach(method: &str, room: &str) -> bool {
    let (origin, _) = method.split_once("::").unwrap();
    origin == "std" || read(&root().join(room).join("Cargo.toml")).contains(&format!("\n{origin}.workspace"))
}

/// Gives the lines of a section of a TOML file.
fn section<'a>(toml: &'a str, name: &str) -> Vec<&'a str> {
    let heading = format!("[{name}]");
    toml.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .collect()
}

/// Gives Rust code with its comments and the contents of its strings left out.
fn code_only(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let skipped = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => 1 + string(&rest[1..]),
            'r' if matches!(last_word(&code), "" | "b" | "c") => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn last_word(code: &str) -> &str {
    let before = code.trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    &code[before.len()..]
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    for (place, _) in text.char_indices() {
        if text[place..].starts_with("/*") {
            depth += 1;
        } else if text[place..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return place + 2;
            }
        }
    }
    text.len()
}

/// Gives where a string ends, its closing quotation mark included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Gives the length of a raw string, or 0 where there is none.
fn raw_string(text: &str) -> usize {
    let fences = text[1..].chars().take_while(|&letter| letter == '#').count();
    let start = 1 + fences;
    if !text[start..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(fences));
    text[start + 1..].find(&end).map_or(text.len(), |place| start + 1 + place + end.len())
}

/// Gives the length of a character literal, or 0 for a lifetime.
fn character(text: &str) -> usize {
    let inner = &text[1..];
    if inner.starts_with('\\') {
        // The escaped letter itself may be a quotation mark.
        return inner[2..].find('\'').map_or(0, |place| place + 4);
    }
    let Some(letter) = inner.chars().next() else { return 0 };
    if inner[letter.len_utf8()..].starts_with('\'') { letter.len_utf8() + 2 } else { 0 }
}

/// Finds an absolute path below one of the trees that differ from machine to machine.
fn private_path(text: &str) -> Option<&str> {
    text.match_indices('/').map(|(place, _)| text.split_at(place)).find_map(|(before, path)| {
        let starts_here =
            !before.ends_with(|letter: char| letter.is_alphanumeric() || "._-~})".contains(letter));
        let (top, below) = path[1..].split_once('/')?;
        let goes_on = below.starts_with(|letter: char| letter.is_alphanumeric() || "._-".contains(letter));
        let private = starts_here && goes_on && PRIVATE_TREES.contains(&top);
        private.then(|| path.split_whitespace().next().unwrap_or(path))
    })
}

/// Lists our Rust files.
fn sources() -> Vec<PathBuf> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let sources: Vec<PathBuf> = files()
        .into_iter()
        .filter(rust)
        .map(|path| root().join(path))
        .filter(|path| path.is_file())
        .collect();
    assert!(sources.len() > 20, "only {} Rust files found", sources.len());
    sources
}

/// Lists the files that are, or would be, in git; where there is no git, all files of the rooms.
fn files() -> Vec<PathBuf> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match git {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split_terminator('\0').map(PathBuf::from).collect()
        }
        _ => {
            println!("skipped: files outside the rooms (no git)");
            let mut found = Vec::new();
            metadata().iter().for_each(|package| walk(&root().join(&package.room), &mut found));
            found
        }
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn architecture() -> String {
    read(&root().join("ARCHITECTURE.md"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

const MAX_LINES: usize = 500;
/// The one room that may have unsafe code, and has lints of its own.
const UNSAFE_ROOM: &str = "sha256-lanes";

/// Where people, and the services that run tests, keep their checkouts.
const PRIVATE_TREES: [&str; 5] = ["home", "root", "Users", "work", "workspace"];
