-- Tokens by which one runtime opens a child under another runtime's step. Before this version there was none.
CREATE TABLE delegation_token (
  sequence         INTEGER PRIMARY KEY REFERENCES issuance,  -- of its issuance
  runtime_entry_id TEXT NOT NULL REFERENCES registration_entry,
  may_act          TEXT NOT NULL,
  uses_max         INTEGER NOT NULL CHECK (uses_max >= 1),
  uses             INTEGER NOT NULL CHECK (uses >= 0 AND uses <= uses_max)
) STRICT;

ALTER TABLE step ADD COLUMN delegation_jti TEXT;             -- NULL: no child, or one whose opener could name its parent
