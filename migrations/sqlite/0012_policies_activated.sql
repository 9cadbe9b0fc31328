-- projections: rebuilt from the events
--
-- Who put the policies in force, and why: what an operator chose is not undone by what the configuration said before.

ALTER TABLE policies_in_force ADD COLUMN actor TEXT NOT NULL DEFAULT '';           -- JSON
ALTER TABLE policies_in_force ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE policies_in_force ADD COLUMN activated_at_us INTEGER NOT NULL DEFAULT 0;
