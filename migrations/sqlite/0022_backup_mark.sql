-- Where a copy ends that was made as a backup: in the copy alone, and in what is put back of it. As long as the newest epoch is not younger,
-- nobody has accepted that what was recorded after the copy is forgotten, and nothing may be issued on it.

CREATE TABLE backup_mark (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  sequence   INTEGER NOT NULL,               -- of the copy's newest event
  made_at_us INTEGER NOT NULL
) STRICT;
