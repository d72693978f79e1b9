use super::*;

fn refused(text: &str) -> PathError {
    ModelPath::parse(text).expect_err(text)
}

#[test]
fn ordinary_names_are_accepted() {
    for text in [
        "config.json",
        "weights/model-00001-of-00002.safetensors",
        ".gitattributes",
        "a b/c d",
        " leading space",
        "…and more",
        "größe/重み/モデル.bin",
        "modèle",
        "com10",
        "console",
        "nullable.txt",
        "a;b[1]{2}(3)!@#$%^&=+,~`'",
    ] {
        let path = ModelPath::parse(text).expect(text);
        assert_eq!(path.as_str(), text);
        assert_eq!(path.components().collect::<Vec<_>>().join("/"), text);
    }
}

#[test]
fn f01_traversal_and_malformed_names_are_refused() {
    assert_eq!(refused(""), PathError::Empty);
    for text in ["/", "/etc/passwd", "//a"] {
        assert_eq!(refused(text), PathError::Absolute);
    }
    for text in ["../x", "sub/../a", "./a", "a/.", "a/..", ".", ".."] {
        assert_eq!(refused(text), PathError::DotComponent, "{text}");
    }
    for text in ["a//b", "a/"] {
        assert_eq!(refused(text), PathError::EmptyComponent, "{text}");
    }
    assert_eq!(refused("a\0b"), PathError::Control('\0'));
}

#[test]
fn f02_names_that_windows_reads_otherwise_are_refused() {
    for (text, character) in [
        ("C:\\windows", ':'),
        ("a\\b", '\\'),
        ("file:stream", ':'),
        ("a<b", '<'),
        ("a>b", '>'),
        ("a\"b", '"'),
        ("a|b", '|'),
        ("a?b", '?'),
        ("a*b", '*'),
    ] {
        assert_eq!(refused(text), PathError::NotPortable(character), "{text}");
    }
    for text in ["a ", "a.", "dir /a", "dir./a", "a. .", "..."] {
        assert_eq!(refused(text), PathError::TrailingSpaceOrDot, "{text}");
    }
    for text in [
        "CON",
        "con",
        "Nul",
        "NUL.txt",
        "nul.tar.gz",
        "AUX .bin",
        "PRN",
        "COM1",
        "com9.dat",
        "LPT1",
        "lpt9",
        "COM¹",
        "CONIN$",
        "conout$",
        "dir/nul/file",
    ] {
        assert!(matches!(refused(text), PathError::Reserved(_)), "{text}");
    }
}

#[test]
fn f10_control_and_formatting_characters_are_refused() {
    for character in ['\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}'] {
        assert_eq!(refused(&format!("a{character}b")), PathError::Control(character));
    }
    for character in [
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{fffb}',
        '\u{e0041}',
    ] {
        assert_eq!(refused(&format!("a{character}b")), PathError::Format(character));
    }
}

#[test]
fn f01_characters_that_stand_for_separators_and_dots_are_refused() {
    assert_eq!(refused("‥"), PathError::DotComponent);
    assert_eq!(refused("a/․․/b"), PathError::DotComponent);
    assert_eq!(refused("a／b"), PathError::NotPortable('／'));
    assert_eq!(refused("a＼b"), PathError::NotPortable('＼'));
    assert_eq!(refused("℀"), PathError::NotPortable('℀'));
}

#[test]
fn f09_length_and_depth_are_bounded() {
    assert!(ModelPath::parse(&"a".repeat(255)).is_ok());
    assert_eq!(refused(&"a".repeat(256)), PathError::ComponentTooLong);
    // 255 bytes are 127 times «é» and one «a» more.
    assert_eq!(refused(&"é".repeat(128)), PathError::ComponentTooLong);

    assert!(ModelPath::parse(&vec!["d"; 128].join("/")).is_ok());
    assert_eq!(refused(&vec!["d"; 129].join("/")), PathError::TooDeep);

    let long = vec!["d".repeat(240); 17].join("/");
    assert_eq!(long.len(), 4096);
    assert!(ModelPath::parse(&long).is_ok());
    assert_eq!(refused(&format!("{long}d")), PathError::TooLong);
}

#[test]
fn joining_keeps_the_same_rules() {
    let parent = ModelPath::parse("a/b").unwrap();
    assert_eq!(ModelPath::join(Some(&parent), 2, "c").unwrap().as_str(), "a/b/c");
    assert_eq!(ModelPath::join(None, 0, "c").unwrap().as_str(), "c");
    for name in ["..", "", "a\\b", "nul", "x\u{202e}y"] {
        assert!(ModelPath::join(Some(&parent), 2, name).is_err(), "{name}");
    }
    assert_eq!(ModelPath::join(Some(&parent), 128, "c"), Err(PathError::TooDeep));
    let long = ModelPath::parse(&vec!["d".repeat(240); 17].join("/")).unwrap();
    assert_eq!(ModelPath::join(Some(&long), 17, "c"), Err(PathError::TooLong));
}

#[test]
fn order_is_that_of_code_points() {
    let mut paths: Vec<_> = ["sub/x", "sub-a.txt", "Z", "a", "é", "\u{10000}", "\u{ff5e}"]
        .map(|text| ModelPath::parse(text).unwrap())
        .into();
    paths.sort();
    let texts: Vec<_> = paths.iter().map(ModelPath::as_str).collect();
    assert_eq!(texts, ["Z", "a", "sub-a.txt", "sub/x", "é", "\u{ff5e}", "\u{10000}"]);
}
