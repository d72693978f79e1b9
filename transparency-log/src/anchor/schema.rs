//! The tables of the anchor, version by version.

/// What makes each version of the schema from the one before; a new database takes all steps.
///
/// STRICT tables and checks keep NULL, text and empty blobs out of the register; the triggers make a smaller or equal size,
/// and anything after a freeze, impossible for any program that writes this database, not only for this one.
pub(super) const SCHEMA: [&str; 2] = [
    "
BEGIN IMMEDIATE;
CREATE TABLE anchor (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size       INTEGER NOT NULL CHECK (size >= 0),
    checkpoint BLOB    NOT NULL CHECK (length(checkpoint) > 0),
    staged     TEXT             CHECK (staged IS NULL OR length(staged) > 0),
    CHECK ((size = 0) = (staged IS NULL))
) STRICT;
CREATE TRIGGER anchor_grows BEFORE UPDATE ON anchor WHEN NEW.size <= OLD.size
BEGIN SELECT RAISE(ABORT, 'the anchor only grows'); END;
CREATE TRIGGER anchor_stays BEFORE DELETE ON anchor
BEGIN SELECT RAISE(ABORT, 'the anchor is never deleted'); END;
CREATE TABLE leaf (
    position INTEGER NOT NULL PRIMARY KEY CHECK (position >= 0),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX leaf_by_hash ON leaf (hash);
PRAGMA user_version = 1;
COMMIT;
",
    "
BEGIN IMMEDIATE;
ALTER TABLE anchor ADD COLUMN mode TEXT NOT NULL DEFAULT 'live' CHECK (mode IN ('live', 'restored', 'frozen'));
DROP TRIGGER anchor_grows;
CREATE TRIGGER anchor_grows BEFORE UPDATE OF id, size, checkpoint, staged ON anchor
WHEN NEW.size <= OLD.size OR OLD.mode <> 'live'
BEGIN SELECT RAISE(ABORT, 'the anchor only grows, and only of a live log'); END;
CREATE TRIGGER anchor_frozen BEFORE UPDATE ON anchor WHEN OLD.mode = 'frozen'
BEGIN SELECT RAISE(ABORT, 'a frozen log stays as it is'); END;
PRAGMA user_version = 2;
COMMIT;
",
];
