-- The event log: append-only. Its views can be made again from it.
CREATE TABLE event (
  seq           INTEGER PRIMARY KEY,
  history       TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  type          TEXT    NOT NULL,
  event_version INTEGER NOT NULL,
  at            INTEGER NOT NULL,
  data          TEXT    NOT NULL,
  settles       TEXT,
  causation_id  TEXT,
  outcome       TEXT    NOT NULL,
  machine       TEXT    NOT NULL,
  state         TEXT    NOT NULL,
  state_hash    TEXT    NOT NULL,
  effects       TEXT    NOT NULL,
  hash          TEXT    NOT NULL,
  UNIQUE (history, version)
) STRICT;

-- For statistics of stage times.
CREATE INDEX event_stage_end ON event (at) WHERE type = 'stage.exited';

-- For the time of our newest report.
CREATE INDEX event_report ON event (at) WHERE type = 'review.posted' AND outcome = 'moved';

CREATE TRIGGER event_rows_never_change BEFORE UPDATE ON event
BEGIN
  SELECT RAISE(ABORT, 'rows of the event log are never changed');
END;

-- The rows that leave for an archive file, while the row that accounts for them is inserted; otherwise empty.
CREATE TABLE leaving (
  history TEXT    PRIMARY KEY,
  first   INTEGER NOT NULL,
  last    INTEGER NOT NULL,
  head    TEXT    NOT NULL,
  whole   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER leaving_rows_are_accounted_for BEFORE INSERT ON leaving
WHEN NOT EXISTS (
  SELECT 1 FROM event AS newest JOIN event AS final ON final.history = NEW.history AND final.version = NEW.last
  WHERE newest.seq = (SELECT max(seq) FROM event) AND newest.type = 'histories.archived'
    AND instr(newest.data, NEW.head) > 0 AND final.hash = NEW.head
)
BEGIN
  SELECT RAISE(ABORT, 'rows of the event log leave only with histories.archived');
END;

CREATE TRIGGER event_rows_stay BEFORE DELETE ON event
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE history = OLD.history AND OLD.version BETWEEN first AND last)
BEGIN
  SELECT RAISE(ABORT, 'rows of the event log are never deleted');
END;

-- A history leaves whole, or up to a row that repeats its state.
CREATE TRIGGER event_rows_leave AFTER INSERT ON event WHEN NEW.type = 'histories.archived'
BEGIN
  INSERT INTO leaving
  SELECT value ->> 'history', value ->> 'first', value ->> 'last', value ->> 'head', value ->> 'whole'
  FROM json_each(NEW.data, '$.histories');
  SELECT RAISE(ABORT, 'a history leaves the event log whole, or up to a row that continues it')
  FROM leaving
  LEFT JOIN event AS next ON next.history = leaving.history AND next.version = last + 1
  WHERE CASE whole WHEN 1 THEN next.seq IS NOT NULL ELSE next.type IS NOT 'history.continued' END
    OR EXISTS (SELECT 1 FROM event AS older WHERE older.history = leaving.history AND older.version < first);
  DELETE FROM event WHERE seq IN (
    SELECT gone.seq FROM leaving CROSS JOIN event AS gone
    WHERE gone.history = leaving.history AND gone.version BETWEEN first AND last
  );
  DELETE FROM leaving;
END;

-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER event_rows_are_not_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq OR (history = NEW.history AND version = NEW.version))
BEGIN
  SELECT RAISE(ABORT, 'this version of the history is taken');
END;

-- Projections: written in the transaction of the row that changes them; `sos-ci rebuild` makes them again from the log.

-- The newest state of each history. `stored` is the canonical text that event.state_hash was made over.
CREATE TABLE history_view (
  history   TEXT    PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  ended     INTEGER NOT NULL,
  stored    TEXT    NOT NULL,
  hash      TEXT    NOT NULL
) STRICT;
CREATE INDEX history_open ON history_view (first_seq) WHERE ended = 0;

-- `queued`, `cleaning_up` and `parked` are answers of the job's machine: queries never compare `state`.
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
  owner       TEXT    NOT NULL,
  provider    TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  ended       INTEGER NOT NULL,
  queued      INTEGER NOT NULL,
  cleaning_up INTEGER NOT NULL,
  parked      INTEGER NOT NULL,
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
  id           TEXT    PRIMARY KEY,
  pipeline     TEXT    NOT NULL,
  project      TEXT    NOT NULL,
  branch       TEXT    NOT NULL,
  change       INTEGER NOT NULL,
  patchset     INTEGER NOT NULL,
  state        TEXT    NOT NULL,
  ended        INTEGER NOT NULL,
  jobs_pending INTEGER NOT NULL,
  outcome      TEXT,
  opened_at    INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX review_open ON review_view (project, change, id) WHERE ended = 0;
CREATE INDEX review_change ON review_view (change, id);

-- At most one review for each trigger.
CREATE TABLE trigger_view (
  trigger TEXT PRIMARY KEY,
  review  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What events started, by the time of the event: rate limits count these.
CREATE TABLE start_view (
  review  TEXT    PRIMARY KEY,
  project TEXT    NOT NULL,
  change  INTEGER NOT NULL,
  account TEXT    NOT NULL,
  at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX start_time ON start_view (at);

-- Effects that were requested and are not settled.
CREATE TABLE outbox (
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

-- When each project last got a slot of each provider: the fair order survives a restart.
CREATE TABLE last_served (
  provider TEXT    NOT NULL,
  project  TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (provider, project)
) STRICT, WITHOUT ROWID;

-- Beside the log: what may be lost without harm, and what belongs to this one database.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Gerrit's events by name, and what was rejected.
CREATE TABLE event_count (
  name  TEXT    PRIMARY KEY,
  times INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  kind            TEXT    NOT NULL,
  target          TEXT    NOT NULL,
  message         TEXT    NOT NULL,
  hint            TEXT    NOT NULL,
  first_at        INTEGER NOT NULL,
  last_at         INTEGER NOT NULL,
  times           INTEGER NOT NULL,
  -- When it last became new, and up to when it was mailed: one mail for each time that an alarm is new.
  new_at          INTEGER NOT NULL,
  mailed_at       INTEGER NOT NULL,
  -- NULL: its cause still holds, or no program can tell.
  cleared_at      INTEGER,
  -- NULL: no operator has acknowledged it since it became new.
  acknowledged_at INTEGER,
  acknowledged_by TEXT    NOT NULL DEFAULT '',
  acknowledged_why TEXT   NOT NULL DEFAULT '',
  PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_newest ON alarm (last_at);
CREATE INDEX alarm_unmailed ON alarm (new_at) WHERE mailed_at < new_at;

-- How far Gerrit's events were processed, and which were: in the transactions of what they started.

-- `number` is never given twice, also when the newest were pruned: it makes the names of triggers.
-- `message` is the id of a comment, '' while it is unknown.
CREATE TABLE seen_event (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  kind     TEXT    NOT NULL,
  change   INTEGER NOT NULL,
  patchset INTEGER NOT NULL,
  account  TEXT    NOT NULL,
  text     TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  streamed INTEGER NOT NULL,
  hidden   INTEGER NOT NULL,
  message  TEXT    NOT NULL
) STRICT;
CREATE INDEX seen_event_change ON seen_event (change);
CREATE INDEX seen_event_at ON seen_event (at);

CREATE TABLE checkpoint (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  origin    INTEGER NOT NULL,
  position  INTEGER NOT NULL,
  pruned_before INTEGER NOT NULL
) STRICT;

-- Between two checks: for how long Gerrit's stream was connected, and how many reports of other CIs came in.
CREATE TABLE peer_activity (
  begun_at    INTEGER PRIMARY KEY,
  listened_ms INTEGER NOT NULL,
  others      INTEGER NOT NULL
) STRICT;

-- Starts that a rate limit delays. `data` is the start and the limit, as JSON.
CREATE TABLE deferred_start (
  project TEXT    NOT NULL,
  change  INTEGER NOT NULL,
  since   INTEGER NOT NULL,
  data    TEXT    NOT NULL,
  PRIMARY KEY (project, change)
) STRICT, WITHOUT ROWID;

-- The newest requests that were ignored.
CREATE TABLE ignored_request (
  number   INTEGER PRIMARY KEY,
  project  TEXT    NOT NULL,
  change   INTEGER NOT NULL,
  patchset INTEGER NOT NULL,
  account  TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  rule     TEXT    NOT NULL,
  why      TEXT    NOT NULL
) STRICT;
CREATE INDEX ignored_request_change ON ignored_request (change);

-- The results of single tests, from the results file of an attempt. They leave with their job.

-- `newest_run` tells which names no run has any more.
CREATE TABLE test (
  number     INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  newest_run INTEGER NOT NULL
) STRICT;

-- The columns of the job as well: queries do not depend on its view.
CREATE TABLE test_run (
  number   INTEGER PRIMARY KEY,
  job      TEXT    NOT NULL,
  attempt  INTEGER NOT NULL,
  name     TEXT    NOT NULL,
  project  TEXT    NOT NULL,
  branch   TEXT    NOT NULL,
  change   INTEGER NOT NULL,
  patchset INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  passed   INTEGER NOT NULL,
  failed   INTEGER NOT NULL,
  skipped  INTEGER NOT NULL,
  stored   INTEGER NOT NULL,
  problem  TEXT,
  UNIQUE (job, attempt)
) STRICT;
CREATE INDEX test_run_series ON test_run (name, project, branch);

-- `outcome`: 0 passed, 1 skipped, 2 failed.
CREATE TABLE test_result (
  run         INTEGER NOT NULL,
  test        INTEGER NOT NULL,
  outcome     INTEGER NOT NULL,
  duration_ms INTEGER,
  error       TEXT,
  fingerprint TEXT,
  PRIMARY KEY (run, test)
) STRICT, WITHOUT ROWID;
CREATE INDEX test_failure ON test_result (test, run) WHERE outcome = 2;
