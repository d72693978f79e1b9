//! The HTTP faces of a log and of a witness.
