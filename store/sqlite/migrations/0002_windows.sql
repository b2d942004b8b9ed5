-- Windows of epochs of sessions that are still recorded.
CREATE TABLE windows (
  session_id  TEXT    NOT NULL,
  seq         INTEGER NOT NULL,
  user_id     TEXT    NOT NULL,
  observed_ms INTEGER NOT NULL,
  epochs      BLOB,
  PRIMARY KEY (session_id, seq)
) STRICT;

CREATE INDEX windows_user ON windows (user_id);
CREATE INDEX windows_observed ON windows (observed_ms);
