-- SPDX-License-Identifier: Apache-2.0
-- A database in memory: filled, indexed, changed, queried. Every result is determined.
.mode list
CREATE TABLE entry (
	id INTEGER PRIMARY KEY,
	part INTEGER NOT NULL,
	amount REAL NOT NULL,
	label TEXT NOT NULL
);
WITH RECURSIVE number (i) AS (
	SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 400000
)
INSERT INTO entry
SELECT i, i * 7919 % 97, (i * 31 % 1000) / 8.0, printf('label-%06d', i * 7919 % 1000003) FROM number;
CREATE INDEX by_label ON entry (label);
CREATE INDEX by_part ON entry (part, amount);
UPDATE entry SET amount = amount + 1 WHERE part % 3 = 0;
DELETE FROM entry WHERE id % 5 = 0;
SELECT part, count(*), sum(amount), min(label) FROM entry GROUP BY part ORDER BY part LIMIT 5;
SELECT count(*) FROM entry AS a JOIN entry AS b ON b.id = a.id + 1 WHERE a.part < b.part;
SELECT group_concat(label) FROM (SELECT label FROM entry ORDER BY amount DESC, label LIMIT 5);
