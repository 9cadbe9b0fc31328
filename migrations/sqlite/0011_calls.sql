-- Calls of tools that were asked about: which call a decision is about, and how many calls each budget has counted.
ALTER TABLE decision ADD COLUMN call TEXT;                    -- JSON; NULL: of no call, or of several

CREATE TABLE call_count (
  holder  TEXT NOT NULL,                                     -- a step, or an issuance: whose grant
  element INTEGER NOT NULL,                                  -- its place in that grant
  calls   INTEGER NOT NULL CHECK (calls >= 1),
  PRIMARY KEY (holder, element)
) STRICT, WITHOUT ROWID;

-- What verifiers have reported of calls, as a whole. In the order in which a kind of call was reported first.
CREATE TABLE usage (
  usage_id       INTEGER PRIMARY KEY,
  step_sequence  INTEGER NOT NULL REFERENCES step,
  entry_id       TEXT NOT NULL REFERENCES registration_entry,
  tool           TEXT NOT NULL,
  action         TEXT NOT NULL,
  outcome        TEXT NOT NULL,
  calls          INTEGER NOT NULL CHECK (calls >= 1),
  reported_at_us INTEGER NOT NULL,
  UNIQUE (step_sequence, tool, action, outcome, entry_id)
) STRICT;

-- Calls that a verifier left out of its reports.
CREATE TABLE usage_gap (
  entry_id TEXT PRIMARY KEY REFERENCES registration_entry,
  calls    INTEGER NOT NULL CHECK (calls >= 1)
) STRICT, WITHOUT ROWID;
