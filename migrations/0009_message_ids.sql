-- By which a comment is known again where Gerrit is asked by REST; '' while its id is not known.

ALTER TABLE seen ADD COLUMN message TEXT NOT NULL DEFAULT '';
