//! Keys that never leave a PKCS#11 token.
