-- The whole life of an authority. An authority was `old` so far only because an epoch had ended, which removes it for good: that is a
-- state of its own now, and final. SQLite can't change a CHECK, so the table is made anew.
CREATE TABLE authority_of_0002 (
  authority_id  TEXT PRIMARY KEY,
  family        TEXT NOT NULL CHECK (family IN ('x509-svid', 'jwt-svid', 'wit-svid', 'events', 'ledger')),
  state         TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'old', 'removed')),
  state_since_s INTEGER,                                     -- NULL: put before this was recorded
  tainted       INTEGER NOT NULL CHECK (tainted IN (0, 1)),
  public_key    BLOB NOT NULL,
  certificate   BLOB,
  upstream      TEXT,                                        -- JSON: the certificates above it in hexadecimal, the root last
  not_before_s  INTEGER NOT NULL,
  expires_at_s  INTEGER NOT NULL,
  put_sequence  INTEGER NOT NULL                             -- the order in which they came; later events change the state alone
) STRICT, WITHOUT ROWID;

INSERT INTO authority_of_0002
SELECT authority_id, family, CASE state WHEN 'old' THEN 'removed' ELSE state END, NULL, 0, public_key, certificate, NULL,
       not_before_s, expires_at_s, put_sequence
  FROM authority;

DROP TABLE authority;
ALTER TABLE authority_of_0002 RENAME TO authority;
