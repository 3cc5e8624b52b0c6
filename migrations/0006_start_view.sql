-- What events began, by the time of the event: the limits on starts are counted here.
CREATE TABLE start_view (
  review  TEXT    PRIMARY KEY,
  project TEXT    NOT NULL,
  change  INTEGER NOT NULL,
  account TEXT    NOT NULL,
  at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX start_time ON start_view (at);
