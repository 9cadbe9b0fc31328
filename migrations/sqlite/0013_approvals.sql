-- Steps that wait until an operator approves or refuses them, and what was said of them.

ALTER TABLE step ADD COLUMN approval TEXT;                   -- JSON: what is waited for; NULL: the step was opened at once
ALTER TABLE step ADD COLUMN approval_answer TEXT;            -- JSON: who approved or refused it, when and why; NULL: nobody

ALTER TABLE decision ADD COLUMN approval TEXT;               -- who may approve what was denied
