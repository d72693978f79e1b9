//! The one reader and writer of PEM text (RFC 7468).
//!
//! ```text
//! explanatory text, ignored
//! -----BEGIN PUBLIC KEY-----
//! MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…
//! -----END PUBLIC KEY-----
//! ```
//!
//! The rule: lines end with LF or CRLF, spaces and tabs at a line's end are ignored, a body line may have any length, the
//! base64 of a block is the standard alphabet with exact padding and zero trailing bits, BEGIN and END carry one label, and
//! no line outside a block starts with five dashes. Of RFC 1421's headers only those of legacy encryption are known, and only
//! so that they can be refused by name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// One PEM block.
pub(crate) struct Block {
    /// What stands between `-----BEGIN ` and `-----`.
    pub(crate) label: String,
    /// Whether the block carries a header `Proc-Type: 4,ENCRYPTED`, so that the body is ciphertext.
    pub(crate) legacy_encrypted: bool,
    /// The decoded body; wiped on drop, as it may be a private key.
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl Block {
    /// Refuses the block where its label is another, naming the usual mix-ups.
    pub(crate) fn expect_label(&self, wanted: &'static str) -> Result<()> {
        match self.label.as_str() {
            label if label == wanted => Ok(()),
            "CERTIFICATE" => Err(Error::CertificateGiven),
            "PUBLIC KEY" => Err(Error::PublicKeyGiven),
            label if label.ends_with("PRIVATE KEY") => Err(Error::PrivateKeyGiven),
            label => Err(Error::UnexpectedPem { found: label.to_owned(), wanted }),
        }
    }
}

/// Reads every block of a text; at least one, else [`Error::NoPem`].
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Block>> {
    if text.len() > MAX_TEXT {
        return Err(Error::TooLong { what: "PEM text", limit: MAX_TEXT });
    }
    let mut blocks = Vec::new();
    let mut open: Option<OpenBlock> = None;
    let mut last = 0;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        last = number;
        let line = line.trim_ascii_end();
        let malformed = Error::MalformedPem { line: number };
        match open.take() {
            None => {
                if let Some(label) = boundary(line, b"-----BEGIN ") {
                    open = Some(OpenBlock::new(label?.to_owned(), text.len()));
                } else if line.starts_with(b"-----") {
                    return Err(malformed);
                }
            }
            Some(block) => {
                if let Some(label) = boundary(line, b"-----END ") {
                    if label? != block.label {
                        return Err(malformed);
                    }
                    blocks.push(block.close().ok_or(malformed)?);
                } else {
                    open = Some(block.with_line(line).ok_or(malformed)?);
                }
            }
        }
    }
    if open.is_some() {
        return Err(Error::MalformedPem { line: last });
    }
    if blocks.is_empty() {
        return Err(Error::NoPem);
    }
    Ok(blocks)
}

/// Writes a block with lines of 64 columns, LF and a trailing newline, exactly as OpenSSL prints it.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Reserved at once: growing would leave copies of a private key behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(
        body.len().saturating_mul(2).saturating_add(label.len().saturating_mul(2)).saturating_add(64),
    ));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----");
    for (column, character) in body.chars().enumerate() {
        if column % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// A block whose END line has not been seen yet.
struct OpenBlock {
    label: String,
    legacy_encrypted: bool,
    base64: Zeroizing<Vec<u8>>,
}

impl OpenBlock {
    fn new(label: String, capacity: usize) -> Self {
        Self { label, legacy_encrypted: false, base64: Zeroizing::new(Vec::with_capacity(capacity)) }
    }

    fn with_line(mut self, line: &[u8]) -> Option<Self> {
        if line == b"Proc-Type: 4,ENCRYPTED" && self.base64.is_empty() {
            self.legacy_encrypted = true;
            return Some(self);
        }
        let header = self.legacy_encrypted && self.base64.is_empty();
        if header && (line.is_empty() || line.starts_with(b"DEK-Info: ")) {
            return Some(self);
        }
        if line.is_empty() || line.starts_with(b"-----") {
            return None;
        }
        self.base64.extend_from_slice(line);
        Some(self)
    }

    fn close(self) -> Option<Block> {
        let mut der = Zeroizing::new(Vec::with_capacity(self.base64.len()));
        STANDARD.decode_vec(self.base64.as_slice(), &mut der).ok()?;
        Some(Block { label: self.label, legacy_encrypted: self.legacy_encrypted, der })
    }
}

/// Reads the label of a boundary line; `None` where the line is none, an error where the label is not one.
fn boundary<'a>(line: &'a [u8], prefix: &[u8]) -> Option<Result<&'a str>> {
    let label = line.strip_prefix(prefix)?.strip_suffix(b"-----")?;
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    // A label goes into error messages, so it must be short and printable.
    let checked = (1..=MAX_LABEL).contains(&label.len()) && label.iter().all(plain);
    let label = if checked { std::str::from_utf8(label).ok() } else { None };
    Some(label.ok_or(Error::Malformed { what: "PEM label" }))
}

/// Longest text read: a chain of many certificates stays far below.
const MAX_TEXT: usize = 1 << 20;
/// Longest label read.
const MAX_LABEL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN X-----\nAAEC\n-----END X-----\n";

    fn read(text: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let blocks = parse(text.as_bytes())?;
        Ok(blocks.into_iter().map(|block| (block.label, block.der.to_vec())).collect())
    }

    fn refused(text: &str, line: usize) {
        assert_eq!(read(text), Err(Error::MalformedPem { line }), "{text:?}");
    }

    #[test]
    fn reads_blocks_between_explanatory_text() {
        let text = format!("subject=X\n{BLOCK}\n  --- \nmore: text\n{BLOCK}after");
        assert_eq!(read(&text).unwrap(), vec![("X".into(), vec![0, 1, 2]); 2]);
    }

    #[test]
    fn reads_crlf_and_trailing_blanks_and_any_line_length() {
        let text = "-----BEGIN X-----  \r\nAA\r\nEC \t\r\n-----END X-----";
        assert_eq!(read(text).unwrap(), [("X".into(), vec![0, 1, 2])]);
    }

    #[test]
    fn writes_lines_of_64_columns() {
        for (length, lines) in [(0, 0), (1, 1), (48, 1), (49, 2), (96, 2)] {
            let text = encode("X", &vec![7; length]);
            let body: Vec<_> = text.lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(body.len(), lines);
            assert!(body.iter().all(|line| line.len() <= 64) && text.ends_with("-----END X-----\n"));
            assert_eq!(read(&text).unwrap(), [("X".into(), vec![7; length])]);
        }
    }

    #[test]
    fn refuses_text_without_a_block() {
        for text in ["", "\n\n", "hello", " -----BEGIN X-----\nAAEC\n"] {
            assert_eq!(read(text), Err(Error::NoPem));
        }
    }

    #[test]
    fn refuses_broken_boundaries() {
        refused("-----BEGIN X-----\nAAEC\n", 3);
        refused("-----BEGIN X-----\nAAEC\n-----END Y-----\n", 3);
        refused("-----BEGIN X-----\n-----BEGIN X-----\n", 2);
        refused("-----END X-----\n", 1);
        refused("-----BEGIN X----\nAAEC\n-----END X-----\n", 1);
        refused("----- X\n", 1);
        refused(&format!("{BLOCK}-----BEGIN X-----\n"), 5);
        refused("-----BEGIN X-----\nAAEC", 2);
        refused(&format!("{BLOCK}-----BEGIN X-----\nAAEC"), 5);
    }

    #[test]
    fn refuses_labels_that_a_terminal_would_obey() {
        for label in ["", "x", "\u{1b}[2J", "A\tB", &"A".repeat(65)] {
            let text = format!("-----BEGIN {label}-----\nAAEC\n-----END {label}-----\n");
            assert!(read(&text).is_err(), "{label:?}");
        }
    }

    #[test]
    fn b03_refuses_every_other_spelling_of_base64() {
        for body in ["AAE", "AAE=\nAAEC", "AA=", "AAF=", "AB==", "AA_-", "A AE", "AAEC=", "====", "AA:C"] {
            refused(&format!("-----BEGIN X-----\n{body}\n-----END X-----\n"), 2 + body.lines().count());
        }
        refused("-----BEGIN X-----\nAAEC\n\nAAEC\n-----END X-----\n", 3);
    }

    #[test]
    fn knows_legacy_encryption_and_no_other_header() {
        let head = "-----BEGIN X-----\n";
        let tail = "\nAAEC\n-----END X-----\n";
        let legacy = format!("{head}Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,00\n{tail}");
        assert!(parse(legacy.as_bytes()).unwrap()[0].legacy_encrypted);
        for header in [
            "DEK-Info: DES-CBC,00\n",
            "Proc-Type: 4,CLEAR\n",
            "Comment: x\n",
            "Proc-Type: 4,ENCRYPTED\nX: y\n",
        ] {
            assert!(parse(format!("{head}{header}{tail}").as_bytes()).is_err(), "{header}");
        }
    }

    #[test]
    fn b07_refuses_a_text_above_the_cap() {
        let text = " ".repeat(MAX_TEXT + 1);
        assert_eq!(read(&text), Err(Error::TooLong { what: "PEM text", limit: MAX_TEXT }));
    }
}
