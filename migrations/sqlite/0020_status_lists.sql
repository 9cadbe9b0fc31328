-- Status lists: where one has a token, as the token itself says. Before this version no token said so.
ALTER TABLE issuance ADD COLUMN status_list TEXT;           -- NULL: the credential names none
ALTER TABLE issuance ADD COLUMN status_index INTEGER;

CREATE TABLE status_list (
  list           TEXT PRIMARY KEY,
  first_sequence INTEGER NOT NULL,                          -- of its first token
  ends_at_s      INTEGER NOT NULL                           -- exclusive: by then every token in it has expired
) STRICT, WITHOUT ROWID;
CREATE INDEX status_list_ends ON status_list (ends_at_s);
