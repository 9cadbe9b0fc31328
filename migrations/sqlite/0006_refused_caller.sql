-- What a denial says of whom it refused. Of denials that were recorded before, nothing is known.
ALTER TABLE decision ADD COLUMN message TEXT;
ALTER TABLE decision ADD COLUMN caller TEXT;                 -- JSON
