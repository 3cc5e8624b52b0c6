-- When each project was last given a slot of each provider: whose turn it is survives a restart.
CREATE TABLE turn_view (
  provider TEXT    NOT NULL,
  project  TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (provider, project)
) STRICT, WITHOUT ROWID;

-- SQLite takes `at` from the row that has the highest seq.
INSERT INTO turn_view
SELECT job_view.provider, job_view.project, max(event.seq), event.at
FROM event JOIN job_view ON job_view.id = event.history
WHERE event.type = 'slot.granted' AND event.outcome = 'moved'
GROUP BY job_view.provider, job_view.project;
