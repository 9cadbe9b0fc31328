-- Calls of tools that were asked about: which call a decision is about, and how many calls each budget has counted.
ALTER TABLE decision ADD COLUMN call TEXT;                    -- JSON; NULL: of no call, or of several

CREATE TABLE call_count (
  holder  TEXT NOT NULL,                                     -- a step, or an issuance: whose grant
  element INTEGER NOT NULL,                                  -- its place in that grant
  calls   INTEGER NOT NULL CHECK (calls >= 1),
  PRIMARY KEY (holder, element)
) STRICT, WITHOUT ROWID;
