//! Every check of the verifier, by breaking it: bundles that are good in all but one thing, and the verdict on each.

#![allow(
    clippy::disallowed_methods,
    reason = "reads vectors from files, runs openssl and looks at the clock"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

/// Expects a rejection of this code and form.
macro_rules! assert_refused {
    ($found:expr, $code:literal, $form:pat $(if $guard:expr)?) => {{
        let rejection = $found.map(drop).expect_err("accepted");
        assert_eq!(rejection.code(), $code, "{rejection:?}");
        assert!(matches!(&rejection, $form $(if $guard)?), "{rejection:?}");
    }};
}

mod certificates;
mod conformance;
mod der;
mod historic;
mod identities;
mod legacy;
mod log;
mod model;
mod openssl;
mod signature;
mod signer;
mod statement;
mod witnesses;
mod world;
