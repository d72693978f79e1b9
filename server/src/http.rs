//! Listening, TLS, connections and their caps, and stopping without cutting anybody off.

mod patient;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Limits;
use crate::error::Error;
use patient::Patient;

/// Where to listen, and how.
pub struct Listen {
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

/// A socket that is listened on.
pub(crate) struct Face {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Listen {
    /// Listens at an address, with a PEM chain (leaf first) and its key where TLS is terminated here.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] for a chain or key that cannot be used.
    pub fn new(address: SocketAddr, tls: Option<(&[u8], &[u8])>, limits: &Limits) -> Result<Listen, Error> {
        let tls = tls.map(|(chain, key)| tls_acceptor(chain, key)).transpose()?;
        Ok(Listen { address, tls, limits: limits.clone() })
    }

    /// Refuses to serve other machines without TLS, unless the operator says that something in front has it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`].
    pub fn check_plain(address: SocketAddr, has_tls: bool, plain_http: bool) -> Result<(), Error> {
        if has_tls || plain_http || address.ip().is_loopback() {
            return Ok(());
        }
        let what = "plain HTTP is served on this machine's own addresses only; give a TLS certificate and key, or say \
                    with plain_http that something in front terminates TLS";
        Err(Error::Config(what.to_owned()))
    }
}

impl Face {
    /// Listens. From here on clients wait to be accepted.
    pub(crate) async fn open(listen: Listen) -> Result<Face, Error> {
        let Listen { address, tls, limits } = listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        Ok(Face { listener, tls, limits })
    }

    /// The address, with the port that the system chose where 0 was asked for.
    pub(crate) fn address(&self) -> Result<SocketAddr, Error> {
        self.listener.local_addr().map_err(Error::Runtime)
    }

    /// Answers requests until `stop` changes, then finishes those that are under way, for at most [`DRAIN`].
    pub(crate) async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // Slow heads end, and connections on which nothing follows; slow bodies end with the request's time (H04).
            .header_read_timeout(self.limits.header())
            .max_buf_size(MAX_HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST);
        // While a request is answered nothing moves.
        let patience = self.limits.header() + self.limits.request();
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(std::io::Error::other)?;
                Ok((self.listener.accept().await?.0, place))
            };
            let accepted: std::io::Result<_> = tokio::select! {
                accepted = next => accepted,
                _ = stop.changed() => break,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, most likely: there is nothing to do but to let some of them close.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            let watcher = graceful.watcher();
            let (builder, tls, handshake) = (builder.clone(), self.tls.clone(), self.limits.header());
            connections.spawn(async move {
                let stream = Patient::new(stream, patience);
                // Who speaks which protocol is known beforehand: waiting to find out would have no end.
                let (builder, io): (_, Box<dyn Stream>) = match tls {
                    None => (builder.http1_only(), Box::new(stream)),
                    Some(tls) => match tokio::time::timeout(handshake, tls.accept(stream)).await {
                        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) => {
                            (builder.http2_only(), Box::new(stream))
                        }
                        Ok(Ok(stream)) => (builder.http1_only(), Box::new(stream)),
                        _ => return,
                    },
                };
                let connection = builder.serve_connection(TokioIo::new(io), service);
                // A client that goes away or talks nonsense concerns nobody else.
                let _ = watcher.watch(connection.into_owned()).await;
                drop(place);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time and are cut off");
        }
        // Nobody holds what the router shares any more.
        connections.shutdown().await;
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Reads a PEM chain and key into what accepts TLS 1.2 and 1.3 connections.
fn tls_acceptor(chain: &[u8], key: &[u8]) -> Result<TlsAcceptor, Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&format!("certificate: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong(&format!("key: {error}")))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How long requests that are under way may take to finish once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// As TLS names it (RFC 9113 section 3.1).
const HTTP_2: &[u8] = b"h2";
const MAX_HEAD: usize = 32 * 1024;
const MAX_STREAMS: u32 = 64;
const MAX_HEADER_LIST: u32 = 16 * 1024;
