//! Small HTTP servers for tests, on ports of this machine, one thread a connection; they end with the test's process.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The parameters of the query.
    pub query: HashMap<String, String>,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads the body as a form.
    pub fn form(&self) -> HashMap<String, String> {
        parameters(&String::from_utf8_lossy(&self.body))
    }

    /// Gives a header, empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body of some media type.
    Whole(u16, &'static str, Vec<u8>),
    /// A status, further header lines, each with its line end, and no body.
    Headers(u16, String),
    /// 200, and bytes without end.
    Endless,
}

impl Reply {
    /// Answers with JSON.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::Whole(status, "application/json", value.to_string().into_bytes())
    }

    /// Answers 200 with a page for people.
    pub fn page() -> Self {
        Self::Whole(200, "text/html", b"<html><body>Welcome</body></html>".to_vec())
    }

    /// Sends the client elsewhere.
    pub fn redirect(to: &str) -> Self {
        Self::Headers(302, format!("Location: {to}\r\n"))
    }
}

/// Answers on a port of this machine, and gives its address.
pub fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // A client that goes away in the middle has heard enough.
            thread::spawn(move || drop(converse(stream, answer.as_ref())));
        }
    });
    address
}

fn converse(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Reply) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|text: &String| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), parameters(query));
    let (status, more, body) = match answer(&Request { method, path, query, headers, body }) {
        Reply::Whole(status, media_type, body) => (status, format!("Content-Type: {media_type}\r\n"), body),
        Reply::Headers(status, more) => (status, more, Vec::new()),
        Reply::Endless => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"a\":\"",
            )?;
            loop {
                stream.write_all(&[b'a'; 65_536])?;
            }
        }
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} -\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n")?;
    stream.write_all(&body)
}

/// Reads a query or a form.
fn parameters(text: &str) -> HashMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((decode(name), decode(value)))
    };
    text.split('&').filter_map(pair).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit.unwrap_or_default()));
                let digits = digits.map(|digit| digit.to_digit(16).unwrap_or_default());
                u8::try_from(digits[0] * 16 + digits[1]).unwrap_or_default()
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
