-- Which alarms the operator was told of by mail: one mail for each time that an alarm is new.

ALTER TABLE alarm ADD COLUMN new_at  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alarm_untold ON alarm (new_at) WHERE told_at < new_at;
