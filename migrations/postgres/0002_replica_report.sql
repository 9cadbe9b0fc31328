-- What a broker says of itself to the others, with each renewal of its lease: the nodes that are there, and where its verifiers stand.

ALTER TABLE stint.replica ADD COLUMN report jsonb NOT NULL DEFAULT '{}';
