-- Which processes ever opened a step: those of them that still live are found again after a restart, since what they start is not
-- let open steps. A caller on a network has no process here.
CREATE TABLE step_opener (
  process        TEXT PRIMARY KEY,
  first_sequence INTEGER NOT NULL                            -- of the first step that it opened
) STRICT, WITHOUT ROWID;
INSERT INTO step_opener (process, first_sequence)
  SELECT opener, min(sequence) FROM step WHERE opener NOT LIKE '%/remote/0/0' GROUP BY opener;

-- Which processes may open steps although they descend from one that did.
CREATE TABLE enrolled_process (
  process  TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL                                  -- of the enrollment
) STRICT, WITHOUT ROWID;
