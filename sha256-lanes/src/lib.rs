//! SHA-256 (FIPS 180-4) of several streams at once, on one thread.
//!
//! One stream is bound by the latency of its rounds: each needs the one before it. Streams do not need each other, so a
//! core computes several in hardly more time than one: up to four interleaved with the SHA extensions of x86, or sixteen
//! side by side in the lanes of AVX-512 registers. Which is used is decided at run time, by what the processor has and
//! by how many streams have bytes. A single stream, and every processor without either, is the `sha2` crate's affair.
//!
//! ```
//! use sealwax_sha256_lanes::{Kernel, Lane};
//!
//! let kernel = Kernel::detect();
//! let (mut a, mut b) = (Lane::default(), Lane::default());
//! kernel.update(&mut [(&mut a, b"one".as_slice()), (&mut b, b"another".as_slice())]);
//! let digests = kernel.finish(&mut [&mut a, &mut b]);
//! assert_eq!(digests.len(), 2);
//! ```
//!
//! This is the one crate with unsafe code. Two kinds of it are needed: calling a function that is compiled for
//! instructions whose presence was checked, and loading a register from an array. Nothing else lives here.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod constants;
mod kernel;
mod lane;
#[cfg(target_arch = "x86_64")]
mod sha_extensions;

pub use kernel::{Kernel, LANES, Path};
pub use lane::Lane;
