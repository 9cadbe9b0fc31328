-- Whom steps work for, by digest alone; until now no step named anybody, so nothing has to be carried over.
ALTER TABLE step RENAME COLUMN principal_iss TO principal_id;
ALTER TABLE step RENAME COLUMN principal_sub TO principal_sealed;
CREATE INDEX step_live_principal ON step (principal_id) WHERE principal_id IS NOT NULL AND closed_sequence IS NULL;

-- Whom all steps of a run work for; NULL where they work for nobody, or not all for the same.
ALTER TABLE run ADD COLUMN principal_id TEXT;

CREATE TABLE principal (
  sequence          INTEGER PRIMARY KEY,                     -- of the event that named it first
  principal_id      TEXT NOT NULL UNIQUE,
  sealed            TEXT,                                    -- as its newest step has it; NULL: none since it was erased, or ever
  last_opened_at_us INTEGER,
  barred_at_us      INTEGER,                                 -- offboarded, and not readmitted since
  erased_at_us      INTEGER
) STRICT;
CREATE INDEX principal_erased ON principal (erased_at_us) WHERE erased_at_us IS NOT NULL;
