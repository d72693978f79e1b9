//! JSONTestSuite: what RFC 8259 accepts, our reader accepts, but for the two documents with a key twice.

use sealwax_attestation::Error;
use sealwax_attestation::json::{Limits, parse};

use crate::{find, list, name, read};

/// The documents of the suite that RFC 8259 takes and a reader of signed documents must not (attack D12).
const DUPLICATES: [&str; 2] = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];

const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 64, values: 1 << 16 };

#[test]
fn b09_json_test_suite() {
    let Some(folder) = find("json-test-suite/test_parsing") else { return };
    let (mut accepted, mut refused, mut free) = (0, 0, 0);
    for path in list(&folder) {
        let (name, text) = (name(&path), read(&path));
        let verdict = parse(&text, LIMITS).map(drop);
        match name.split_once('_').unwrap().0 {
            "y" if DUPLICATES.contains(&name) => {
                assert!(matches!(verdict, Err(Error::DuplicateKey(_))), "{name}: {verdict:?}");
            }
            "y" => {
                verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
                accepted += 1;
            }
            "n" => {
                assert!(verdict.is_err(), "{name}");
                refused += 1;
            }
            // Implementation defined: any verdict, but a verdict.
            "i" => free += 1,
            _ => panic!("{name}"),
        }
    }
    assert_eq!((accepted, refused, free), (93, 188, 35));
}

#[test]
fn b09_implementation_defined_documents_have_a_written_verdict() {
    let Some(folder) = find("json-test-suite/test_parsing") else { return };
    // Numbers that a double can only round are taken as such, and nothing here reads one as a number; lone surrogates,
    // other encodings than UTF-8, a byte-order mark and 500 levels are refused.
    const TAKEN: [&str; 5] = [
        "i_number_double_huge_neg_exp.json",
        "i_number_real_underflow.json",
        "i_number_too_big_neg_int.json",
        "i_number_too_big_pos_int.json",
        "i_number_very_big_negative_int.json",
    ];
    for path in list(&folder) {
        let name = name(&path);
        if !name.starts_with("i_") {
            continue;
        }
        assert_eq!(parse(&read(&path), LIMITS).is_ok(), TAKEN.contains(&name), "{name}");
    }
}
