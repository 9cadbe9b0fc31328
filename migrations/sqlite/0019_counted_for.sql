-- projections: rebuilt from the events
--
-- For which of the principals that a run has worked for every step counts that is not closed there, nor in the runs that such steps
-- connect it with. One that was opened while the run alone decided what counts does not, until the next is opened for the principal.

ALTER TABLE fact ADD COLUMN counted_for TEXT NOT NULL DEFAULT '[]';  -- JSON: scopes of principals
