-- Views: kept in the transaction of the row that changes them; `sos-ci rebuild` makes them again from the log.

-- Where each history stands. `stored` is the canonical text that event.state_hash was made over.
CREATE TABLE history_view (
  history   TEXT    PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  ended     INTEGER NOT NULL,
  stored    TEXT    NOT NULL,
  hash      TEXT    NOT NULL
) STRICT;
CREATE INDEX history_open ON history_view (first_seq) WHERE ended = 0;

CREATE TABLE job_view (
  id          TEXT    PRIMARY KEY,
  review      TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  pipeline    TEXT    NOT NULL,
  project     TEXT    NOT NULL,
  branch      TEXT    NOT NULL,
  change      INTEGER NOT NULL,
  patchset    INTEGER NOT NULL,
  subject     TEXT    NOT NULL,
  provider    TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  ended       INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  verdict     TEXT,
  reason      TEXT    NOT NULL,
  url         TEXT,
  accepted_at INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  ended_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX job_open ON job_view (id) WHERE ended = 0;
CREATE INDEX job_change ON job_view (change, id);

CREATE TABLE review_view (
  id         TEXT    PRIMARY KEY,
  pipeline   TEXT    NOT NULL,
  project    TEXT    NOT NULL,
  branch     TEXT    NOT NULL,
  change     INTEGER NOT NULL,
  patchset   INTEGER NOT NULL,
  state      TEXT    NOT NULL,
  ended      INTEGER NOT NULL,
  outcome    TEXT,
  opened_at  INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX review_open ON review_view (project, change, id) WHERE ended = 0;
CREATE INDEX review_change ON review_view (change, id);

-- What has started something: at most one review for one trigger.
CREATE TABLE trigger_view (
  trigger TEXT PRIMARY KEY,
  review  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Effects requested and not settled.
CREATE TABLE owed_view (
  history      TEXT    NOT NULL,
  key          TEXT    NOT NULL,
  seq          INTEGER NOT NULL,
  requested_at INTEGER NOT NULL,
  effect       TEXT    NOT NULL,
  PRIMARY KEY (history, key)
) STRICT, WITHOUT ROWID;

-- Ended jobs by day (UTC), job name and verdict.
CREATE TABLE day_view (
  day     TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  verdict TEXT    NOT NULL,
  jobs    INTEGER NOT NULL,
  PRIMARY KEY (day, name, verdict)
) STRICT, WITHOUT ROWID;
