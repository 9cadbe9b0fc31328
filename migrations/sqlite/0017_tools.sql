-- Tools as the servers that have them show them, by location, and which definition of each is pinned.
CREATE TABLE tool (
  sequence      INTEGER PRIMARY KEY,                         -- of the event by which the tool was seen first
  location      TEXT NOT NULL,
  tool          TEXT NOT NULL,
  pinned_sha256 TEXT,                                        -- NULL: none is
  pinned_at_us  INTEGER,
  accepted_by   TEXT,                                        -- the operator's entry; NULL: it was pinned at first sight
  newest_sha256 TEXT NOT NULL,                               -- seen anew last, or accepted after that
  newest_at_us  INTEGER NOT NULL,
  seen_at_us    INTEGER NOT NULL,
  CHECK ((pinned_sha256 IS NULL) = (pinned_at_us IS NULL)),
  CHECK (accepted_by IS NULL OR pinned_sha256 IS NOT NULL),
  UNIQUE (location, tool)
) STRICT;

-- The definitions that are kept: what is pinned, what was pinned before, and what was shown since.
CREATE TABLE tool_definition (
  sequence      INTEGER PRIMARY KEY,                         -- of the event that has it
  tool_sequence INTEGER NOT NULL REFERENCES tool,
  sha256        TEXT NOT NULL,
  definition    TEXT NOT NULL,                               -- canonical JSON
  entry_id      TEXT,                                        -- of the verifier that has reported it first
  seen_at_us    INTEGER NOT NULL,
  UNIQUE (tool_sequence, sha256)
) STRICT;
