-- How far Gerrit's events were taken, and what of them was decided upon: beside the log, in the transactions of what the events started.

-- `number` is never given twice, also when the newest were forgotten: it makes the names of triggers.
CREATE TABLE seen (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  kind     TEXT    NOT NULL,
  change   INTEGER NOT NULL,
  patchset INTEGER NOT NULL,
  account  TEXT    NOT NULL,
  text     TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  streamed INTEGER NOT NULL,
  hidden   INTEGER NOT NULL
) STRICT;
CREATE INDEX seen_change ON seen (change);
CREATE INDEX seen_at ON seen (at);

CREATE TABLE intake_position (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  origin    INTEGER NOT NULL,
  position  INTEGER NOT NULL,
  forgotten INTEGER NOT NULL
) STRICT;
