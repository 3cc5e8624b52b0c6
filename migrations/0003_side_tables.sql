-- Beside the log: what may be lost without harm, and what belongs to this one database.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Gerrit's events by name, and what was rejected.
CREATE TABLE intake_count (
  name  TEXT    PRIMARY KEY,
  times INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  kind     TEXT    NOT NULL,
  target   TEXT    NOT NULL,
  message  TEXT    NOT NULL,
  hint     TEXT    NOT NULL,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,
  times    INTEGER NOT NULL,
  PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_newest ON alarm (last_at);
