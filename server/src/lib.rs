//! The HTTP faces of a log and of a witness.

#[allow(dead_code, reason = "called by the submission endpoint, which is to come")]
mod admission;
