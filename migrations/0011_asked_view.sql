-- Every effect that a history ever asked for: a key is used once, so a late answer settles nothing else.
CREATE TABLE asked_view (
  history TEXT NOT NULL,
  key     TEXT NOT NULL,
  PRIMARY KEY (history, key)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO asked_view
SELECT event.history, effect.value ->> 'key'
FROM event, json_each(event.effects) AS effect
WHERE effect.value ->> 'type' NOT IN ('sendEvent', 'cancelEffect');
