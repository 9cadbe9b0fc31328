-- projections: rebuilt from the events
--
-- What a table says is in the table: nothing is read out of the event that made a row, so that the log can be pruned down to its leaf
-- hashes one day. And no row is checked against a list of words: a new word would mean to write the whole table anew. That only words
-- are written that there are is the program's matter; that they follow from the events is what `verifyAll` shows.
--
-- The tables are empty after this file; the program then fills them from the events, in the same transaction. Members that are lists or
-- objects are canonical JSON.

DROP TABLE receipt;
DROP TABLE revocation;
DROP TABLE issuance;
DROP TABLE decision;
DROP TABLE step;
DROP TABLE run;
DROP TABLE registration_entry;
DROP TABLE authority;
DROP TABLE federation;

CREATE TABLE registration_entry (
  entry_id         TEXT PRIMARY KEY,
  kind             TEXT NOT NULL,
  name             TEXT NOT NULL,
  spiffe_id        TEXT NOT NULL,
  origin           TEXT NOT NULL,
  disabled         INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  revision         INTEGER NOT NULL CHECK (revision >= 1),
  created_at_us    INTEGER NOT NULL,
  updated_at_us    INTEGER NOT NULL,
  content          TEXT NOT NULL,
  put_sequence     INTEGER NOT NULL,                         -- of the event that said so last
  retired_sequence INTEGER,
  open_steps       INTEGER NOT NULL CHECK (open_steps >= 0)  -- opened by it and not closed
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX registration_entry_name ON registration_entry (kind, name) WHERE retired_sequence IS NULL;

CREATE TABLE run (
  run_id          TEXT PRIMARY KEY,
  entry_id        TEXT REFERENCES registration_entry,        -- NULL: barred before its first step
  barred_sequence INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
  sequence            INTEGER PRIMARY KEY,                   -- of its opening
  step_id             TEXT NOT NULL UNIQUE,
  run_id              TEXT NOT NULL REFERENCES run,
  step                TEXT NOT NULL,
  attempt             INTEGER NOT NULL CHECK (attempt >= 1),
  workflow            TEXT,
  purpose             TEXT,
  agent               TEXT NOT NULL,
  agent_entry_id      TEXT NOT NULL REFERENCES registration_entry,
  opener_entry_id     TEXT NOT NULL REFERENCES registration_entry,
  opener              TEXT NOT NULL,
  executor            TEXT,                                  -- NULL: any process of the agent
  executable          TEXT,                                  -- pinned by the first issuance
  spiffe_id           TEXT NOT NULL,
  granted             TEXT NOT NULL,
  more_audiences      TEXT NOT NULL,                         -- beyond the grant's locations
  audiences           TEXT NOT NULL,                         -- all of them
  state               TEXT NOT NULL,
  opened_at_us        INTEGER NOT NULL,
  recorded_at_us      INTEGER NOT NULL,
  expires_at_s        INTEGER NOT NULL,
  lease_seconds       INTEGER CHECK (lease_seconds > 0),
  lease_expires_at_us INTEGER,
  held                INTEGER NOT NULL CHECK (held IN (0, 1)),
  parent_sequence     INTEGER REFERENCES step,
  parent_step_id      TEXT,
  depth               INTEGER NOT NULL CHECK (depth >= 0),
  principal_iss       TEXT,
  principal_sub       TEXT,
  request_id          TEXT,
  request_digest      TEXT,
  decision_id         TEXT NOT NULL,
  closed_sequence     INTEGER,
  closed_at_us        INTEGER,
  close_reason        TEXT,
  revoked_credentials INTEGER CHECK (revoked_credentials >= 0), -- that had not expired when it was closed
  UNIQUE (run_id, step, attempt),
  CHECK ((parent_sequence IS NULL) = (parent_step_id IS NULL)),
  CHECK ((principal_iss IS NULL) = (principal_sub IS NULL)),
  CHECK ((request_id IS NULL) = (request_digest IS NULL)),
  CHECK ((lease_seconds IS NULL) = (lease_expires_at_us IS NULL)),
  CHECK ((closed_sequence IS NULL) = (closed_at_us IS NULL) AND (closed_sequence IS NULL) = (close_reason IS NULL)
         AND (closed_sequence IS NULL) = (revoked_credentials IS NULL))
) STRICT;
CREATE INDEX step_parent ON step (parent_sequence) WHERE parent_sequence IS NOT NULL;
CREATE INDEX step_request ON step (opener_entry_id, opener, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX step_closed ON step (closed_sequence) WHERE closed_sequence IS NOT NULL;
-- Of the steps that are not closed: a few thousand at most, whatever the length of the log.
CREATE INDEX step_live_opener_entry ON step (opener_entry_id) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_agent_entry ON step (agent_entry_id) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_opener ON step (opener) WHERE closed_sequence IS NULL;
CREATE INDEX step_live_executor ON step (executor) WHERE closed_sequence IS NULL;

CREATE TABLE decision (
  sequence             INTEGER PRIMARY KEY,
  decision_id          TEXT NOT NULL UNIQUE,
  act                  TEXT NOT NULL,
  effect               TEXT NOT NULL,
  reason               TEXT,
  decided_at_us        INTEGER NOT NULL,
  recorded_at_us       INTEGER NOT NULL,
  caller_entry_id      TEXT,
  agent                TEXT,
  run_id               TEXT,
  step                 TEXT,
  attempt              INTEGER,
  step_id              TEXT,
  requested            TEXT NOT NULL,
  granted              TEXT NOT NULL,
  refused              TEXT NOT NULL,
  determining_policies TEXT NOT NULL,
  policy_digest        TEXT NOT NULL,
  count                INTEGER NOT NULL CHECK (count >= 1)
) STRICT;
CREATE INDEX decision_run ON decision (run_id) WHERE run_id IS NOT NULL;

-- A credential's digest has no index: it would be the one random key on the issuing path. Whoever has the credential has its serial
-- number or jti, and finds it by that; by the digest alone this narrow table is read through.
CREATE TABLE issuance (
  sequence             INTEGER PRIMARY KEY,
  issuance_id          TEXT NOT NULL UNIQUE,
  kind                 TEXT NOT NULL,
  step_sequence        INTEGER REFERENCES step,              -- NULL for infrastructure
  entry_id             TEXT REFERENCES registration_entry,   -- NULL for a step
  spiffe_id            TEXT NOT NULL,
  authority_id         TEXT NOT NULL,
  serial_number        TEXT,
  jti                  TEXT,
  audiences            TEXT NOT NULL,
  granted              TEXT NOT NULL,
  not_before_s         INTEGER NOT NULL,
  expires_at_s         INTEGER NOT NULL,
  to_be_signed_sha256  BLOB NOT NULL CHECK (length(to_be_signed_sha256) = 32),
  public_key_sha256    TEXT,
  confirmation         TEXT,
  issued_at_us         INTEGER NOT NULL,
  recorded_at_us       INTEGER NOT NULL,
  undelivered_sequence INTEGER,
  revoked_sequence     INTEGER,                              -- of its own revocation; that of its step is in the step's row
  revoked_at_us        INTEGER,
  revocation_reason    TEXT,
  CHECK ((step_sequence IS NULL) <> (entry_id IS NULL)),
  CHECK ((serial_number IS NULL) <> (jti IS NULL)),
  CHECK ((revoked_sequence IS NULL) = (revoked_at_us IS NULL) AND (revoked_sequence IS NULL) = (revocation_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX issuance_jti ON issuance (jti) WHERE jti IS NOT NULL;
CREATE UNIQUE INDEX issuance_serial_number ON issuance (serial_number) WHERE serial_number IS NOT NULL;
CREATE INDEX issuance_entry ON issuance (entry_id, expires_at_s) WHERE entry_id IS NOT NULL;

-- The deny-list: a step that had credentials when it was closed, or one credential that was taken back.
CREATE TABLE revocation (
  sequence          INTEGER NOT NULL,
  subject_sequence  INTEGER NOT NULL,                        -- of the step's opening, or of the issuance
  subject           TEXT NOT NULL,
  reason            TEXT NOT NULL,
  state             TEXT NOT NULL,
  latest_expiry_s   INTEGER NOT NULL,
  concerns_all      INTEGER NOT NULL CHECK (concerns_all IN (0, 1)),
  PRIMARY KEY (sequence, subject_sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_latest_expiry ON revocation (latest_expiry_s);

CREATE TABLE authority (
  authority_id  TEXT PRIMARY KEY,
  family        TEXT NOT NULL,
  state         TEXT NOT NULL,
  state_since_s INTEGER,                                     -- NULL: put before this was recorded
  tainted       INTEGER NOT NULL CHECK (tainted IN (0, 1)),
  public_key    BLOB NOT NULL,
  certificate   BLOB,
  upstream      TEXT,                                        -- the certificates above it in hexadecimal, the root last
  not_before_s  INTEGER NOT NULL,
  expires_at_s  INTEGER NOT NULL,
  put_sequence  INTEGER NOT NULL                             -- the order in which they came; later events change the state alone
) STRICT, WITHOUT ROWID;

CREATE TABLE federation (
  trust_domain    TEXT PRIMARY KEY,
  relationship    TEXT NOT NULL,
  bundle_document TEXT,                                      -- NULL: no bundle of it was accepted yet
  bundle_sequence INTEGER,                                   -- NULL: none, or one that does not count
  accepted_at_us  INTEGER,
  CHECK ((bundle_document IS NULL) = (accepted_at_us IS NULL)),
  CHECK (bundle_document IS NOT NULL OR bundle_sequence IS NULL)
) STRICT, WITHOUT ROWID;

-- Up to where each verifier has applied the feed.
CREATE TABLE receipt (
  entry_id           TEXT PRIMARY KEY REFERENCES registration_entry,
  sequence           INTEGER NOT NULL,
  acknowledged_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
