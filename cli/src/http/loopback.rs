//! The address on this machine that a browser is sent back to after a login (RFC 8252 section 7.3).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use reqwest::Url;
use zeroize::Zeroizing;

/// A port that only this machine reaches.
pub(crate) struct Loopback {
    listener: TcpListener,
    url: String,
}

impl Loopback {
    /// Listens on a port that the system chooses.
    ///
    /// # Errors
    /// A sentence, where there is none.
    pub(crate) fn listen() -> Result<Self, String> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, address) =
            bound.map_err(|error| format!("cannot listen on 127.0.0.1 for the browser: {error}"))?;
        Ok(Self { listener, url: format!("http://{address}{PATH}") })
    }

    /// Gives the URL to send the browser to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until a browser comes, and gives the parameters that it brings; `None` where none came in time.
    ///
    /// Every connection has its own thread, because browsers open some that they never use; all end with the process.
    pub(crate) fn wait(self, patience: Duration) -> Option<Vec<(String, Zeroizing<String>)>> {
        let (sender, receiver) = mpsc::channel();
        let base = Url::parse(&self.url).ok()?;
        thread::spawn(move || {
            for stream in self.listener.incoming().flatten() {
                let (base, sender) = (base.clone(), sender.clone());
                thread::spawn(move || serve(stream, &base, &sender));
            }
        });
        receiver.recv_timeout(patience).ok()
    }
}

/// Answers one request. One that is not the browser's return is told so, and changes nothing.
fn serve(stream: TcpStream, base: &Url, sender: &Sender<Vec<(String, Zeroizing<String>)>>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut head = Zeroizing::new(String::new());
    let mut reader = BufReader::new(stream.take(MAX_HEAD));
    reader.read_line(&mut head).ok()?;
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    let url = base.join(target).ok().filter(|url| url.path() == PATH && target.starts_with('/'));
    let (status, words) = match &url {
        Some(_) => ("200 OK", "You can close this window and go back to the terminal."),
        None => ("404 Not Found", "There is nothing here."),
    };
    // The rest of the request is read, or the answer might be lost with the connection.
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
        line.clear();
    }
    let page = format!("<!doctype html><meta charset=utf-8><title>Sealwax</title><p>{words}</p>\n");
    let length = page.len();
    let answered = write!(
        writer,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}"
    );
    let parameters =
        url?.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    // A page that could not be shown takes nothing from the login, nor does a second visit.
    drop(answered);
    sender.send(parameters).ok()
}

const PATH: &str = "/callback";
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_HEAD: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(url: &str, request: &str) -> String {
        let address = url.strip_prefix("http://").unwrap().strip_suffix(PATH).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn the_first_visit_to_the_right_path_ends_the_wait() {
        let loopback = Loopback::listen().unwrap();
        let url = loopback.url().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"));
        let browser = thread::spawn(move || {
            // A connection that is opened ahead and never used.
            let idle = TcpStream::connect(url.strip_prefix("http://").unwrap().strip_suffix(PATH).unwrap());
            for other in ["GET /favicon.ico HTTP/1.1\r\n\r\n", "GET /callbacks?code=1 HTTP/1.1\r\n\r\n"] {
                assert!(visit(&url, other).starts_with("HTTP/1.1 404"), "{other}");
            }
            assert_eq!(visit(&url, "POST /callback?code=1 HTTP/1.1\r\n\r\n"), "");
            assert_eq!(visit(&url, &"x".repeat(100_000)), "");
            let come = visit(&url, "GET /callback?code=a%26b&state=s HTTP/1.1\r\nHost: x\r\n\r\n");
            assert!(come.starts_with("HTTP/1.1 200"), "{come}");
            drop(idle);
        });
        let parameters = loopback.wait(Duration::from_secs(20)).unwrap();
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(parameters, [("code", "a&b"), ("state", "s")]);
        browser.join().unwrap();
    }

    #[test]
    fn nobody_is_waited_for_for_ever() {
        assert!(Loopback::listen().unwrap().wait(Duration::from_millis(10)).is_none());
    }
}
