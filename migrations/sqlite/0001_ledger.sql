-- The ledger: one append-only log of events, its Merkle tree, and the tables that follow from the events alone.
--
-- Lists of words that are checked with every row are written with OR: SQLite makes an index of an IN list, anew for every row.
--
-- Every row is named by the sequence of the event that made it, a whole number from 1. Instants end in _us (microseconds) or _s
-- (seconds), both since 1970. What a table leaves out is in its event's canonical JSON, which is never written twice.

-- The log. The canonical bytes are what was hashed, without the position, which is the leaf's place in the tree.
CREATE TABLE event (
  sequence       INTEGER PRIMARY KEY CHECK (sequence >= 1),
  leaf_index     INTEGER GENERATED ALWAYS AS (sequence - 1) VIRTUAL,
  type           TEXT NOT NULL,
  recorded_at_us INTEGER NOT NULL,
  leaf_hash      BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  canonical      BLOB NOT NULL CHECK (length(canonical) BETWEEN 2 AND 65535)
) STRICT;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

-- The tree as of the last commit: one hash in the frontier for each bit that is set in the size.
CREATE TABLE tree_head (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  epoch     TEXT NOT NULL,
  tree_size INTEGER NOT NULL CHECK (tree_size >= 0),
  root_hash BLOB NOT NULL CHECK (length(root_hash) = 32),
  frontier  BLOB NOT NULL CHECK (length(frontier) % 32 = 0)
) STRICT;

-- Complete subtrees of 256, 65,536, … leaves, so that the root at any earlier size costs a few hundred hashes.
CREATE TABLE tree_node (
  level      INTEGER NOT NULL CHECK (level > 0 AND level % 8 = 0),
  node_index INTEGER NOT NULL CHECK (node_index >= 0),
  hash       BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, node_index)
) STRICT, WITHOUT ROWID;

-- Where in the log each minute lies, since acts reach it only roughly in the order of their instants. `last_sequence` is
-- absent while the newest event is of this minute.
CREATE TABLE recorded_minute (
  minute         INTEGER PRIMARY KEY,
  first_sequence INTEGER NOT NULL,
  last_sequence  INTEGER
) STRICT;

CREATE TABLE epoch (
  sequence      INTEGER PRIMARY KEY,
  epoch         TEXT NOT NULL UNIQUE,
  reason        TEXT NOT NULL,
  started_at_us INTEGER NOT NULL
) STRICT;

CREATE TABLE registration_entry (
  entry_id         TEXT PRIMARY KEY,
  kind             TEXT NOT NULL CHECK (kind IN ('agent', 'runtime', 'verifier', 'operator')),
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
CREATE UNIQUE INDEX registration_entry_name ON registration_entry (kind, name) WHERE retired_sequence IS NULL;

CREATE TABLE run (
  run_id          TEXT PRIMARY KEY,
  entry_id        TEXT REFERENCES registration_entry,       -- NULL: barred before its first step
  barred_sequence INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
  sequence            INTEGER PRIMARY KEY,                   -- of its opening
  step_id             TEXT NOT NULL UNIQUE,
  run_id              TEXT NOT NULL REFERENCES run,
  step                TEXT NOT NULL,
  attempt             INTEGER NOT NULL CHECK (attempt >= 1),
  agent               TEXT NOT NULL,
  agent_entry_id      TEXT NOT NULL REFERENCES registration_entry,
  opener_entry_id     TEXT NOT NULL REFERENCES registration_entry,
  opener              TEXT NOT NULL,
  executor            TEXT,                                  -- NULL: any process of the agent
  executable          TEXT,                                  -- pinned by the first issuance
  spiffe_id           TEXT NOT NULL,
  audiences           TEXT NOT NULL,                         -- JSON: the grant's locations and what is granted beyond them
  state               TEXT NOT NULL CHECK (state = 'PENDING_APPROVAL' OR state = 'OPEN' OR state = 'COMPLETED' OR state = 'FAILED'
                                           OR state = 'CANCELLED' OR state = 'EXPIRED' OR state = 'ABANDONED'
                                           OR state = 'SUPERSEDED' OR state = 'REVOKED' OR state = 'REFUSED'),
  expires_at_s        INTEGER NOT NULL,
  lease_seconds       INTEGER CHECK (lease_seconds > 0),
  lease_expires_at_us INTEGER,
  held                INTEGER NOT NULL CHECK (held IN (0, 1)),
  parent_sequence     INTEGER REFERENCES step,
  depth               INTEGER NOT NULL CHECK (depth >= 0),
  principal_iss       TEXT,
  principal_sub       TEXT,
  request_id          TEXT,
  request_digest      TEXT,
  decision_id         TEXT NOT NULL,
  closed_sequence     INTEGER,
  closed_at_us        INTEGER,
  close_reason        TEXT CHECK (close_reason = 'unspecified' OR close_reason = 'keyCompromise' OR close_reason = 'cACompromise'
                                  OR close_reason = 'affiliationChanged' OR close_reason = 'superseded'
                                  OR close_reason = 'cessationOfOperation' OR close_reason = 'privilegeWithdrawn'),
  UNIQUE (run_id, step, attempt),
  CHECK ((principal_iss IS NULL) = (principal_sub IS NULL)),
  CHECK ((request_id IS NULL) = (request_digest IS NULL)),
  CHECK ((lease_seconds IS NULL) = (lease_expires_at_us IS NULL)),
  CHECK ((state IN ('PENDING_APPROVAL', 'OPEN')) = (closed_sequence IS NULL)),
  CHECK ((closed_sequence IS NULL) = (closed_at_us IS NULL) AND (closed_sequence IS NULL) = (close_reason IS NULL))
) STRICT;
CREATE INDEX step_parent ON step (parent_sequence) WHERE parent_sequence IS NOT NULL;
CREATE INDEX step_request ON step (opener_entry_id, opener, request_id) WHERE request_id IS NOT NULL;
-- Of the steps that are not closed: a few thousand at most, whatever the length of the log.
CREATE INDEX step_live_opener_entry ON step (opener_entry_id) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_agent_entry ON step (agent_entry_id) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_opener ON step (opener) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_executor ON step (executor) WHERE closed_sequence IS NULL;

-- Which events concern which step: its opening, the decision on it, issuances, leases, and the close of any ancestor that ended it.
CREATE TABLE step_event (
  step_sequence INTEGER NOT NULL,
  sequence      INTEGER NOT NULL,
  PRIMARY KEY (step_sequence, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
  sequence        INTEGER PRIMARY KEY,
  decision_id     TEXT NOT NULL UNIQUE,
  act             TEXT NOT NULL CHECK (act = 'open' OR act = 'issue' OR act = 'attest' OR act = 'administer'),
  effect          TEXT NOT NULL CHECK (effect IN ('allow', 'deny')),
  reason          TEXT,
  caller_entry_id TEXT,
  agent           TEXT,
  run_id          TEXT,
  step            TEXT,
  attempt         INTEGER,
  step_id         TEXT,
  count           INTEGER NOT NULL CHECK (count >= 1),
  CHECK ((effect = 'deny') = (reason IS NOT NULL))
) STRICT;
CREATE INDEX decision_run ON decision (run_id) WHERE run_id IS NOT NULL;

-- A credential's digest has no index: it would be the one random key on the issuing path. Whoever has the credential has its serial
-- number or jti, and finds it by that; by the digest alone this narrow table is read through.
CREATE TABLE issuance (
  sequence             INTEGER PRIMARY KEY,
  issuance_id          TEXT NOT NULL UNIQUE,
  kind                 TEXT NOT NULL CHECK (kind = 'x509-svid' OR kind = 'jwt-svid' OR kind = 'wit-svid'),
  step_sequence        INTEGER REFERENCES step,              -- NULL for infrastructure
  entry_id             TEXT REFERENCES registration_entry,   -- NULL for a step
  authority_id         TEXT NOT NULL,
  serial_number        TEXT,
  jti                  TEXT,
  expires_at_s         INTEGER NOT NULL,
  to_be_signed_sha256  BLOB NOT NULL CHECK (length(to_be_signed_sha256) = 32),
  undelivered_sequence INTEGER,
  revoked_sequence     INTEGER,                              -- of its own revocation; that of its step is in the step's row
  revoked_at_us        INTEGER,
  revocation_reason    TEXT CHECK (revocation_reason = 'unspecified' OR revocation_reason = 'keyCompromise'
                                   OR revocation_reason = 'cACompromise' OR revocation_reason = 'affiliationChanged'
                                   OR revocation_reason = 'superseded' OR revocation_reason = 'cessationOfOperation'
                                   OR revocation_reason = 'privilegeWithdrawn'),
  CHECK ((step_sequence IS NULL) <> (entry_id IS NULL)),
  CHECK ((kind = 'x509-svid') = (serial_number IS NOT NULL) AND (kind = 'x509-svid') = (jti IS NULL)),
  CHECK ((revoked_sequence IS NULL) = (revoked_at_us IS NULL) AND (revoked_sequence IS NULL) = (revocation_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX issuance_jti ON issuance (jti) WHERE jti IS NOT NULL;
CREATE UNIQUE INDEX issuance_serial_number ON issuance (serial_number) WHERE serial_number IS NOT NULL;

-- The deny-list: a step that had credentials when it was closed, or one credential that was taken back.
CREATE TABLE revocation (
  sequence          INTEGER NOT NULL,
  subject_sequence  INTEGER NOT NULL,                        -- of the step's opening, or of the issuance
  subject           TEXT NOT NULL CHECK (subject IN ('step', 'issuance')),
  reason            TEXT NOT NULL CHECK (reason = 'unspecified' OR reason = 'keyCompromise' OR reason = 'cACompromise'
                                         OR reason = 'affiliationChanged' OR reason = 'superseded'
                                         OR reason = 'cessationOfOperation' OR reason = 'privilegeWithdrawn'),
  state             TEXT NOT NULL CHECK (state = 'COMPLETED' OR state = 'FAILED' OR state = 'CANCELLED' OR state = 'EXPIRED'
                                         OR state = 'ABANDONED' OR state = 'SUPERSEDED' OR state = 'REVOKED' OR state = 'REFUSED'),
  latest_expiry_s   INTEGER NOT NULL,
  concerns_all      INTEGER NOT NULL CHECK (concerns_all IN (0, 1)),
  PRIMARY KEY (sequence, subject_sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_latest_expiry ON revocation (latest_expiry_s);

CREATE TABLE authority (
  authority_id TEXT PRIMARY KEY,
  family       TEXT NOT NULL CHECK (family IN ('x509-svid', 'jwt-svid', 'wit-svid', 'events', 'ledger')),
  state        TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'old')),
  public_key   BLOB NOT NULL,
  certificate  BLOB,
  not_before_s INTEGER NOT NULL,
  expires_at_s INTEGER NOT NULL,
  put_sequence INTEGER NOT NULL                              -- the order in which they came; later events may change the state alone
) STRICT, WITHOUT ROWID;

-- Up to where each verifier has applied the feed.
CREATE TABLE receipt (
  entry_id          TEXT PRIMARY KEY REFERENCES registration_entry,
  sequence          INTEGER NOT NULL,
  acknowledged_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
