//! What model_signing 0.2 signed: a statement of its own type, in an encoding of its own making.

use crate::world::FILES;

/// A statement as that release wrote it about [`FILES`], with every character that its encoding has to spell out.
pub(crate) fn payload() -> String {
    let manifest = crate::world::manifest(&FILES);
    let rows = manifest.resources().iter().map(|resource| {
        let digest: String = resource.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            r#"{{"name":"{}","digest":{{"sha256":"{digest}"}},"annotations":{{"note":"it's a \\ in caf{}"}}}}"#,
            resource.name, '\u{e9}'
        )
    });
    format!(
        "{{\n  \"_type\": \"https://in-toto.io/Statement/v1\",\n\t\"subject\": [{}],\r\n  \
         \"predicateType\": \"https://model_signing/Digests/v0.1\",\n  \"predicate\": {{}}\n}}",
        rows.collect::<Vec<_>>().join(",\n")
    )
}

/// The message that was signed for a payload: its bytes as Python prints them.
pub(crate) fn message(payload: &str) -> String {
    let printed = payload
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
        .replace('\u{e9}', "\\xc3\\xa9");
    format!("DSSEV1 28 application/vnd.in-toto+json {} b'{printed}'", payload.len())
}
