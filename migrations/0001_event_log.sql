-- The event log: what happened, for ever. Nothing else in this file survives on its own; everything else can be made again from it.
CREATE TABLE event (
  seq           INTEGER PRIMARY KEY,
  history       TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  type          TEXT    NOT NULL,
  event_version INTEGER NOT NULL,
  at            INTEGER NOT NULL,
  data          TEXT    NOT NULL,
  settles       TEXT,
  cause         TEXT,
  outcome       TEXT    NOT NULL,
  machine       TEXT    NOT NULL,
  state         TEXT    NOT NULL,
  state_hash    TEXT    NOT NULL,
  effects       TEXT    NOT NULL,
  hash          TEXT    NOT NULL,
  UNIQUE (history, version)
) STRICT;

CREATE TRIGGER event_rows_never_change BEFORE UPDATE ON event
BEGIN
  SELECT RAISE(ABORT, 'rows of the event log are never changed');
END;

CREATE TRIGGER event_rows_stay BEFORE DELETE ON event
BEGIN
  SELECT RAISE(ABORT, 'rows of the event log are never deleted');
END;

-- INSERT OR REPLACE would delete without firing the trigger above.
CREATE TRIGGER event_rows_are_not_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq OR (history = NEW.history AND version = NEW.version))
BEGIN
  SELECT RAISE(ABORT, 'this version of the history is taken');
END;
