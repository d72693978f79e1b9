//! Every path, forced, against `sha2` and the published vectors.

#![allow(clippy::print_stderr, reason = "a test says what it skips")]

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

/// The paths that this processor has, and all of them together. Says which are left out.
fn kernels() -> Vec<Kernel> {
    let mut kernels = vec![Kernel::detect()];
    for path in Path::ALL {
        match Kernel::only(path) {
            Some(kernel) => kernels.push(kernel),
            None => eprintln!("skipped: {} (this processor lacks it)", path.name()),
        }
    }
    kernels
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).unwrap().wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn digests(kernel: Kernel, messages: &[Vec<u8>]) -> Vec<[u8; 32]> {
    let mut lanes = vec![Lane::default(); messages.len()];
    let mut streams: Vec<(&mut Lane, &[u8])> =
        lanes.iter_mut().zip(messages.iter().map(Vec::as_slice)).collect();
    kernel.update(&mut streams);
    kernel.finish(&mut lanes.iter_mut().collect::<Vec<_>>())
}

fn expected(messages: &[Vec<u8>]) -> Vec<[u8; 32]> {
    messages.iter().map(|message| Sha256::digest(message).into()).collect()
}

/// FIPS 180-2, appendix B, and the long messages of NIST's examples.
#[test]
fn published_vectors_come_out() {
    let vectors = [
        (b"".to_vec(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
                .to_vec(),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for kernel in kernels() {
        for (message, digest) in &vectors {
            if cfg!(miri) && message.len() > 1000 {
                continue;
            }
            // In several lanes, beside others.
            for place in (0..LANES).step_by(if cfg!(miri) || message.len() > 1000 { 5 } else { 1 }) {
                let mut messages: Vec<Vec<u8>> = (0..LANES).map(|lane| bytes(message.len(), lane)).collect();
                messages[place] = message.clone();
                assert_eq!(hex::encode(digests(kernel, &messages)[place]), *digest, "{kernel:?}");
            }
        }
    }
}

#[test]
fn every_length_is_as_sha2_has_it() {
    let lengths = if cfg!(miri) { 66 } else { 1100 };
    for kernel in kernels() {
        let messages: Vec<Vec<u8>> = (0..=lengths).map(|length| bytes(length, length)).collect();
        let counts: &[usize] = if cfg!(miri) { &[2, 16] } else { &[1, 2, 3, 4, 5, 15, 16] };
        for &count in counts {
            for messages in messages.chunks(count) {
                assert_eq!(digests(kernel, messages), expected(messages), "{kernel:?}, {count} lanes");
            }
        }
        for messages in messages.windows(LANES).step_by(if cfg!(miri) { 50 } else { 7 }) {
            // Long and short ones in turns.
            let mixed: Vec<Vec<u8>> = (0..LANES).map(|lane| messages[lane * 7 % LANES].clone()).collect();
            assert_eq!(digests(kernel, &mixed), expected(&mixed));
        }
    }
}

#[test]
fn a_finished_lane_is_new() {
    for kernel in kernels() {
        let mut lane = Lane::default();
        for message in [b"one".as_slice(), b"two"] {
            kernel.update(&mut [(&mut lane, message)]);
            assert_eq!(kernel.finish(&mut [&mut lane]), [<[u8; 32]>::from(Sha256::digest(message))]);
        }
    }
}

#[test]
fn no_streams_are_no_work() {
    for kernel in kernels() {
        kernel.update(&mut []);
        assert!(kernel.finish(&mut []).is_empty());
    }
}

#[test]
fn a_forced_path_is_the_only_one() {
    for path in Path::ALL {
        let Some(kernel) = Kernel::only(path) else { continue };
        assert!(kernel.paths().eq([path, Path::Single].into_iter().take(if path == Path::Single {
            1
        } else {
            2
        })));
    }
    assert_eq!(Kernel::detect().paths().last(), Some(Path::Single));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// Streams of different lengths in pieces of different lengths, refilled as they end.
    #[test]
    fn splits_and_mixes_are_as_sha2_has_them(
        lengths in prop::collection::vec(0_usize..2000, 1..40),
        pieces in prop::collection::vec(0_usize..400, 1..50),
        lanes in 1_usize..20,
    ) {
        let messages: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(seed, length)| bytes(*length, seed)).collect();
        for kernel in kernels() {
            let mut waiting: Vec<usize> = (0..messages.len()).rev().collect();
            let mut running: Vec<(usize, Lane, &[u8])> = Vec::new();
            let mut found = vec![[0; 32]; messages.len()];
            let mut pieces = pieces.iter().cycle();
            let mut idle = 0;
            while !waiting.is_empty() || !running.is_empty() {
                while running.len() < lanes && let Some(next) = waiting.pop() {
                    running.push((next, Lane::default(), &messages[next]));
                }
                let mut streams = Vec::new();
                for (_, lane, rest) in &mut running {
                    // A row of nothing but zeros would never end.
                    let piece = *pieces.next().unwrap() + idle / 100;
                    idle += 1;
                    let (taken, left) = rest.split_at(piece.min(rest.len()));
                    *rest = left;
                    streams.push((lane, taken));
                }
                kernel.update(&mut streams);
                let ended: Vec<usize> =
                    (0..running.len()).rev().filter(|place| running[*place].2.is_empty()).collect();
                let mut ended: Vec<(usize, Lane, &[u8])> =
                    ended.into_iter().map(|place| running.swap_remove(place)).collect();
                let digests = kernel.finish(&mut ended.iter_mut().map(|(_, lane, _)| lane).collect::<Vec<_>>());
                for ((message, ..), digest) in ended.iter().zip(digests) {
                    found[*message] = digest;
                }
            }
            prop_assert_eq!(&found, &expected(&messages));
        }
    }
}
