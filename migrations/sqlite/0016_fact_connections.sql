-- projections: rebuilt from the events
--
-- Which other runs the open steps of a run count in: those that such a step was delegated from. As long as there is one, what is granted
-- in one of both runs may become known in the other.

CREATE TABLE fact_connection (
  run        TEXT NOT NULL,                                  -- scope of the run
  other      TEXT NOT NULL,                                  -- scope of the other
  steps_open INTEGER NOT NULL CHECK (steps_open > 0),
  PRIMARY KEY (run, other)
) STRICT, WITHOUT ROWID;
