-- Starts that a limit holds back, and requests that were ignored: beside the log, in the transactions of what decided them.

-- `data` is the start and the limit, as JSON.
CREATE TABLE waiting_start (
  project TEXT    NOT NULL,
  change  INTEGER NOT NULL,
  since   INTEGER NOT NULL,
  data    TEXT    NOT NULL,
  PRIMARY KEY (project, change)
) STRICT, WITHOUT ROWID;

-- The newest ones.
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

-- A start that a newer patchset superseded does not count any more.
DELETE FROM start_view WHERE review IN (
  SELECT event.history FROM event JOIN review_view ON review_view.id = event.history
  WHERE event.type = 'review.superseded' AND event.outcome = 'moved' AND event.state = 'done'
    AND review_view.outcome = 'withdrawn'
);
