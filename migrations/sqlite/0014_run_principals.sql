-- projections: rebuilt from the events
--
-- Whom runs have worked for, where that decides what counts for their steps; and how many steps count in the same scopes, so that a step
-- which counts in several of them is one step. A pair is two scopes with a space between them, in order.

ALTER TABLE fact ADD COLUMN principals TEXT NOT NULL DEFAULT '[]';  -- JSON: scopes of principals

CREATE TABLE fact_shared (
  scopes     TEXT PRIMARY KEY,                               -- JSON, in order; of steps that count in two scopes and more
  steps_open INTEGER NOT NULL CHECK (steps_open >= 0),
  steps      INTEGER NOT NULL CHECK (steps >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE fact_pair (
  pair   TEXT NOT NULL,
  scopes TEXT NOT NULL REFERENCES fact_shared,
  PRIMARY KEY (pair, scopes)
) STRICT, WITHOUT ROWID;

-- Who opened a step of which no policy was asked.
ALTER TABLE decision ADD COLUMN opening TEXT;                -- JSON
