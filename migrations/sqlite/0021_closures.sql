-- When it was certain, and told, that nobody accepts any more what one event closed.
CREATE TABLE closure (
  closed_sequence INTEGER PRIMARY KEY,                     -- of the close
  reached_at_us   INTEGER NOT NULL
) STRICT;

-- What a verifier signed when it said that it had applied the feed; JSON. NULL: it signed nothing.
ALTER TABLE receipt ADD COLUMN signed TEXT;
