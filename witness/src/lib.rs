//! A witness for other logs: it remembers the newest checkpoint that it cosigned of each, and cosigns a newer one only with
//! proof that nothing before was changed (C2SP tlog-witness).
//!
//! It is not a server: a request's body comes in as bytes, an [`Answer`] goes out, and the time is an argument. What the
//! logs' entries mean it never sees.
//!
//! ```text
//! lock        held by the one process that cosigns
//! state.db    SQLite: of each log the newest checkpoint that was cosigned
//! ```
//!
//! What no check here can notice is an older copy of the whole directory put back in its place: such a witness has
//! forgotten what it cosigned, and may cosign something else. A witness whose state is lost needs a new key.

#![warn(clippy::missing_errors_doc)]

mod error;
mod state;
mod witness;

pub use error::{Error, Result};
pub use state::Cosigned;
pub use witness::{Answer, Witness};
