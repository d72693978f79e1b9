//! RFC 8785 as the dependency writes it: the form in which log entries are hashed.

use std::process::Command;

use serde_json::Value;

use crate::{find, list, name, read};

fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap()
}

#[test]
fn rfc_8785_documents() {
    let Some(folder) = find("jcs") else { return };
    let inputs = list(&folder.join("input"));
    for input in &inputs {
        let value = serde_json::from_slice(&read(input)).unwrap();
        let expected = read(&folder.join("output").join(name(input)));
        assert_eq!(canonical(&value), expected, "{}", name(input));
        let hex = read(&folder.join("outhex").join(input.with_extension("txt").file_name().unwrap()));
        let hex: String = String::from_utf8(hex).unwrap().split_whitespace().collect();
        assert_eq!(hex::encode(canonical(&value)), hex, "{}", name(input));
    }
    assert_eq!(inputs.len(), 6);
}

#[test]
fn rfc_8785_numbers() {
    let Some(path) = find("jcs/es6testfile100k.txt.gz") else { return };
    let Ok(output) = Command::new("gzip").arg("-dc").arg(&path).output() else {
        println!("skipped: numbers of RFC 8785 (no gzip)");
        return;
    };
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    for line in lines.lines() {
        let (bits, expected) = line.split_once(',').unwrap();
        let number = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        assert_eq!(canonical(&Value::from(number)), expected.as_bytes(), "{bits}");
    }
    assert_eq!(lines.lines().count(), 100_000);
}
