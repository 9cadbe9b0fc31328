-- Receivers of security events: a stream each, and how far its receiver has all that concerns it. What is still to be sent is
-- what the deny-list has after that.
CREATE TABLE event_stream (
  stream_id          TEXT PRIMARY KEY,
  entry_id           TEXT NOT NULL UNIQUE REFERENCES registration_entry,
  stream             TEXT NOT NULL,                         -- JSON
  delivered_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
