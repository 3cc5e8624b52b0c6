-- Which alarms an operator has seen: beside the log, which holds who it was and why.

-- NULL: nobody has, or the alarm is new again since then.
ALTER TABLE alarm ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE alarm ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
