//! Why a server could not start, or had to stop.

use std::io;
use std::net::SocketAddr;

/// A failure of the server as a whole; what goes wrong with one request is an answer to that request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings are not usable.
    #[error("settings: {0}")]
    Config(String),
    /// The address could not be listened on.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The certificate or its key is not usable.
    #[error("TLS: {0}")]
    Tls(String),
    /// The system refused threads or timers.
    #[error("could not start the server: {0}")]
    Runtime(io::Error),
    /// The log refused to open or to go on.
    #[error(transparent)]
    Log(#[from] sealwax_transparency_log::Error),
    /// The witnesses' policy is not usable.
    #[error("witnesses: {0}")]
    Witnesses(sealwax_tlog::Error),
    /// The witnesses did not confirm the log before it may sign.
    #[error("too few witnesses answered to confirm the log's state: {reason}")]
    Unconfirmed {
        /// Which of them failed, and how.
        reason: String,
    },
    /// The witness could not be served.
    #[error(transparent)]
    Witness(#[from] sealwax_witness::Error),
}
