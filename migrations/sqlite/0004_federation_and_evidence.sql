-- From where the keys of foreign trust domains are taken, and what was taken last. What is said of both is in the events.
CREATE TABLE federation (
  trust_domain      TEXT PRIMARY KEY,
  put_sequence      INTEGER NOT NULL,
  accepted_sequence INTEGER,                                 -- NULL: no bundle of it was accepted yet
  bundle_sequence   INTEGER,                                 -- NULL: none, or one that does not count
  CHECK (accepted_sequence IS NOT NULL OR bundle_sequence IS NULL)
) STRICT, WITHOUT ROWID;

-- Join tokens that nobody has used. One that is spent or revoked is gone, and unknown from then on.
CREATE TABLE join_token (
  sha256        TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  name          TEXT NOT NULL,
  created_at_us INTEGER NOT NULL,
  expires_at_s  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX join_token_name ON join_token (name);

-- Evidence that counts once and was presented, for as long as it would be valid.
CREATE TABLE spent_evidence (
  sha256       TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  expires_at_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_evidence_expiry ON spent_evidence (expires_at_s);
