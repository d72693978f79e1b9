//! The log as a service: many clients at a time on loopback, each entry's signature verified, each answer durable.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{HashAlgorithm, KeyKind, SecretKey};
use sealwax_tests::machine::Noise;
use serde_json::{Value, json};

use crate::figures::{Budget, Figures};

/// Serves a new instance from `directory` and measures it under `clients` clients that submit `entries` entries in all.
pub(crate) fn run(
    sealwax: &Path,
    directory: &Path,
    clients: usize,
    entries: usize,
    figures: &mut Figures,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let server = Server::start(sealwax, &directory.join("instance"))?;
    let mut signer = Signer::new()?;
    // Signed beforehand: the clients are to cost little, because they share the processors with the server.
    let requests =
        (0..LONE + entries).map(|_| signer.request(&server.host)).collect::<Result<Vec<_>, _>>()?;
    let (lone, crowd) = requests.split_at(LONE);

    writeln!(out, "a lone client, {LONE} entries one after another")?;
    let mut client = Client::connect(&server.host)?;
    let mut times = Vec::new();
    for request in lone {
        times.push(client.submit(request)?);
    }
    drop(client);
    figures.add(out, "p50", Some(1e3 * quantile(&mut times, 50)), "ms", Budget::AtMost(20.0))?;
    figures.add(out, "p99", Some(1e3 * quantile(&mut times, 99)), "ms", Budget::Open)?;

    writeln!(out, "{clients} clients at a time, {entries} entries")?;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = || -> Result<Vec<f64>, String> {
        let mut client = Client::connect(&server.host).map_err(|error| error.to_string())?;
        let mut times = Vec::new();
        while let Some(request) = crowd.get(next.fetch_add(1, Ordering::Relaxed)) {
            times.push(client.submit(request).map_err(|error| error.to_string())?);
        }
        Ok(times)
    };
    let mut times = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        let mut times = Vec::new();
        for thread in threads {
            times.extend(thread.join().map_err(|_| "a client panicked".to_owned())??);
        }
        Ok::<_, String>(times)
    })?;
    let rate = small(times.len()) / started.elapsed().as_secs_f64();
    figures.add(out, "throughput", Some(rate), "entries/s", Budget::AtLeast(2_000.0))?;
    figures.add(out, "p50", Some(1e3 * quantile(&mut times, 50)), "ms", Budget::Open)?;
    figures.add(out, "p99", Some(1e3 * quantile(&mut times, 99)), "ms", Budget::AtMost(1_000.0))?;
    figures.add(out, "peak memory of the server", server.peak_mib(), "MiB", Budget::AtMost(256.0))?;
    let (seconds, commits) = server.commits()?;
    figures.add(out, "entries of a commit", Some(small(times.len()) / commits), "entries", Budget::Open)?;
    figures.add(out, "time of a commit", Some(1e3 * seconds / commits), "ms", Budget::Open)?;
    Ok(())
}

/// A running `sealwax serve`, ended with the value.
struct Server {
    process: Child,
    host: String,
}

impl Server {
    fn start(sealwax: &Path, instance: &Path) -> Result<Self, Box<dyn Error>> {
        let command = || {
            let mut command = Command::new(sealwax);
            command.arg("--instance").arg(instance);
            command
        };
        if !command().args(["instance", "init", "--quiet"]).status()?.success() {
            return Err("no instance could be made".into());
        }
        let mut process = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--quiet"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line)?;
        let host = started.get("address").and_then(Value::as_str).ok_or("no address")?.to_owned();
        Ok(Self { process, host })
    }

    fn peak_mib(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Gives the time that all commits took together, in seconds, and their number.
    fn commits(&self) -> Result<(f64, f64), Box<dyn Error>> {
        let text = Client::connect(&self.host)?.get(&self.host, "/metrics")?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).ok_or(format!("no metric {name}"))
        };
        let seconds = value("sealwax_log_commit_duration_seconds_sum")?;
        Ok((seconds, value("sealwax_log_commits_total")?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes submissions, no two alike.
struct Signer {
    key: SecretKey,
    noise: Noise,
}

impl Signer {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { key: SecretKey::generate(KeyKind::P256)?, noise: Noise::default() })
    }

    fn request(&mut self, host: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut message = [0; 32];
        self.noise.read_exact(&mut message)?;
        let key = self.key.public_key();
        let body = json!({"hashedRekordRequestV002": {
            "digest": STANDARD.encode(HashAlgorithm::Sha256.digest(&message)),
            "signature": {
                "content": STANDARD.encode(self.key.sign(&message)?),
                "verifier": {
                    "publicKey": {"rawBytes": STANDARD.encode(key.spki_der())},
                    "keyDetails": key.scheme().key_details(),
                },
            },
        }})
        .to_string();
        let head = format!(
            "POST /api/v2/log/entries HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Ok([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// One connection that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(host: &str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Submits an entry and gives the time to the whole answer, in seconds; anything but 201 is an error.
    fn submit(&mut self, request: &[u8]) -> Result<f64, Box<dyn Error>> {
        let started = Instant::now();
        self.0.get_mut().write_all(request)?;
        let (status, body) = self.answer()?;
        if status != "201" {
            return Err(format!("answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(started.elapsed().as_secs_f64())
    }

    fn get(&mut self, host: &str, path: &str) -> Result<String, Box<dyn Error>> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
        Ok(String::from_utf8(self.answer()?.1)?)
    }

    fn answer(&mut self) -> Result<(String, Vec<u8>), Box<dyn Error>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).ok_or("no status")?.to_owned();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                None => break,
                Some(("content-length", digits)) => length = digits.parse()?,
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, body))
    }
}

fn quantile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}

/// Numbers of requests are far below 2^32.
fn small(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

const LONE: usize = 200;
