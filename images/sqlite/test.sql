-- SPDX-License-Identifier: Apache-2.0
-- Makes, fills, indexes and queries a database, then has SQLite check it. Every result is determined.
-- Use: sqlite3 -batch -bail /tmp/test.db < images/sqlite/test.sql
.mode list
PRAGMA journal_mode = DELETE;
DROP TABLE IF EXISTS entry;
CREATE TABLE entry (
	id INTEGER PRIMARY KEY,
	part INTEGER NOT NULL,
	amount REAL NOT NULL,
	label TEXT NOT NULL
);

BEGIN;
WITH RECURSIVE number (i) AS (
	SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 100000
)
INSERT INTO entry
SELECT i, i * 7919 % 97, (i * 31 % 1000) / 8.0, printf('label-%05d', i * 7919 % 100003) FROM number;
COMMIT;

CREATE INDEX entry_part ON entry (part, amount);
CREATE UNIQUE INDEX entry_label ON entry (label);

SELECT 'rows', count(*), sum(id), sum(amount) FROM entry;
SELECT 'parts', count(DISTINCT part), min(label), max(label) FROM entry;
SELECT 'part', part, count(*), sum(amount) FROM entry WHERE part IN (3, 50, 96) GROUP BY part;
SELECT 'found', id FROM entry WHERE label = 'label-07919';
SELECT 'joined', count(*) FROM entry AS a JOIN entry AS b ON b.label = a.label WHERE a.part = 5;

BEGIN;
UPDATE entry SET amount = amount + 1 WHERE part < 10;
DELETE FROM entry WHERE id % 10 = 0;
SELECT 'changed', count(*), sum(amount) FROM entry;
ROLLBACK;
SELECT 'undone', count(*), sum(amount) FROM entry;

UPDATE entry SET label = label || '!' WHERE part = 1;
DELETE FROM entry WHERE part = 2;
SELECT 'ranked', id, amount FROM (
	SELECT id, amount, row_number() OVER (PARTITION BY part ORDER BY amount DESC, id) AS place
	FROM entry WHERE part BETWEEN 10 AND 12
) WHERE place = 1 ORDER BY id;
VACUUM;
SELECT 'left', count(*), sum(length(label)) FROM entry;
PRAGMA integrity_check;
