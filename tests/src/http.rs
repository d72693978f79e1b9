//! A small HTTP client that sends exactly the bytes it is given, one connection a request.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer as it came, but for chunks, which are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Gives the first value of a header, empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// Reads the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Gives the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Gets a path.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, "", b"").unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Posts a body.
///
/// # Errors
///
/// Where no whole answer came.
pub fn post(address: SocketAddr, path: &str, body: &[u8]) -> io::Result<Answer> {
    request(address, "POST", path, "Content-Type: application/json\r\n", body)
}

/// Makes one request with further header lines, each with its line end.
///
/// # Errors
///
/// Where no whole answer came.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> io::Result<Answer> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    let answer = exchange(address, &[head.as_bytes(), body].concat())?;
    parse(&answer, method == "HEAD").map(|(answer, _)| answer)
}

/// Sends bytes and reads whatever comes until the other side closes, or says nothing for ten seconds.
///
/// # Errors
///
/// Where the connection fails before anything came.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server that refuses half a request may reset the connection behind its answer.
        Err(error) if answer.is_empty() => Err(error),
        _ if answer.is_empty() => sent.map(|()| answer),
        _ => Ok(answer),
    }
}

/// Reads an answer from the front of `bytes`, and gives what follows it.
///
/// # Errors
///
/// Where it is cut short.
pub fn parse(bytes: &[u8], head_only: bool) -> io::Result<(Answer, &[u8])> {
    let cut = || io::Error::other("the answer was cut off");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let mut rest = &bytes[end + 4..];
    if head_only {
        return Ok((answer, rest));
    }
    if answer.header("transfer-encoding") == "chunked" {
        loop {
            let line = rest.windows(2).position(|window| window == b"\r\n").ok_or_else(cut)?;
            let length = std::str::from_utf8(&rest[..line]).ok();
            let length = length.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or_else(cut)?;
            let chunk = rest.get(line + 2..line + 2 + length).ok_or_else(cut)?;
            answer.body.extend_from_slice(chunk);
            rest = rest.get(line + 4 + length..).ok_or_else(cut)?;
            if length == 0 {
                return Ok((answer, rest));
            }
        }
    }
    let length: usize = answer.header("content-length").parse().unwrap_or(0);
    answer.body = rest.get(..length).ok_or_else(cut)?.to_vec();
    Ok((answer, &rest[length..]))
}

/// Longer than a served log takes to answer anything.
const PATIENCE: Duration = Duration::from_secs(30);
