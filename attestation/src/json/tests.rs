use proptest::prelude::*;
use serde_json::Value;

use super::*;

const WIDE: Limits = Limits { bytes: 64 << 20, depth: 64, values: 4 << 20 };

fn read(text: &str) -> Result<Json<'_>, Error> {
    parse(text.as_bytes(), WIDE)
}

fn refused(text: &[u8]) -> bool {
    matches!(parse(text, WIDE), Err(Error::Json(_)))
}

fn string(text: &str) -> Json<'_> {
    Json::String(text.into())
}

/// Runs on a stack of 512 KiB, so that recursion over the input would end the test run.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 << 10).spawn(test).unwrap().join().unwrap();
}

#[test]
fn values_keep_their_kind() {
    let text = r#"[null, true, 7, -7, 7.0, 7e0, "a\n", [], {"k": "v"}]"#;
    let expected = vec![
        Json::Null,
        Json::Bool(true),
        Json::Unsigned(7),
        Json::Negative(-7),
        Json::Float(7.0),
        Json::Float(7.0),
        string("a\n"),
        Json::Array(vec![]),
        Json::Object(vec![("k".into(), string("v"))]),
    ];
    assert_eq!(read(text).unwrap(), Json::Array(expected));
}

#[test]
fn strings_without_escapes_are_not_copied() {
    let Json::Array(list) = read(r#"["plain", "esc\u0061ped"]"#).unwrap() else { panic!() };
    assert!(matches!(list[0], Json::String(Cow::Borrowed("plain"))));
    assert!(matches!(&list[1], Json::String(Cow::Owned(text)) if text == "escaped"));
}

#[test]
fn b01_a_hundred_thousand_levels_are_refused_without_overflow() {
    on_a_small_stack(|| {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
            let closed = open.repeat(100_000) + "0" + &close.repeat(100_000);
            for text in [open.repeat(100_000), closed] {
                let found = parse(text.as_bytes(), WIDE);
                assert!(matches!(found, Err(Error::TooDeep { limit: 64 })), "{open}: {found:?}");
            }
        }
    });
}

#[test]
fn b01_the_cap_on_depth_is_exact() {
    let limits = Limits { depth: 3, ..WIDE };
    for deepest in ["[[[1]]]", r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":[]}]"#] {
        assert!(parse(deepest.as_bytes(), limits).is_ok(), "{deepest}");
    }
    for deeper in ["[[[[]]]]", r#"{"a":{"a":{"a":{}}}}"#, r#"[{"a":[{}]}]"#] {
        assert!(matches!(parse(deeper.as_bytes(), limits), Err(Error::TooDeep { limit: 3 })), "{deeper}");
    }
}

#[test]
fn b01_a_cap_above_the_parsers_own_is_still_no_overflow() {
    on_a_small_stack(|| {
        let limits = Limits { depth: usize::MAX, ..WIDE };
        assert!(matches!(parse("[".repeat(100_000).as_bytes(), limits), Err(Error::Json(_))));
    });
}

#[test]
fn b06_a_million_elements_stop_at_the_cap() {
    let limits = Limits { values: 1_000, ..WIDE };
    // What follows the cap is never looked at: the text is not even JSON there.
    for element in ["0,", "[],", "{},", r#""","#, "null,", r#"{"a":[{}]},"#] {
        let text = format!("[{}", element.repeat(1_000_000));
        let found = parse(text.as_bytes(), limits);
        assert!(matches!(found, Err(Error::TooManyValues { limit: 1_000 })), "{element}: {found:?}");
    }
    let members: String = (0..1_000_000).map(|index| format!(r#""{index}":0,"#)).collect();
    let text = format!("{{{members}");
    let found = parse(text.as_bytes(), limits);
    assert!(matches!(found, Err(Error::TooManyValues { limit: 1_000 })));
}

#[test]
fn b06_the_cap_counts_keys_and_values() {
    let count = |text: &str, values| parse(text.as_bytes(), Limits { values, ..WIDE }).is_ok();
    for (text, values) in [("0", 1), ("[]", 1), ("[0,1]", 3), (r#"{"a":0}"#, 3), (r#"[{"a":[0]}]"#, 5)] {
        assert!(count(text, values), "{text}");
        assert!(!count(text, values - 1), "{text}");
    }
}

#[test]
fn b07_the_cap_on_bytes_holds_before_anything_is_read() {
    let limits = Limits { bytes: 10, ..WIDE };
    assert!(parse(b"\"12345678\"", limits).is_ok());
    for text in ["\"123456789\"", "not json at all"] {
        let found = parse(text.as_bytes(), limits);
        assert!(matches!(found, Err(Error::TooLarge { size, limit: 10 }) if size == text.len()), "{text}");
    }
}

#[test]
fn b07_long_strings_keys_and_numbers_are_read_in_linear_time() {
    let long = "x".repeat(20 << 20);
    assert_eq!(read(&format!("{long:?}")).unwrap(), string(&long));
    let object = format!("{{{long:?}: 1}}");
    let Json::Object(members) = read(&object).unwrap() else { panic!() };
    assert_eq!(members[0].0, long);
    let digits = "9".repeat(1_000_000);
    let dot = format!("0.{digits}");
    // Too large for a double, or just about one: refused or rounded, at once and without harm.
    for number in [digits.clone(), format!("-{digits}"), format!("1e{digits}"), dot, format!("1e-{digits}")] {
        match read(&number) {
            Ok(Json::Float(value)) => assert!(value.is_finite()),
            other => assert!(matches!(other, Err(Error::Json(_))), "{other:?}"),
        }
    }
}

#[test]
fn b09_only_one_utf8_document_is_json() {
    for text in [
        &b""[..],
        b" ",
        b"\xef\xbb\xbf{}",
        b"\xef\xbb\xbf",
        b"{} {}",
        b"{}{}",
        b"{},",
        b"{}\0",
        b"\0",
        b"1 2",
        b"[] x",
        b"[1,]",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{a:1}",
        b"{1:1}",
        b"{null:1}",
        b"{[]:1}",
        b"// comment\n{}",
        b"{}/* comment */",
        b"NaN",
        b"-NaN",
        b"Infinity",
        b"-Infinity",
        b"nan",
        b"True",
        b"nul",
        b"[1",
        b"\"\\ud800\"",
        b"\"\\udc00\"",
        b"\"\\ud800\\ud800\"",
        b"\"\\udc00\\ud800\"",
        b"\"\\ud800x\"",
        b"{\"\\ud800\":1}",
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\\u00g0\"",
        b"\"\\x41\"",
        b"\"\n\"",
        b"\"\x00\"",
        b"\"\t\"",
        b"\x0c{}",
        b"\xc2\xa0{}",
    ] {
        assert!(refused(text), "{:?}", String::from_utf8_lossy(text));
    }
    for text in ["{}", " {} ", "\t\r\n{}\n", "null"] {
        assert!(read(text).is_ok(), "{text:?}");
    }
    assert_eq!(read(r#""\u0000\ud83d\ude00""#).unwrap(), string("\0\u{1f600}"));
}

#[test]
fn b09_numbers_have_one_grammar() {
    for text in ["01", "-01", "+1", "1.", ".1", "-", "-.1", "1e", "1e+", "0x1", "1_000", "1e400", "-1e400"] {
        assert!(refused(text.as_bytes()), "{text}");
    }
    assert_eq!(read("18446744073709551615").unwrap(), Json::Unsigned(u64::MAX));
    assert_eq!(read("-9223372036854775808").unwrap(), Json::Negative(i64::MIN));
    assert!(matches!(read("18446744073709551616").unwrap(), Json::Float(_)));
    assert!(matches!(read("-9223372036854775809").unwrap(), Json::Float(_)));
}

#[test]
fn d12_duplicate_keys_are_refused_at_every_level() {
    let twice = r#"{"a":1,"b":2,"a":1}"#;
    let spelt = r#"{"\u0061":1,"b":2,"a":1}"#;
    let spelt_later = r#"{"a":1,"b":2,"\u0061":1}"#;
    for object in [twice, spelt, spelt_later] {
        for text in [
            object.to_owned(),
            format!("[{object}]"),
            format!(r#"{{"x":{object}}}"#),
            format!(r#"{{"x":[[0,{{"y":{object}}}]]}}"#),
        ] {
            assert!(matches!(read(&text), Err(Error::DuplicateKey(key)) if key == "a"), "{text}");
        }
    }
    for text in [
        r#"{"":1,"":2}"#,
        r#"{"a":null,"a":null}"#,
        r#"{"\n":1,"\u000a":2}"#,
        r#"{"é":1,"\u00e9":2}"#,
        r#"{"😀":1,"\ud83d\ude00":2}"#,
        r#"{"/":1,"\/":2}"#,
    ] {
        assert!(matches!(read(text), Err(Error::DuplicateKey(_))), "{text}");
    }
    // Other keys that only look alike are no duplicates: nothing is normalised.
    assert!(read("{\"a\":1,\"A\":1,\"a \":1,\"\u{e9}\":1,\"e\u{301}\":1}").is_ok());
    assert!(read(r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#).is_ok());
}

#[test]
fn d12_duplicate_keys_are_found_in_objects_of_every_size() {
    for members in [2_usize, 7, 8, 9, 10, 100, 10_000] {
        let keys: Vec<String> = (0..members).map(|index| format!("k{index}")).collect();
        let object = |keys: &[String]| {
            let members: Vec<String> = keys.iter().map(|key| format!("{key:?}:0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(read(&object(&keys)).is_ok(), "{members}");
        for (from, to) in [(0, members - 1), (members - 1, 0), (members / 2, members - 1), (0, 1)] {
            if from == to {
                continue;
            }
            let mut doubled = keys.clone();
            doubled[to] = keys[from].clone();
            let text = object(&doubled);
            let found = read(&text);
            assert!(
                matches!(&found, Err(Error::DuplicateKey(key)) if *key == keys[from]),
                "{members}: {from} to {to}"
            );
        }
    }
}

#[test]
fn d12_duplicates_count_before_trailing_faults() {
    // The refusal that is reported is the first one met, also where the rest is not JSON.
    assert!(matches!(read(r#"[{"a":1,"a":1}, oops"#), Err(Error::DuplicateKey(_))));
    assert!(matches!(read(r#"[oops, {"a":1,"a":1}]"#), Err(Error::Json(_))));
}

#[test]
fn d13_64_bit_integers_have_one_spelling() {
    for (text, value) in [("0", 0), ("1", 1), ("10", 10), ("9223372036854775807", 9_223_372_036_854_775_807)]
    {
        assert_eq!(string(text).int64().unwrap(), value);
    }
    for text in [
        "",
        "01",
        "00",
        "+1",
        "-1",
        "-0",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "1_0",
        "\u{661}",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1\n",
        "one",
    ] {
        assert!(matches!(string(text).int64(), Err(Error::Shape { .. })), "{text:?}");
    }
    for value in [Json::Unsigned(1), Json::Negative(-1), Json::Float(1.0), Json::Null, Json::Bool(true)] {
        assert!(matches!(value.clone().int64(), Err(Error::Shape { .. })), "{value:?}");
    }
}

#[test]
fn d13_hexadecimal_is_lower_case_and_whole() {
    assert_eq!(string("00ff").hex().unwrap(), [0, 255]);
    assert!(string("").hex().unwrap().is_empty());
    for text in ["00FF", "00fF", "0", "0g", "0x00", " 00", "00 ", "00\n", "\u{ff10}0"] {
        assert!(matches!(string(text).hex(), Err(Error::Shape { .. })), "{text:?}");
    }
}

#[test]
fn b03_base64_has_one_spelling() {
    assert_eq!(string("+/8=").base64().unwrap(), [0xfb, 0xff]);
    assert!(string("").base64().unwrap().is_empty());
    for text in
        ["+/8", "-_8=", "+/9=", "+/8==", "+/8=\n", " +/8=", "+ /8=", "=", "====", "A", "AA", "AAA", "é"]
    {
        assert!(matches!(string(text).base64(), Err(Error::Shape { .. })), "{text:?}");
    }
}

#[test]
fn d13_readers_take_one_type_only() {
    type Reader = fn(Json<'_>) -> Result<(), Error>;
    let readers: [(&str, Reader); 7] = [
        ("object", |json| json.object().map(drop)),
        ("array", |json| json.list(9, |_| Ok(())).map(drop)),
        ("string", |json| json.string().map(drop)),
        ("bool", |json| json.bool().map(drop)),
        ("string", |json| json.base64().map(drop)),
        ("string", |json| json.hex().map(drop)),
        ("string", |json| json.int64().map(drop)),
    ];
    let values = [
        ("null", Json::Null),
        ("bool", Json::Bool(false)),
        ("number", Json::Unsigned(0)),
        ("number", Json::Negative(-1)),
        ("number", Json::Float(0.5)),
        ("string", string("00000000")),
        ("array", Json::Array(vec![])),
        ("object", Json::Object(vec![])),
    ];
    for (wanted, reader) in readers {
        for (kind, value) in &values {
            let found = reader(value.clone());
            if *kind != wanted {
                assert!(matches!(found, Err(Error::Shape { .. })), "{kind} as {wanted}");
            }
        }
    }
    assert!(string("x").string().is_ok() && Json::Bool(true).bool().unwrap());
}

#[test]
fn b06_lists_are_capped_before_their_elements_are_read() {
    let mut seen = 0;
    let list = Json::Array(vec![Json::Null; 4]);
    let found = list.clone().list(3, |_| {
        seen += 1;
        Ok(())
    });
    assert!(matches!(found, Err(Error::TooMany { limit: 3, .. })));
    assert_eq!(seen, 0);
    assert_eq!(list.list(4, |_| Ok(())).unwrap().len(), 4);
}

#[test]
fn b08_null_is_absent() {
    let text = r#"{"null":null,"value":"x"}"#;
    let object = || read(text).unwrap().object().unwrap();
    assert_eq!(object().take_optional("null", Json::string).unwrap(), None);
    assert_eq!(object().take_optional("absent", Json::string).unwrap(), None);
    assert_eq!(object().take_optional("value", Json::string).unwrap().unwrap(), "x");
    for name in ["null", "absent"] {
        let found = object().take(name, Json::string);
        assert!(matches!(found, Err(Error::Missing { path }) if path == name));
    }
    // Taking a null takes it: nothing is left over to be called unknown.
    let mut object = object();
    object.take_optional("null", Json::string).unwrap();
    assert!(object.has("value") && !object.has("null"));
    object.take("value", Json::string).unwrap();
    object.finish().unwrap();
}

#[test]
fn b08_what_is_left_is_unknown_also_where_it_is_null() {
    for text in [r#"{"a":1,"b":2}"#, r#"{"b":null,"a":1}"#] {
        let mut object = read(text).unwrap().object().unwrap();
        object.take("a", |_| Ok(())).unwrap();
        assert!(matches!(object.finish(), Err(Error::UnknownField { path }) if path == "b"), "{text}");
    }
}

#[test]
fn errors_say_where() {
    let text = r#"{"a":[{"b":{"c":1}},{"b":{"c":"x"}}]}"#;
    let mut object = read(text).unwrap().object().unwrap();
    let found = object.take("a", |list| {
        list.list(9, |element| {
            element.object()?.take("b", |b| b.object()?.take("c", |c| c.string().map(drop)))
        })
    });
    assert_eq!(found.unwrap_err().to_string(), "a[0].b.c: expected a string");
}

/// Whether a value is what another reader made of the same text.
fn same(ours: &Json<'_>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Json::Unsigned(ours), theirs) => theirs.as_u64() == Some(*ours),
        (Json::Negative(ours), theirs) => theirs.as_i64() == Some(*ours),
        (Json::Float(ours), theirs) => theirs.is_f64() && theirs.as_f64() == Some(*ours),
        (Json::String(ours), Value::String(theirs)) => ours == theirs,
        (Json::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Json::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, value)| theirs.get(key.as_ref()).is_some_and(|it| same(value, it)))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn b09_what_is_accepted_means_the_same_to_another_reader(
        text in r#"([\[\]{}:, ]|"a"|"b"|"\\u0061"|"\\ud800"|0|1|-1|1\.5|1e2|null|true|01|\x00|é){0,12}"#
    ) {
        if let Ok(value) = read(&text) {
            prop_assert!(same(&value, &serde_json::from_str(&text).unwrap()), "{}", text);
        }
    }

    #[test]
    fn b09_no_bytes_crash_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(parse(&bytes, WIDE));
    }
}
