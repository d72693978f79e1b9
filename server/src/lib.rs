//! The HTTP faces of a log and of a witness.

mod cosigners;
pub mod witness;

pub use cosigners::{Answered, BadPolicy, Collected, Cosigners, Failure, Post};
