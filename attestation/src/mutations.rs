//! Every place of a JSON document in turn made absent, null or a value of each type: the table of attacks B08 and D13.

use serde_json::{Value, json};

/// One changed document.
pub(crate) struct Mutation {
    /// The place as a JSON pointer (RFC 6901), and what was done there: `/a/0 null`.
    pub(crate) what: String,
    /// The changed document.
    pub(crate) text: String,
}

/// Makes the whole table for one document; a replacement that leaves the document as it was is left out.
pub(crate) fn mutations(document: &Value) -> Vec<Mutation> {
    let mut table = Vec::new();
    for pointer in pointers(document) {
        if let Some(text) = without(document, &pointer) {
            table.push(Mutation { what: format!("{pointer} absent"), text });
        }
        for (name, value) in replacements() {
            let mut changed = document.clone();
            *changed.pointer_mut(&pointer).unwrap() = value;
            if changed != *document {
                table.push(Mutation { what: format!("{pointer} {name}"), text: changed.to_string() });
            }
        }
    }
    table
}

/// The values that are put in every place; the string is neither base64, hexadecimal nor a number.
fn replacements() -> [(&'static str, Value); 10] {
    [
        ("null", Value::Null),
        ("true", json!(true)),
        ("false", json!(false)),
        ("zero", json!(0)),
        ("fraction", json!(-1.5)),
        ("string", json!("~")),
        ("empty string", json!("")),
        ("array", json!([])),
        ("nested array", json!([[null]])),
        ("object", json!({})),
    ]
}

fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(step, child)| {
        let step = step.replace('~', "~0").replace('/', "~1");
        pointers(child).into_iter().map(move |rest| format!("/{step}{rest}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

/// Removes a member or element; the document itself cannot be absent.
fn without(document: &Value, pointer: &str) -> Option<String> {
    let (parent, step) = pointer.rsplit_once('/')?;
    let mut changed = document.clone();
    match changed.pointer_mut(parent)? {
        Value::Object(members) => drop(members.remove(&step.replace("~1", "/").replace("~0", "~"))),
        Value::Array(elements) => drop(elements.remove(step.parse().ok()?)),
        _ => return None,
    }
    Some(changed.to_string())
}
