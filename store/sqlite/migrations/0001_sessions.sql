-- Sessions and the tombstones of what was erased.
-- A start or end that is not known is -62135596800000, the zero time of Go.
CREATE TABLE sessions (
  session_id  TEXT    NOT NULL PRIMARY KEY,
  user_id     TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  settled     INTEGER NOT NULL,
  start_ms    INTEGER NOT NULL,
  end_ms      INTEGER NOT NULL,
  zone        TEXT    NOT NULL,
  offset_s    INTEGER NOT NULL,
  local_date  INTEGER NOT NULL, -- yyyymmdd, 0 if the start is not known
  form        INTEGER NOT NULL,
  observed_ms INTEGER NOT NULL,
  rev         INTEGER NOT NULL, -- orders news: greater is newer
  version     INTEGER NOT NULL, -- how often the row was written
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL,
  metrics     BLOB,
  epochs      BLOB,
  raw         BLOB
) STRICT;

CREATE INDEX sessions_user_start ON sessions (user_id, start_ms DESC, session_id DESC);
CREATE INDEX sessions_start ON sessions (start_ms DESC, session_id DESC);
CREATE INDEX sessions_created ON sessions (created_ms);

CREATE TABLE tombstones (
  hash     BLOB    NOT NULL PRIMARY KEY,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
