-- projections: rebuilt from the events
--
-- What decisions are made on: the policies in force, what runs were granted so far, and the risk around them. Existing runs have their
-- facts from the events, so nothing that was granted before is forgotten.

CREATE TABLE policy (
  digest    TEXT PRIMARY KEY CHECK (length(digest) = 64),
  policy_id TEXT NOT NULL,
  file      TEXT NOT NULL,
  line      INTEGER NOT NULL CHECK (line >= 1),
  content   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_set_member (
  version  INTEGER NOT NULL,
  position INTEGER NOT NULL,                                 -- in the order of the policies' ids
  digest   TEXT NOT NULL REFERENCES policy,
  PRIMARY KEY (version, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_set (
  version            INTEGER PRIMARY KEY,
  root               TEXT NOT NULL UNIQUE,
  origin             TEXT NOT NULL,
  count              INTEGER NOT NULL,
  data_classes       TEXT NOT NULL,                          -- JSON
  put_at_us          INTEGER NOT NULL,
  activated_at_us    INTEGER,                                -- last; NULL: never
  activated_sequence INTEGER
) STRICT;

-- One row at most: the set that decides, or version 0 where none does any more.
CREATE TABLE policies_in_force (
  singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
  version   INTEGER NOT NULL,
  sequence  INTEGER NOT NULL
) STRICT;

CREATE TABLE risk (
  scope           TEXT PRIMARY KEY,
  level           TEXT NOT NULL,
  expires_at_s    INTEGER NOT NULL,
  reason          TEXT NOT NULL,
  sequence        INTEGER NOT NULL,
  risen_sequence  INTEGER NOT NULL                           -- when it last rose; 0: never
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
  scope      TEXT PRIMARY KEY,
  version    INTEGER NOT NULL,                               -- grows with what classes and actions grow by
  classes    TEXT NOT NULL,                                  -- JSON
  actions    TEXT NOT NULL,                                  -- JSON
  steps_open INTEGER NOT NULL CHECK (steps_open >= 0),
  steps      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE step ADD COLUMN fact_scopes TEXT;                -- JSON; NULL: its own run alone
ALTER TABLE step ADD COLUMN judged_sequence INTEGER;         -- NULL: at its opening
ALTER TABLE step ADD COLUMN close_decision_id TEXT;          -- the decision that says why, where policies closed it

ALTER TABLE decision ADD COLUMN policy_errors TEXT;          -- JSON
ALTER TABLE decision ADD COLUMN situation TEXT;              -- JSON
ALTER TABLE decision ADD COLUMN closes TEXT;                 -- JSON
