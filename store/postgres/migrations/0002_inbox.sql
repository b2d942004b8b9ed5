-- The queue of webhook events. State: 1 ready, 2 leased, 3 done, 4 dead.
-- Ids grow and are never used again, as tokens are made of them; a queue that is
-- partitioned by ranges of them is partitioned by time.
CREATE SEQUENCE inbox_id;

CREATE TABLE inbox (
  id          bigint   PRIMARY KEY,
  key_hash    bytea    NOT NULL, -- with the revision, its row in seen
  key         bytea    NOT NULL,
  kind        text     NOT NULL,
  user_id     text COLLATE "C" NOT NULL,
  session_id  text COLLATE "C" NOT NULL,
  received_ms bigint   NOT NULL,
  state       smallint NOT NULL,
  due_ms      bigint   NOT NULL, -- when it may be claimed: for a leased event, when its lease ends
  revision    bigint   NOT NULL,
  attempts    bigint   NOT NULL,
  claims      bigint   NOT NULL,
  steps       text     NOT NULL, -- separated by commas
  body        bytea
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE inbox ALTER body SET STORAGE EXTERNAL;

CREATE INDEX inbox_due ON inbox (due_ms, id) WHERE state < 3;
CREATE INDEX inbox_done ON inbox (received_ms, id) WHERE state = 3;
CREATE INDEX inbox_dead ON inbox (id) WHERE state = 4;

-- What tells duplicates: one row a revision. key_hash is made of hashes of the
-- user, the session and the key, in this order, and so finds the events of a user.
-- It stands beside the queue so that the queue can be partitioned by time.
CREATE TABLE seen (
  key_hash  bytea  NOT NULL,
  revision  bigint NOT NULL,
  body_hash bytea  NOT NULL,
  event_id  bigint NOT NULL,
  PRIMARY KEY (key_hash, revision)
);

CREATE TABLE notes (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id bigint NOT NULL,
  at_ms    bigint NOT NULL,
  what     text   NOT NULL,
  reason   bytea
);

CREATE INDEX notes_event ON notes (event_id, id);
