-- Secrets of other systems that were asked for, each for one step: before the question was put, and what became of it.
CREATE TABLE exchange (
  sequence       INTEGER PRIMARY KEY,                      -- of the event before the question
  exchange_id    TEXT NOT NULL UNIQUE,
  step_sequence  INTEGER NOT NULL REFERENCES step,
  target         TEXT NOT NULL,
  kind           TEXT NOT NULL,
  issuance_id    TEXT,                                     -- the JWT-SVID that was traded; NULL: none
  request_id     TEXT NOT NULL,
  recorded_at_us INTEGER NOT NULL,
  expires_at_s   INTEGER NOT NULL,                         -- exclusive
  endable        INTEGER NOT NULL CHECK (endable IN (0, 1)),
  state          TEXT NOT NULL,                            -- intended, issued, unknown, failed, ended
  reference      TEXT,                                     -- by which the other system names it; no secret
  failure        TEXT,
  ended_at_us    INTEGER,
  ending         TEXT,                                     -- told, lapsed; NULL: not ended
  CHECK ((ending IS NULL) = (ended_at_us IS NULL))
) STRICT;
CREATE INDEX exchange_of_step ON exchange (step_sequence);
CREATE INDEX exchange_standing ON exchange (sequence) WHERE state IN ('intended', 'issued', 'unknown');
