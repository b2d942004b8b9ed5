-- The queue of webhook events. State: 1 ready, 2 leased, 3 done, 4 dead.
-- Ids are never used again, as tokens are made of them. Every index costs each
-- insert one more random page, so dedupe also finds the events of a user.
CREATE TABLE inbox (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  dedupe      BLOB    NOT NULL, -- hashes of user, session, key and body, in this order
  key         BLOB    NOT NULL,
  kind        TEXT    NOT NULL,
  user_id     TEXT    NOT NULL,
  session_id  TEXT    NOT NULL,
  received_ms INTEGER NOT NULL,
  state       INTEGER NOT NULL,
  due_ms      INTEGER NOT NULL, -- when it may be claimed: for a leased event, when its lease ends
  revision    INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  claims      INTEGER NOT NULL,
  steps       TEXT    NOT NULL, -- separated by commas
  body        BLOB
) STRICT;

CREATE UNIQUE INDEX inbox_dedupe ON inbox (dedupe);
CREATE INDEX inbox_due ON inbox (due_ms, id) WHERE state < 3;
CREATE INDEX inbox_done ON inbox (received_ms) WHERE state = 3;
CREATE INDEX inbox_dead ON inbox (id) WHERE state = 4;

CREATE TABLE notes (
  id       INTEGER PRIMARY KEY,
  event_id INTEGER NOT NULL REFERENCES inbox (id) ON DELETE CASCADE,
  at_ms    INTEGER NOT NULL,
  what     TEXT    NOT NULL,
  reason   BLOB
) STRICT;

CREATE INDEX notes_event ON notes (event_id, id);
