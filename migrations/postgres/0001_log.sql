-- The log that replicas share: events in their order, the head of their tree, and the parts of snapshots. Every table that follows
-- from the events is kept by each replica for itself.
--
-- Instants end in _us (microseconds since 1970).

CREATE SCHEMA stint;

CREATE TABLE stint.schema_migration (
  number     integer PRIMARY KEY,
  name       text NOT NULL,
  sha256     text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- The canonical bytes are what was hashed; without them the event is pruned.
CREATE TABLE stint.event (
  sequence       bigint PRIMARY KEY CHECK (sequence >= 1),
  type           text NOT NULL,
  recorded_at_us bigint NOT NULL,
  leaf_hash      bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  canonical      bytea CHECK (octet_length(canonical) BETWEEN 3 AND 65535)
);

CREATE INDEX event_of_snapshot ON stint.event (sequence) WHERE type = 'snapshot.taken';

CREATE FUNCTION stint.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.canonical IS NULL
     AND (NEW.sequence, NEW.type, NEW.recorded_at_us, NEW.leaf_hash)
       = (OLD.sequence, OLD.type, OLD.recorded_at_us, OLD.leaf_hash) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'events are never changed';
END $$;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE ON stint.event
  FOR EACH ROW EXECUTE FUNCTION stint.refuse_change();
CREATE TRIGGER event_is_never_emptied BEFORE TRUNCATE ON stint.event
  FOR EACH STATEMENT EXECUTE FUNCTION stint.refuse_change();

-- One row. Whoever appends locks it first.
CREATE TABLE stint.tree_head (
  id        boolean PRIMARY KEY DEFAULT true CHECK (id),
  epoch     text NOT NULL,
  tree_size bigint NOT NULL CHECK (tree_size >= 0),
  root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32)
) WITH (fillfactor = 10);

-- Of no events: SHA-256 of nothing (RFC 9162, 2.1.1).
INSERT INTO stint.tree_head (epoch, tree_size, root_hash)
VALUES ('', 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

CREATE TABLE stint.snapshot_chunk (
  through_sequence bigint NOT NULL,
  chunk_index      integer NOT NULL,
  content          bytea NOT NULL,
  PRIMARY KEY (through_sequence, chunk_index)
);

-- Who shares the log. A lease is renewed by its broker, and lapses by the clock of this server.
CREATE TABLE stint.replica (
  name          text PRIMARY KEY,
  instance      text NOT NULL,
  boot_id       text NOT NULL,
  pid_namespace text NOT NULL,
  seen_at       timestamptz NOT NULL
);

-- What all brokers of the log need the same of: the key of the cursors that watchers come back with, at whichever broker.
CREATE TABLE stint.common_key (
  name  text PRIMARY KEY,
  value bytea NOT NULL
);

-- For people who ask by SQL.
CREATE VIEW stint.readable_event AS
  SELECT sequence, type, to_timestamp(recorded_at_us / 1e6) AS recorded_at, convert_from(canonical, 'UTF8')::json AS content
    FROM stint.event;
