-- What brokers that share the log need of one another.

-- What a broker says of itself to the others, with each renewal of its lease: the nodes that are there, and where its verifiers stand.

ALTER TABLE stint.replica ADD COLUMN report jsonb NOT NULL DEFAULT '{}';

-- The keys that what is known of principals is sealed with. Deleting one erases all of it: this table has to be left out of backups
-- that are kept for longer than an erasure may take.
CREATE TABLE stint.principal_key (
  principal_id text PRIMARY KEY,
  content      bytea NOT NULL
);
