//! A witness for other logs.
