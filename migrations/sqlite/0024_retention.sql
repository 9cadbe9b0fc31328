-- The log can be cut down to its leaf hashes behind a snapshot of all tables. What an event said is then `{}`, which no event ever said.

-- The newest snapshot that is recorded; its chunks are in `snapshot_chunk`, under the same `through_sequence`.
CREATE TABLE snapshot (
  sequence         INTEGER PRIMARY KEY,
  through_sequence INTEGER NOT NULL,
  chunks           INTEGER NOT NULL CHECK (chunks >= 1),
  bytes            INTEGER NOT NULL,
  root_hash        TEXT NOT NULL,
  schema_number    INTEGER NOT NULL,
  CHECK (through_sequence < sequence)
) STRICT;

-- No projection: what is here counts by the root that the snapshot's event names.
CREATE TABLE snapshot_chunk (
  through_sequence INTEGER NOT NULL,
  chunk_index      INTEGER NOT NULL CHECK (chunk_index >= 0),
  content          BLOB NOT NULL CHECK (length(content) BETWEEN 1 AND 65535),
  PRIMARY KEY (through_sequence, chunk_index)
) STRICT, WITHOUT ROWID;

-- Events whose content is gone; ranges never touch.
CREATE TABLE pruned_range (
  first_sequence INTEGER PRIMARY KEY,
  last_sequence  INTEGER NOT NULL,
  CHECK (last_sequence >= first_sequence)
) STRICT;

CREATE TABLE legal_hold (
  hold_id      TEXT PRIMARY KEY,
  scope        TEXT NOT NULL,
  value        TEXT NOT NULL,
  reason       TEXT NOT NULL,
  actor        TEXT NOT NULL,                                -- JSON
  placed_at_us INTEGER NOT NULL,
  sequence     INTEGER NOT NULL,
  UNIQUE (scope, value)
) STRICT, WITHOUT ROWID;

-- What is pruned is taken out and put back without its content; pages that become empty are free only by a deletion.
DROP TRIGGER event_is_never_deleted;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
WHEN old.sequence > (SELECT coalesce(max(through_sequence), 0) FROM snapshot)
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
