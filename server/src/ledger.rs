//! What is exchanged once.

use sealwax_authority::Invitation;

/// Remembers, on disk, what was exchanged. Of two who exchange the same thing at the same time, one succeeds.
pub trait Ledger: Send + Sync {
    /// Remembers that a token, named by its SHA-256, was used, until it expires (seconds since 1970); `false` where it was
    /// used before.
    ///
    /// # Errors
    ///
    /// What failed, in words for the operator; the token counts as not used then, and is not to be believed.
    fn spend(&self, token: &[u8; 32], expires: i64, now: i64) -> Result<bool, String>;

    /// Redeems the invitation whose secret has this SHA-256, and gives it; `None` where there is none, or it
    /// has expired or was redeemed.
    ///
    /// # Errors
    ///
    /// What failed, in words for the operator.
    fn redeem(&self, secret: &[u8; 32], now: i64) -> Result<Option<Invitation>, String>;
}
