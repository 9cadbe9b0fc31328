-- The broker's own identity is an entry like any other, of a kind that nobody can match; and what an entry was issued for itself is
-- found by it, to be taken back when the entry is.

PRAGMA defer_foreign_keys = ON;

CREATE TABLE registration_entry_kept AS SELECT * FROM registration_entry;
DROP TABLE registration_entry;
CREATE TABLE registration_entry (
  entry_id         TEXT PRIMARY KEY,
  kind             TEXT NOT NULL CHECK (kind IN ('agent', 'runtime', 'verifier', 'operator', 'server')),
  name             TEXT NOT NULL,
  spiffe_id        TEXT NOT NULL,
  origin           TEXT NOT NULL CHECK (origin IN ('config', 'api')),
  disabled         INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  revision         INTEGER NOT NULL CHECK (revision >= 1),
  created_at_us    INTEGER NOT NULL,
  updated_at_us    INTEGER NOT NULL,
  put_sequence     INTEGER NOT NULL,                        -- the event that holds what it says now
  retired_sequence INTEGER,
  open_steps       INTEGER NOT NULL CHECK (open_steps >= 0)  -- opened by it and not closed
) STRICT, WITHOUT ROWID;
INSERT INTO registration_entry SELECT * FROM registration_entry_kept;
DROP TABLE registration_entry_kept;
CREATE UNIQUE INDEX registration_entry_name ON registration_entry (kind, name) WHERE retired_sequence IS NULL;

CREATE INDEX issuance_entry ON issuance (entry_id, expires_at_s) WHERE entry_id IS NOT NULL;
