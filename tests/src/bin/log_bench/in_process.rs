//! The log as a library: filled, opened, checked and asked for proofs, with no network in between.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use sealwax_attestation::{HashedRekord, Verifier};
use sealwax_keys::{KeyFile, KeyKind, SecretKey};
use sealwax_tests::machine::{Noise, forget_peak, median, peak_kib};
use sealwax_tlog::Hash;
use sealwax_transparency_log::{Directory, Log, LogKey, LogView, NewEntry, SearchIndex};

use crate::figures::{Budget, Figures};

/// Fills the log up to `entries` and measures it.
pub(crate) fn run(
    directory: &Path,
    entries: u64,
    figures: &mut Figures,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let place = Place::new(directory)?;
    place.fill(entries, figures, out)?;
    place.sizes(figures, out)?;
    place.index(figures, out)?;
    place.opening(figures, out)?;
    place.checks(figures, out)?;
    place.proofs(figures, out)?;
    Ok(())
}

/// A log in a directory, and its key beside it.
struct Place {
    log: PathBuf,
    key: PathBuf,
}

impl Place {
    fn new(directory: &Path) -> Result<Self, Box<dyn Error>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let place = Self { log: directory.join("log"), key: directory.join("key.pem") };
        if !place.key.exists() {
            let text = SecretKey::generate(KeyKind::Ed25519)?.to_pkcs8_pem(None)?;
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place.key)?;
            file.write_all(text.as_bytes())?;
        }
        Ok(place)
    }

    fn key(&self) -> Result<LogKey, Box<dyn Error>> {
        let KeyFile::Plain(secret) = KeyFile::parse(&fs::read(&self.key)?)? else {
            return Err(format!("{}: not a plain key", self.key.display()).into());
        };
        Ok(LogKey::new("bench.example", secret)?)
    }

    fn open(&self) -> Result<Log, Box<dyn Error>> {
        Ok(Log::open(&self.log, self.key()?, |_| false)?.0)
    }

    fn view(&self) -> Result<LogView, Box<dyn Error>> {
        Ok(LogView::open(&self.log, self.key()?.verifier())?)
    }

    /// Appends what is missing. Entries are made outside the time that is measured.
    fn fill(&self, entries: u64, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let mut log =
            if self.log.exists() { self.open()? } else { Log::create(&self.log, self.key()?, |_| false)? };
        let found = log.checkpoint()?.size;
        let mut bodies = Bodies::new()?;
        writeln!(out, "{entries} entries of {} bytes, in batches of {BATCH}", bodies.next()?.len())?;
        let mut spent = 0.0;
        let mut size = found;
        forget_peak();
        while size < entries {
            let batch: Vec<Vec<u8>> =
                (size..entries).take(BATCH).map(|_| bodies.next()).collect::<Result<_, _>>()?;
            let new: Vec<NewEntry<'_>> = batch.iter().map(|body| NewEntry { body, envelope: None }).collect();
            let start = Instant::now();
            log.append(&new)?;
            spent += start.elapsed().as_secs_f64();
            size = log.checkpoint()?.size;
        }
        if size > found {
            let rate = count(size - found) / spent;
            figures.add(out, "appending, synced", Some(rate), "entries/s", Budget::Open)?;
            figures.add(out, "appending: peak memory", peak_mib(), "MiB", Budget::Open)?;
        }
        Ok(())
    }

    fn sizes(&self, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let size = count(self.view()?.checkpoint().size);
        let body = count(u64::try_from(Bodies::new()?.next()?.len())?);
        let (tiles, blocks) = disk_usage(&self.log.join("tiles"))?;
        let beyond = |bytes: u64| Some(count(bytes) / size - body);
        figures.add(
            out,
            "tiles and bundles beyond the entries",
            beyond(tiles),
            "bytes/entry",
            Budget::AtMost(40.0),
        )?;
        figures.add(out, "the same in whole disk blocks", beyond(blocks), "bytes/entry", Budget::Open)?;
        let anchor = fs::metadata(self.log.join("anchor.db"))?.len();
        figures.add(out, "anchor.db", Some(count(anchor) / size), "bytes/entry", Budget::AtMost(120.0))?;
        Ok(())
    }

    /// Adds what the search index does not have yet.
    fn index(&self, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let size = self.view()?.checkpoint().size;
        let path = self.log.join("index.db");
        let start = Instant::now();
        let mut index = SearchIndex::open(&path)?;
        let missing = count(size - index.indexed_size()?);
        index.catch_up(&Directory::reader(&self.log), size)?;
        drop(index);
        if missing > 0.0 {
            let rate = missing / start.elapsed().as_secs_f64();
            figures.add(out, "search index, made anew", Some(rate), "entries/s", Budget::Open)?;
        }
        let both = fs::metadata(&path)?.len() + fs::metadata(self.log.join("anchor.db"))?.len();
        let each = count(both) / count(size);
        figures.add(out, "all indexes together", Some(each), "bytes/entry", Budget::AtMost(250.0))?;
        Ok(())
    }

    fn opening(&self, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let once = || -> Result<f64, Box<dyn Error>> {
            let start = Instant::now();
            drop(self.open()?);
            Ok(start.elapsed().as_secs_f64())
        };
        let cold = if empty_page_cache() { Some(once()?) } else { None };
        figures.add(out, "opening, cold", cold, "s", Budget::AtMost(1.0))?;
        once()?;
        forget_peak();
        let warm = (0..5).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
        figures.add(out, "opening, warm", middle(warm), "s", Budget::AtMost(1.0))?;
        figures.add(out, "opening: peak memory", peak_mib(), "MiB", Budget::Open)?;
        Ok(())
    }

    /// One thread checks, so the rate is the one of a core.
    fn checks(&self, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let (view, log) = (self.view()?, self.open()?);
        let size = count(view.checkpoint().size);
        let fits = |_: &[u8], _: &[u8]| true;
        let checks: [(&str, Check<'_>); 2] = [
            ("checking tiles and entries", Box::new(|| view.check(&fits))),
            ("checking, with the index of leaves", Box::new(|| log.check(&fits))),
        ];
        // Read once, so that no figure is the disk's.
        view.check(&fits)?;
        for (what, check) in checks {
            forget_peak();
            let start = Instant::now();
            let report = check()?;
            let rate = size / start.elapsed().as_secs_f64();
            if !report.is_clean() {
                return Err(format!("{:?}", report.damage).into());
            }
            figures.add(out, what, Some(rate), "entries/s/core", Budget::AtLeast(500_000.0))?;
            figures.add(out, "  peak memory", peak_mib(), "MiB", Budget::AtMost(256.0))?;
        }
        Ok(())
    }

    /// The first round warms the tiles, the second is measured. Proofs are made and verified.
    fn proofs(&self, figures: &mut Figures, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        let view = self.view()?.with_cache(Arc::default());
        let mut noise = Noise::default();
        let mut asked = Vec::new();
        for _ in 0..PROOFS {
            let mut bytes = [0; 8];
            noise.read_exact(&mut bytes)?;
            let index = u64::from_le_bytes(bytes) % view.checkpoint().size;
            let leaf = Hash::leaf(&view.entry(index)?);
            view.prove_inclusion(index, &leaf)?;
            asked.push((index, leaf));
        }
        let mut times = Vec::new();
        for (index, leaf) in asked {
            let start = Instant::now();
            view.prove_inclusion(index, &leaf)?;
            times.push(1e6 * start.elapsed().as_secs_f64());
        }
        figures.add(out, "inclusion proof, warm", middle(times), "µs", Budget::AtMost(10.0))?;
        Ok(())
    }
}

type Check<'a> = Box<dyn Fn() -> sealwax_transparency_log::Result<sealwax_transparency_log::Report> + 'a>;

/// Entries of one new P-256 key, no two alike.
struct Bodies {
    entry: HashedRekord,
    noise: Noise,
}

impl Bodies {
    fn new() -> Result<Self, Box<dyn Error>> {
        let secret = SecretKey::generate(KeyKind::P256)?;
        let key = secret.public_key();
        let (scheme, verifier) = (key.scheme(), Verifier::PublicKey(key.spki_der().to_vec()));
        let entry = HashedRekord { scheme, digest: vec![0; 32], signature: vec![0; 71], verifier };
        Ok(Self { entry, noise: Noise::default() })
    }

    /// The log does not verify signatures, so that bytes as random as theirs will do.
    fn next(&mut self) -> Result<Vec<u8>, Box<dyn Error>> {
        self.noise.read_exact(&mut self.entry.digest)?;
        self.noise.read_exact(&mut self.entry.signature)?;
        Ok(self.entry.to_body()?)
    }
}

/// Adds up the lengths of all files below a directory, and the disk blocks that they take, both in bytes.
fn disk_usage(directory: &Path) -> Result<(u64, u64), Box<dyn Error>> {
    let (mut length, mut blocks) = (0, 0);
    for file in sealwax_tests::files_below(directory) {
        let metadata = fs::metadata(file)?;
        length += metadata.len();
        blocks += metadata.blocks() * 512;
    }
    Ok((length, blocks))
}

/// Empties the page cache; only the superuser can.
fn empty_page_cache() -> bool {
    let synced = Command::new("sync").status().is_ok_and(|status| status.success());
    synced && fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

fn peak_mib() -> Option<f64> {
    peak_kib().map(|kib| count(kib) / 1024.0)
}

fn middle(values: Vec<f64>) -> Option<f64> {
    // Times are not negative, and such numbers are in the order of their bits.
    median(values.into_iter().map(f64::to_bits).collect()).map(f64::from_bits)
}

/// Counts are far below 2^53.
fn count(number: u64) -> f64 {
    let (high, low) = (u32::try_from(number >> 32), u32::try_from(number & 0xffff_ffff));
    f64::from(high.unwrap_or(u32::MAX)) * 4_294_967_296.0 + f64::from(low.unwrap_or(u32::MAX))
}

const BATCH: usize = 256;
/// As many as have tiles in the memory of the log's readers.
const PROOFS: usize = 500;
