//! Work whose instructions are counted: `cost lanes` hashes, `cost manifest [FILES]` makes, writes, reads and compares a
//! manifest.
//!
//! `cost.rs` of the tests runs it under callgrind, which counts the same in every run on every machine. Callgrind shows programs
//! a processor without AVX-512 and SHA extensions: what is counted of hashing is what surrounds the kernels, and the portable
//! code. Nothing here reads a file or a clock.

use std::error::Error;

use sealwax_attestation::Statement;
use sealwax_model::{Manifest, ModelPath, Resource, ResourceName, Serialization};
use sealwax_sha256_lanes::{Kernel, LANES, Lane};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("lanes") => lanes(),
        Some("manifest") => manifest(std::env::args().nth(2).as_deref().unwrap_or("1000").parse()?)?,
        _ => return Err("lanes or manifest?".into()),
    }
    Ok(())
}

/// Many short streams in pieces, then a few long ones.
fn lanes() {
    let kernel = Kernel::detect();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(32 << 10).collect();
    for length in (0..500).chain([bytes.len()]) {
        let mut lanes = vec![Lane::default(); LANES];
        let message = bytes.get(..length).unwrap_or_default();
        for piece in message.chunks(1_000) {
            let mut streams: Vec<(&mut Lane, &[u8])> = lanes.iter_mut().map(|lane| (lane, piece)).collect();
            kernel.update(&mut streams);
        }
        let digests = kernel.finish(&mut lanes.iter_mut().collect::<Vec<_>>());
        std::hint::black_box(digests);
    }
}

fn manifest(files: u32) -> Result<(), Box<dyn Error>> {
    let resource = |number: u32| {
        let path = ModelPath::parse(&format!("layer-{}/weights-{number}.bin", number / 100))?;
        Ok(Resource { name: ResourceName::file(Some(path)), digest: vec![7; 32] })
    };
    let resources: Result<Vec<Resource>, Box<dyn Error>> = (0..files).map(resource).collect();
    let made = Manifest::new(Serialization::default(), resources?)?;
    let payload = Statement::new("model".to_owned(), made.clone()).to_payload()?;
    let read = Statement::from_payload(&payload)?;
    if read.manifest.compare(&made).is_empty() { Ok(()) } else { Err("the manifest changed".into()) }
}
