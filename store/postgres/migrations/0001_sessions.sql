-- Sessions, windows of those that are still recorded, and tombstones.
-- Instants are milliseconds since 1970 in UTC. A start or end that is not known
-- is -62135596800000, the zero time of Go. Payloads come compressed.
CREATE TABLE sessions (
  session_id  text COLLATE "C" PRIMARY KEY,
  user_id     text COLLATE "C" NOT NULL,
  state       text     NOT NULL,
  settled     boolean  NOT NULL,
  start_ms    bigint   NOT NULL,
  end_ms      bigint   NOT NULL,
  zone        text     NOT NULL,
  offset_s    bigint   NOT NULL,
  local_date  bigint   NOT NULL, -- yyyymmdd, 0 if the start is not known
  form        smallint NOT NULL,
  observed_ms bigint   NOT NULL,
  rev         bigint   NOT NULL, -- orders news: greater is newer
  version     bigint   NOT NULL, -- how often the row was written
  created_ms  bigint   NOT NULL,
  updated_ms  bigint   NOT NULL,
  metrics     bytea,
  epochs      bytea,
  raw         bytea
);
ALTER TABLE sessions ALTER epochs SET STORAGE EXTERNAL, ALTER raw SET STORAGE EXTERNAL;

CREATE INDEX sessions_user_start ON sessions (user_id, start_ms DESC, session_id DESC);
CREATE INDEX sessions_start ON sessions (start_ms DESC, session_id DESC);
CREATE INDEX sessions_created ON sessions (created_ms);

CREATE TABLE tombstones (
  hash     bytea  PRIMARY KEY,
  until_ms bigint NOT NULL
);

CREATE TABLE windows (
  session_id  text COLLATE "C" NOT NULL,
  seq         bigint NOT NULL,
  user_id     text COLLATE "C" NOT NULL,
  observed_ms bigint NOT NULL,
  epochs      bytea,
  PRIMARY KEY (session_id, seq)
);

CREATE INDEX windows_user ON windows (user_id);
CREATE INDEX windows_observed ON windows (observed_ms);
