//! Times whole runs of `sealwax` beside those of `model_signing`, beside `sha256sum` and `openssl`, which only hash, and beside
//! `cat`, which only reads.
//!
//! ```text
//! $ cargo build --release -p sealwax && cargo run --release -p sealwax-tests --bin bench
//! 8 files of 256 MiB
//!   step    tool            wall s   CPU s  peak MiB  sealwax is
//!   sign    sealwax          1.021    1.93      11.4
//!   sign    model_signing    2.804    3.11      96.0  2.75 times as fast, 0.62 of its CPU time
//! ```
//!
//! The models are made in a temporary directory, one after the other: few large files and one huge one, where hashing is
//! everything, and many small ones, where everything else is. Each tool runs once to warm the cache and then in turns with the
//! others, so that a slow minute of the machine meets all of them; how busy other programs kept the processors is said at the end.
//! Times are medians of processes from start to end; processor time and peak memory come from GNU time and are left open where it
//! is not installed. `--cold` runs everything once more with the system's cache emptied before each run, which only root may do.
//!
//! With `--check`, exit code 1 says that a promise was missed, 3 that one could not be checked. The full run needs 2.1 GB of
//! disk, and as much free memory to be about the processor. This is one file because every figure is read beside the others.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tests::machine::{Load, Noise, cores, median, processor};

/// Times sealwax beside model_signing and sha256sum.
#[derive(Debug, Parser)]
struct Options {
    /// The sealwax binary [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    sealwax: Option<PathBuf>,

    /// The model_signing program; where there is none, its rows are left out
    #[arg(long, value_name = "PATH", default_value = "model_signing")]
    model_signing: PathBuf,

    /// A sixteenth of the large files and a tenth of the small ones
    #[arg(long)]
    quick: bool,

    /// Also run each tool with an empty cache, as often; for root
    #[arg(long)]
    cold: bool,

    /// How often each tool runs on each model, beside the run that warms the cache
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Fail where a promise about speed or memory is missed
    #[arg(long)]
    check: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let beside = std::env::current_exe()?.with_file_name("sealwax");
    let sealwax = options.sealwax.clone().unwrap_or(beside);
    let mut out = io::stdout().lock();

    let ours =
        version(&sealwax, "--version")?.ok_or_else(|| format!("{}: no such program", sealwax.display()))?;
    let peer = version(&options.model_signing, "--version")?;
    writeln!(out, "{ours}, medians of {} runs with a warm cache", options.runs)?;
    match &peer {
        Some(peer) => writeln!(out, "beside {peer}")?,
        None => writeln!(out, "skipped: model_signing ({} not found)", options.model_signing.display())?,
    }
    writeln!(out, "machine: {}, {} cores", processor(), cores())?;

    let dir = tempfile::Builder::new().prefix("sealwax-bench-").tempdir()?;
    let bench = Bench {
        dir: dir.path().to_owned(),
        sealwax: sealwax.clone(),
        model_signing: peer.and_then(|_| place_of(&options.model_signing)),
        openssl: version(Path::new(OPENSSL), "version")?.is_some(),
        runs: options.runs,
        cold: options.cold,
    };
    bench.write_keys()?;
    let before = Load::now();
    let (large, small) = if options.quick { (16, 10) } else { (1, 1) };
    let mut tables = Vec::new();
    for shape in &SHAPES {
        let shape = match shape.bytes {
            LARGE.. => Shape { bytes: shape.bytes / large, ..*shape },
            _ => Shape { files: shape.files / small, ..*shape },
        };
        tables.push((shape, bench.run(&shape, &mut out)?));
    }
    let start_up = bench.start_up()?;
    let others = before.zip(Load::now()).map(|(before, after)| after.others_since(&before));
    for StartUp { what, time, .. } in &start_up {
        writeln!(out, "{what}: {:.1} ms", 1e3 * time.as_secs_f64())?;
    }

    if let Some(others) = others {
        writeln!(out, "other programs kept {others:.2} of {} cores busy meanwhile", cores())?;
    }

    if !options.check {
        return Ok(ExitCode::SUCCESS);
    }
    let mut verdicts = promises(&tables);
    for StartUp { what, time, most } in start_up {
        verdicts.push((format!("{what} below {} ms", most.as_millis()), Some(time < most)));
    }
    for (promise, kept) in &verdicts {
        let word = kept.map_or("not checked", |kept| if kept { "kept" } else { "MISSED" });
        writeln!(out, "{word:<12} {promise}")?;
    }
    Ok(if verdicts.iter().any(|(_, kept)| *kept == Some(false)) {
        ExitCode::from(1)
    } else if verdicts.iter().any(|(_, kept)| kept.is_none()) {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// What the project promises: each with whether it was kept, or nothing where it was not measured.
fn promises(tables: &[(Shape, Vec<Row>)]) -> Vec<(String, Option<bool>)> {
    let mut promises = Vec::new();
    for (shape, rows) in tables {
        for step in ["sign", "verify"] {
            let what = format!("{}: {step} {} times as fast as {PEER}", shape.name, shape.faster);
            promises.push((what, ratio(rows, step, (step, PEER), wall).map(|ratio| ratio >= shape.faster)));
            if let Some(less) = shape.less_cpu {
                let what = format!("{}: {step} with {less} times less CPU time than {PEER}", shape.name);
                promises.push((what, ratio(rows, step, (step, PEER), cpu).map(|ratio| ratio >= less)));
            }
            if let Some(faster) = shape.faster_than_bare {
                let what = format!("{}: {step} {faster} times as fast as {BARE}", shape.name);
                promises.push((what, ratio(rows, step, ("hash", BARE), wall).map(|ratio| ratio >= faster)));
            }
        }
        let peaks: Option<Vec<u64>> =
            rows.iter().filter(|row| row.tool == OURS).map(|row| row.peak_kib).collect();
        let kept = peaks.map(|peaks| peaks.iter().all(|&peak| peak < shape.peak_mib << 10));
        promises.push((format!("{}: peak memory below {} MiB", shape.name, shape.peak_mib), kept));
    }
    promises
}

/// Gives how many times as much another tool needs for its step as sealwax for a step.
fn ratio(rows: &[Row], step: &str, other: (&str, &str), need: fn(&Row) -> Option<Duration>) -> Option<f64> {
    let need =
        |step: &str, tool: &str| rows.iter().find(|row| row.tool == tool && row.step == step).and_then(need);
    Some(need(other.0, other.1)?.as_secs_f64() / need(step, OURS)?.as_secs_f64())
}

fn wall(row: &Row) -> Option<Duration> {
    Some(row.wall)
}

fn cpu(row: &Row) -> Option<Duration> {
    row.cpu
}

/// Where the models are and what is timed on them.
struct Bench {
    dir: PathBuf,
    sealwax: PathBuf,
    model_signing: Option<PathBuf>,
    openssl: bool,
    runs: u32,
    cold: bool,
}

/// A model of equal files, and what is promised about it.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    files: usize,
    bytes: u64,
    /// Hashed by byte ranges of so many MiB, where it is a number.
    shard_mib: Option<u64>,
    /// How many times as fast as the other tool.
    faster: f64,
    /// How many times less of its processor time, where that is promised.
    less_cpu: Option<f64>,
    /// How many times as fast as a program that only hashes, on all processors, where that is promised.
    faster_than_bare: Option<f64>,
    peak_mib: u64,
}

/// A tool at a step, and the command line for it.
struct Contestant {
    step: &'static str,
    tool: &'static str,
    line: Vec<OsString>,
}

/// How long a run took that had hardly anything to do, and how long it may.
struct StartUp {
    what: &'static str,
    time: Duration,
    most: Duration,
}

/// What a tool needed for a step: medians of time, the largest peak of memory.
struct Row {
    step: &'static str,
    tool: &'static str,
    wall: Duration,
    cpu: Option<Duration>,
    peak_kib: Option<u64>,
}

impl Bench {
    /// Makes one key pair for both tools.
    fn write_keys(&self) -> Result<(), Box<dyn Error>> {
        let key = SecretKey::generate(KeyKind::P256)?;
        let mut private =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.dir.join("key.pem"))?;
        private.write_all(key.to_pkcs8_pem(None)?.as_bytes())?;
        fs::write(self.dir.join("key.pub"), key.public_key().to_pem())?;
        Ok(())
    }

    /// Makes a model, runs everything on it in turns, prints the rows and removes the model.
    fn run(&self, shape: &Shape, out: &mut dyn Write) -> Result<Vec<Row>, Box<dyn Error>> {
        let unit =
            if shape.bytes < 1 << 20 { (shape.bytes >> 10, "KiB") } else { (shape.bytes >> 20, "MiB") };
        let files = if shape.files == 1 { "file" } else { "files" };
        let shards =
            shape.shard_mib.map_or(String::new(), |size| format!(", hashed in ranges of {size} MiB"));
        writeln!(out, "\n{} {files} of {} {}{shards}", shape.files, unit.0, unit.1)?;
        let model = self.dir.join(shape.name);
        let list = write_model(&model, shape)?;
        let contestants = self.contestants(&model, &list, shape);
        // The first round warms the cache and makes the signatures that are verified.
        self.rounds(&contestants, 1, || Ok(()))?;
        let rows = self.rounds(&contestants, self.runs, || Ok(()))?;
        print(&rows, out)?;
        if self.cold {
            writeln!(out, "the same with an empty cache")?;
            let rows = self.rounds(&contestants, self.runs, || fs::write("/proc/sys/vm/drop_caches", "3"))?;
            print(&rows, out)?;
        }
        fs::remove_dir_all(&model)?;
        Ok(rows)
    }

    /// Runs all in turns, so many times, each after `prepare`.
    fn rounds(
        &self,
        contestants: &[Contestant],
        runs: u32,
        prepare: impl Fn() -> io::Result<()>,
    ) -> Result<Vec<Row>, Box<dyn Error>> {
        let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
        for _ in 0..runs {
            for (contestant, costs) in contestants.iter().zip(&mut costs) {
                prepare()?;
                costs.push(measure(&contestant.line, &self.dir.join("cost"))?);
            }
        }
        Ok(contestants.iter().zip(&costs).filter_map(|(who, costs)| Row::new(who, costs)).collect())
    }

    /// Gives how long runs take that have hardly anything to do, and how long they may.
    fn start_up(&self) -> Result<[StartUp; 2], Box<dyn Error>> {
        let model = self.dir.join("start-up");
        let shape = Shape { name: "start-up", files: 1, bytes: 1 << 10, ..SHAPES[0] };
        let list = write_model(&model, &shape)?;
        let contestants = self.contestants(&model, &list, &shape);
        let ours = |step| contestants.iter().find(|who| who.tool == OURS && who.step == step);
        let (Some(sign), Some(verify)) = (ours("sign"), ours("verify")) else { return Err("no step".into()) };
        measure(&sign.line, &self.dir.join("cost"))?;
        let version = [self.sealwax.clone().into_os_string(), OsString::from("--version")];
        let time = |line: &[OsString]| -> Result<Duration, Box<dyn Error>> {
            let (program, arguments) = line.split_first().ok_or("no program")?;
            let mut times = Vec::new();
            for _ in 0..START_UPS {
                let start = Instant::now();
                let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
                times.push(start.elapsed());
                succeeded(&Command::new(program), &output)?;
            }
            Ok(median(times).ok_or("no run")?)
        };
        let (version, verify) = (time(&version)?, time(&verify.line)?);
        let most = Duration::from_millis;
        Ok([
            StartUp { what: "`sealwax --version`", time: version, most: most(10) },
            StartUp { what: "`sealwax verify` of a model of 1 KiB", time: verify, most: most(15) },
        ])
    }

    fn contestants(&self, model: &Path, list: &Path, shape: &Shape) -> Vec<Contestant> {
        let place = |suffix: &str| self.dir.join(format!("{}.{suffix}", shape.name)).into_os_string();
        let key = |name: &str| self.dir.join(name).into_os_string();
        let text = |text: &str| OsString::from(text);
        let mut contestants = Vec::new();
        for (step, key_option, key_file) in [("sign", "--key", "key.pem"), ("verify", "--key", "key.pub")] {
            let program = self.sealwax.clone().into_os_string();
            let instance = self.dir.join("instance").into_os_string();
            let mut line =
                vec![program, text("--instance"), instance, text("--quiet"), text(step), model.into()];
            line.extend([text("--signature"), place("sealwax.sig"), text(key_option), key(key_file)]);
            if let ("sign", Some(size)) = (step, shape.shard_mib) {
                line.extend([text("--shard-size"), text(&format!("{size}MiB"))]);
            }
            contestants.push(Contestant { step, tool: OURS, line });
            if let Some(program) = &self.model_signing {
                let line = match shape.shard_mib {
                    None => {
                        let key_option = if step == "sign" { "--private_key" } else { "--public_key" };
                        let program = program.clone().into_os_string();
                        let mut line = vec![program, text(step), text("key"), model.into()];
                        line.extend([
                            text("--signature"),
                            place("peer.sig"),
                            text(key_option),
                            key(key_file),
                        ]);
                        line
                    }
                    // Its command line knows no shards, its library does.
                    Some(size) => {
                        let python = program.with_file_name("python").into_os_string();
                        let mut line = vec![python, text("-c"), text(PEER_SHARDS), text(step), model.into()];
                        line.extend([place("peer.sig"), key(key_file), text(&(size << 20).to_string())]);
                        line
                    }
                };
                contestants.push(Contestant { step, tool: PEER, line });
            }
        }
        let batch = shape.files.div_ceil(8).to_string();
        for (step, tool, command) in
            [("hash", BARE, BARE), ("hash", OPENSSL, "openssl dgst -sha256"), ("read", READ, READ)]
        {
            if tool == OPENSSL && !self.openssl {
                continue;
            }
            let script = format!("exec xargs -a \"$1\" -0 -n {batch} -P {} {command} > /dev/null", cores());
            let line = vec![text("sh"), text("-c"), text(&script), text("sh"), list.into()];
            contestants.push(Contestant { step, tool, line });
        }
        contestants
    }
}

impl Row {
    fn new(contestant: &Contestant, costs: &[Cost]) -> Option<Self> {
        let cpu: Option<Vec<Duration>> = costs.iter().map(|cost| cost.cpu).collect();
        let peaks: Option<Vec<u64>> = costs.iter().map(|cost| cost.peak_kib).collect();
        Some(Self {
            step: contestant.step,
            tool: contestant.tool,
            wall: median(costs.iter().map(|cost| cost.wall).collect())?,
            cpu: cpu.and_then(median),
            peak_kib: peaks.and_then(|peaks| peaks.into_iter().max()),
        })
    }
}

fn print(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  step    tool            wall s   CPU s  peak MiB  sealwax is")?;
    for row in rows {
        let wall = row.wall.as_secs_f64();
        let cpu = row.cpu.map_or("–".to_owned(), |cpu| format!("{:.2}", cpu.as_secs_f64()));
        let kib = row.peak_kib.and_then(|kib| u32::try_from(kib).ok());
        let peak = kib.map_or("–".to_owned(), |kib| format!("{:.1}", f64::from(kib) / 1024.0));
        // Verifying is what comes closest to hashing alone.
        let step = if [BARE, OPENSSL, READ].contains(&row.tool) { "verify" } else { row.step };
        let ours = rows.iter().find(|ours| ours.tool == OURS && ours.step == step);
        let mut times = match ours {
            Some(ours) if row.tool != OURS => format!("{:.2} times as fast", wall / ours.wall.as_secs_f64()),
            _ => String::new(),
        };
        if let (Some(ours), Some(cpu)) =
            (ours.filter(|_| row.tool == PEER).and_then(|ours| ours.cpu), row.cpu)
        {
            times.push_str(&format!(", {:.2} of its CPU time", ours.as_secs_f64() / cpu.as_secs_f64()));
        }
        let line = format!("  {:<7} {:<14} {wall:>7.3} {cpu:>7} {peak:>9}  {times}", row.step, row.tool);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes the files of a model, no two alike, and the list of their paths, each ended by a zero byte.
fn write_model(model: &Path, shape: &Shape) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir(model)?;
    let mut list = Vec::new();
    let mut noise = Noise::default();
    for number in 0..shape.files {
        let path = model.join(format!("weights-{number:05}.bin"));
        let mut file = File::create(&path)?;
        io::copy(&mut io::Read::take(&mut noise, shape.bytes), &mut file)?;
        // Written back now, not while something is timed.
        file.sync_all()?;
        list.extend([path.to_string_lossy().as_bytes(), b"\0"].concat());
    }
    let path = model.with_extension("list");
    fs::write(&path, list)?;
    Ok(path)
}

/// What one run needed.
struct Cost {
    wall: Duration,
    cpu: Option<Duration>,
    peak_kib: Option<u64>,
}

/// Runs a command line to its end, under GNU time where that is installed, which writes to `report`.
fn measure(line: &[OsString], report: &Path) -> Result<Cost, Box<dyn Error>> {
    let timed = Path::new(GNU_TIME).is_file();
    let mut words: Vec<OsString> = Vec::new();
    if timed {
        words.extend([GNU_TIME, "-f", "%U %S %M", "-o"].map(OsString::from));
        words.push(report.into());
    }
    words.extend_from_slice(line);
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output()?;
    let wall = start.elapsed();
    succeeded(&command, &output)?;
    if !timed {
        return Ok(Cost { wall, cpu: None, peak_kib: None });
    }
    let text = fs::read_to_string(report)?;
    let odd = || format!("{GNU_TIME} wrote {text:?}");
    let mut numbers = text.split_whitespace();
    let (Some(user), Some(system), Some(peak), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(odd().into());
    };
    let seconds = |text: &str| text.parse().map(Duration::from_secs_f64).map_err(|_| odd());
    Ok(Cost { wall, cpu: Some(seconds(user)? + seconds(system)?), peak_kib: Some(peak.parse()?) })
}

fn succeeded(command: &Command, output: &Output) -> Result<(), Box<dyn Error>> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{said}", output.status).into())
}

/// Asks a program for its version; none where there is no such program.
fn version(program: &Path, option: &str) -> Result<Option<String>, Box<dyn Error>> {
    let mut command = Command::new(program);
    match command.arg(option).output() {
        Ok(output) => {
            succeeded(&command, &output)?;
            Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", program.display()).into()),
    }
}

/// Gives where a program really is: beside it is what belongs to it.
fn place_of(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find_map(|file| file.canonicalize().ok())
}

const OURS: &str = "sealwax";
const PEER: &str = "model_signing";
const BARE: &str = "sha256sum";
const OPENSSL: &str = "openssl";
const READ: &str = "cat";
/// What model_signing's command line does, with byte ranges.
const PEER_SHARDS: &str = "\
import sys
from model_signing import hashing, signing, verifying
step, model, signature, key, size = sys.argv[1:]
config = hashing.Config().use_shard_serialization(shard_size=int(size))
if step == 'sign':
    signer = signing.Config().use_elliptic_key_signer(private_key=key)
    signer.set_hashing_config(config).sign(model, signature)
else:
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=key)
    verifier.set_hashing_config(config).verify(model, signature)
";
/// Bytes from which a file is large.
const LARGE: u64 = 1 << 20;
const SHAPES: [Shape; 5] = [
    Shape { less_cpu: Some(2.0), faster_than_bare: Some(1.8), ..shape("16-large", 16, 128 << 20, 2.5) },
    shape("8-large", 8, 256 << 20, 2.0),
    Shape { shard_mib: Some(64), ..shape("huge", 1, 2 << 30, 2.0) },
    shape("small", 2_000, 16 << 10, 15.0),
    Shape { peak_mib: 128, ..shape("tiny", 100_000, 1 << 10, 10.0) },
];

const fn shape(name: &'static str, files: usize, bytes: u64, faster: f64) -> Shape {
    Shape {
        name,
        files,
        bytes,
        shard_mib: None,
        faster,
        less_cpu: None,
        faster_than_bare: None,
        peak_mib: 64,
    }
}
const GNU_TIME: &str = "/usr/bin/time";
const START_UPS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_promise_is_seen_and_an_unmeasured_one_is_not_kept() {
        let row = |step, tool, millis, peak_kib| {
            let wall = Duration::from_millis(millis);
            Row { step, tool, wall, cpu: None, peak_kib }
        };
        let shape = shape("m", 1, 1, 2.0);
        let kept =
            |rows: Vec<Row>| promises(&[(shape, rows)]).into_iter().map(|(_, kept)| kept).collect::<Vec<_>>();
        let rows = |sign, verify, peak_kib| {
            vec![
                row("sign", OURS, 100, peak_kib),
                row("verify", OURS, 100, Some(10 << 10)),
                row("sign", PEER, sign, None),
                row("verify", PEER, verify, None),
            ]
        };
        assert_eq!(kept(rows(200, 500, Some(1))), [Some(true); 3]);
        assert_eq!(kept(rows(199, 500, Some(64 << 10))), [Some(false), Some(true), Some(false)]);
        assert_eq!(kept(rows(200, 100, None)), [Some(true), Some(false), None]);
        assert_eq!(kept(vec![row("sign", OURS, 1, Some(1))]), [None, None, Some(true)]);
    }

    #[test]
    fn promises_of_processor_time_and_beside_a_bare_hash_are_seen() {
        let row = |step, tool, millis| {
            let time = Duration::from_millis(millis);
            Row { step, tool, wall: time, cpu: Some(time), peak_kib: Some(1) }
        };
        let shape = Shape { less_cpu: Some(2.0), faster_than_bare: Some(4.0), ..shape("m", 1, 1, 2.0) };
        let rows = |bare| {
            let ours = [row("sign", OURS, 100), row("verify", OURS, 100)];
            let others = [row("sign", PEER, 200), row("verify", PEER, 199), row("hash", BARE, bare)];
            ours.into_iter().chain(others).collect::<Vec<_>>()
        };
        let kept = |rows| {
            promises(&[(shape, rows)]).into_iter().map(|(_, kept)| kept == Some(true)).collect::<Vec<_>>()
        };
        assert_eq!(kept(rows(400)), [true, true, true, false, false, true, true]);
        assert_eq!(kept(rows(399)), [true, true, false, false, false, false, true]);
    }

    #[test]
    fn measuring_fails_where_the_program_fails() {
        let dir = tempfile::tempdir().unwrap();
        let run = |program: &str| measure(&[OsString::from(program)], &dir.path().join("cost"));
        assert!(run("true").is_ok());
        assert!(run("false").is_err());
    }
}
