-- Calls of tools that wait until an operator approves or refuses them, each for one use by one step.
CREATE TABLE call_approval (
  sequence         INTEGER PRIMARY KEY,                      -- of the event by which it was asked for
  approval_id      TEXT NOT NULL UNIQUE,
  step_sequence    INTEGER NOT NULL REFERENCES step,
  request_digest   TEXT NOT NULL,
  pending          TEXT NOT NULL,                            -- JSON: what is waited for
  recorded_at_us   INTEGER NOT NULL,
  until_s          INTEGER NOT NULL,                         -- of the wait, and once it is approved of the approval; exclusive
  answer           TEXT,                                     -- JSON: who approved or refused it, when and why; NULL: nobody yet
  approved         INTEGER CHECK (approved IN (0, 1)),
  used_decision_id TEXT,                                     -- the decision that allowed the call; NULL: not made
  CHECK ((answer IS NULL) = (approved IS NULL)),
  CHECK (used_decision_id IS NULL OR approved = 1)
) STRICT;
CREATE INDEX call_approval_unused ON call_approval (step_sequence, until_s) WHERE used_decision_id IS NULL;
