//! Certificates for identities, the timestamps of a certificate log, and RFC 3161 time stamping.
