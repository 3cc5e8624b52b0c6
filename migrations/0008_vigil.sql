-- When the cause of an alarm went by itself, and what was heard of other CIs while we listened.

-- NULL: it still holds, or is of a kind that nothing takes back.
ALTER TABLE alarm ADD COLUMN cleared_at INTEGER;

-- Between two looks: for how long Gerrit's stream was listened to, and how many reports of other CIs came in.
CREATE TABLE heard (
  begun_at    INTEGER PRIMARY KEY,
  listened_ms INTEGER NOT NULL,
  others      INTEGER NOT NULL
) STRICT;
