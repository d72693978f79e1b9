//! The one place that looks at the process: its arguments, its environment, its clock, its exit, and other programs.

// This is the module that the bans of clippy.toml point to.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Arg, ArgAction, ColorChoice, CommandFactory as _, FromArgMatches as _};
use etcetera::BaseStrategy as _;
use jiff::Timestamp;
use zeroize::Zeroizing;

use sealwax_sha256_lanes::{Kernel, Path};

use crate::arguments::Arguments;
use crate::error::{self, Error};
use crate::terminal::Terminal;

/// What a command may know of the process it runs in.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) terminal: Terminal,
    instance: Option<PathBuf>,
}

impl World {
    /// The verifier's clock.
    pub(crate) fn now(&self) -> Timestamp {
        // A clock outside the years that RFC 3339 can write is as wrong as one that is far ahead.
        Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::MAX)
    }

    /// Waits, for something to change elsewhere.
    pub(crate) fn wait(&self, time: std::time::Duration) {
        std::thread::sleep(time);
    }

    /// Waits a little, for a lock that another process holds.
    pub(crate) fn pause(&self) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    /// The instance directory: the option, else `SEALWAX_HOME`, else the platform's data directory.
    ///
    /// # Errors
    /// [`Error::NoHome`] where none of them is set, or the home directory is relative; [`Error::Usage`] where the option is
    /// the URL of a served instance.
    pub(crate) fn instance_dir(&self) -> Result<PathBuf, Error> {
        match self.served_instance() {
            Some(url) => {
                Err(Error::Usage(format!("{url}: this needs an instance on this machine, not a served one")))
            }
            None => self.local_instance_dir(),
        }
    }

    /// The instance that is served elsewhere, where the option is its URL.
    pub(crate) fn served_instance(&self) -> Option<&str> {
        let text = self.instance.as_ref()?.to_str()?;
        (text.starts_with("https://") || text.starts_with("http://")).then(|| text.trim_end_matches('/'))
    }

    /// The instance directory on this machine, also for a command that works with one that is served elsewhere.
    ///
    /// # Errors
    /// [`Error::NoHome`].
    pub(crate) fn local_instance_dir(&self) -> Result<PathBuf, Error> {
        if let Some(dir) = self.instance.as_ref().filter(|_| self.served_instance().is_none()) {
            return Ok(dir.clone());
        }
        if let Some(dir) = variable("SEALWAX_HOME") {
            return Ok(PathBuf::from(dir));
        }
        let strategy = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
        let dir = strategy.data_dir().join("sealwax");
        // A relative home would take trust from wherever the command runs (attack P11).
        if dir.is_absolute() { Ok(dir) } else { Err(Error::NoHome) }
    }

    /// The directory for what Sealwax may remember and can do without.
    ///
    /// # Errors
    /// [`Error::NoHome`].
    pub(crate) fn state_dir(&self) -> Result<PathBuf, Error> {
        let strategy = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
        let dir = strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("sealwax");
        if dir.is_absolute() { Ok(dir) } else { Err(Error::NoHome) }
    }

    /// Where the person's settings are: `$XDG_CONFIG_HOME/sealwax`, or what the platform has for it.
    ///
    /// # Errors
    /// [`Error::NoHome`] where the home directory is unknown or relative.
    pub(crate) fn config_dir(&self) -> Result<PathBuf, Error> {
        let strategy = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
        let dir = strategy.config_dir().join("sealwax");
        // A relative one would take trust from wherever the command runs (attack P11).
        if dir.is_absolute() { Ok(dir) } else { Err(Error::NoHome) }
    }

    /// A variable of the environment, as text.
    ///
    /// # Errors
    /// [`Error::Variable`] where it is not set or not UTF-8.
    pub(crate) fn variable(&self, name: &str) -> Result<String, Error> {
        let missing = || Error::Variable { name: name.to_owned() };
        variable(name).ok_or_else(missing)?.into_string().map_err(|_| missing())
    }

    /// Whether a person can be shown a page here: a browser is named, or there is a screen that is not far away.
    pub(crate) fn has_browser(&self) -> bool {
        let screen = cfg!(target_os = "macos")
            || variable("DISPLAY").is_some()
            || variable("WAYLAND_DISPLAY").is_some();
        variable(BROWSER).is_some() || (screen && variable("SSH_CONNECTION").is_none())
    }

    /// Opens a page in the person's browser, if that can be done; its address was printed as well.
    pub(crate) fn open_browser(&self, url: &str) {
        let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let program = variable(BROWSER).unwrap_or_else(|| usual.into());
        let mut command = Command::new(program);
        // A browser may live on when this program has ended, and talks a lot.
        let _ = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }

    /// Runs another program that gives a secret on its standard output, and gives it.
    ///
    /// # Errors
    /// A sentence, where it does not run, fails, or prints more than `limit` bytes or something else than text.
    pub(crate) fn output_of(
        &self,
        program: &str,
        arguments: &[&str],
        limit: u64,
    ) -> Result<Zeroizing<String>, String> {
        let run =
            Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = run.map_err(|error| format!("cannot run {program}: {error}"))?;
        let printed = Zeroizing::new(output.stdout);
        if !output.status.success() {
            return Err(format!("{program} failed: {}", output.status));
        }
        if u64::try_from(printed.len()).is_ok_and(|length| length > limit) {
            return Err(format!("{program} printed more than {limit} bytes"));
        }
        std::str::from_utf8(&printed)
            .map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|_| format!("{program} printed no text"))
    }
}

/// Runs the command: arguments in, exit code out. A panic is a bug, and never a success.
pub(crate) fn run(dispatch: fn(Arguments, &World) -> Result<(), Error>) -> ExitCode {
    keep_to_itself();
    panic::set_hook(Box::new(|what| {
        let terminal = Terminal::new(false, false, false);
        terminal.complain("bug:", &what.to_string());
        terminal.advise("please report this, with the command that you typed");
    }));
    panic::catch_unwind(AssertUnwindSafe(|| run_command(dispatch)))
        .unwrap_or_else(|_| error::panic_exit(Terminal::new(asks_for("--json"), false, false)))
}

/// Keys pass through this process: no core file may keep them, and no other program of the same user read them from its
/// memory (attack K08). Where the system refuses, go on.
fn keep_to_itself() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // The limit is for files: what collects core files by a pipe need not keep to it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn run_command(dispatch: fn(Arguments, &World) -> Result<(), Error>) -> ExitCode {
    // Decided before parsing, because the parser prints in colour itself.
    let colour = !asks_for("--no-color")
        && variable("NO_COLOR").is_none()
        && variable("TERM").is_none_or(|value| value != "dumb");
    let choice = if colour { ColorChoice::Auto } else { ColorChoice::Never };
    let mut command = Arguments::command().color(choice);
    if asks_for("--version") && asks_for("--verbose") {
        let paths: Vec<&str> = Kernel::detect().paths().map(Path::name).collect();
        let hashing = format!("{}\nSHA-256 here: {}", env!("CARGO_PKG_VERSION"), paths.join("; "));
        command =
            command.version(hashing).arg(Arg::new("verbose").long("verbose").action(ArgAction::SetTrue));
    }
    let parsed = command
        .try_get_matches_from(std::env::args_os())
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return error::clap_exit(&error, Terminal::new(asks_for("--json"), false, colour)),
    };
    let global = &arguments.global;
    let terminal = Terminal::new(global.json, global.quiet, colour);
    let world = World { terminal, instance: global.instance.clone() };
    match dispatch(arguments, &world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::report(&error, terminal),
    }
}

/// Whether an option stands among the arguments: for what is printed before they are understood, or if they are not.
fn asks_for(option: &str) -> bool {
    std::env::args_os().any(|argument| argument == option)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The variable that names the person's browser.
const BROWSER: &str = "BROWSER";
