-- What SQLite can do beyond tables, and each way it has of writing files. Every line of output is the same
-- wherever this runs; the database is given on the command line and must be a new file.
.bail on
.print == journals
PRAGMA page_size = 4096;
PRAGMA journal_mode = wal;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, price REAL CHECK (price >= 0), body BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
	INSERT INTO item SELECT i, 'kind' || (i * 7919 % 13), i * 3 % 1000 / 4.0, zeroblob(i % 300) FROM n;
PRAGMA wal_checkpoint(truncate);
PRAGMA journal_mode = delete;
UPDATE item SET price = price + 1 WHERE id % 3 = 0;
PRAGMA journal_mode = truncate;
UPDATE item SET price = price + 1 WHERE id % 5 = 0;
PRAGMA journal_mode = persist;
DELETE FROM item WHERE id % 11 = 0;
PRAGMA journal_mode = memory;
PRAGMA mmap_size = 1048576;
SELECT count(*), sum(price), sum(length(body)) FROM item;

.print == transactions
BEGIN;
SAVEPOINT one;
DELETE FROM item;
SELECT count(*) FROM item;
ROLLBACK TO one;
SELECT count(*) FROM item;
INSERT INTO item VALUES (100001, 'new', 1, NULL);
COMMIT;
SELECT max(id) FROM item;

.print == queries
CREATE INDEX item_kind ON item (kind, price);
CREATE VIEW dear AS SELECT * FROM item WHERE price > 249;
SELECT kind, count(*), round(avg(price), 3) FROM item GROUP BY kind HAVING count(*) > 300 ORDER BY 1;
SELECT id, rank() OVER (PARTITION BY kind ORDER BY price DESC, id) AS r, lag(id) OVER (ORDER BY id)
	FROM item ORDER BY r, id LIMIT 5;
SELECT d.id, i.kind FROM dear AS d JOIN item AS i USING (kind) WHERE i.id < 20 ORDER BY d.id, i.id LIMIT 5;
EXPLAIN QUERY PLAN SELECT * FROM item WHERE kind = 'kind3' AND price > 10;
SELECT group_concat(kind, ',') FROM (SELECT DISTINCT kind FROM item ORDER BY kind LIMIT 4);

.print == triggers and keys
PRAGMA foreign_keys = on;
CREATE TABLE log (what TEXT, item INTEGER REFERENCES item ON DELETE CASCADE);
CREATE TRIGGER changed AFTER UPDATE OF price ON item BEGIN
	INSERT INTO log VALUES (printf('%.2f to %.2f', old.price, new.price), new.id);
END;
UPDATE item SET price = 7 WHERE id < 5;
SELECT * FROM log;
DELETE FROM item WHERE id = 2;
SELECT count(*) FROM log;
INSERT INTO item (id, kind, price) VALUES (1, 'again', 5) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind
	RETURNING id, kind, price;

.print == functions
SELECT json_extract('{"a": [1, 2, {"b": "text"}]}', '$.a[2].b'), json_group_array(value)
	FROM json_each('[3, 1, 2]');
SELECT date('2024-02-28', '+2 days'), strftime('%j', '2024-12-31'), julianday('2000-01-01');
SELECT round(sin(1), 12), round(pow(2, 0.5), 12), hex(substr('abc', 2)), instr('needle', 'dle'), quote(x'00ff');
SELECT 'a%b' LIKE 'a\%b' ESCAPE '\', 'abc' GLOB 'a*', upper('x') || char(0x20ac);

.print == files
.mode csv
.once /tmp/items.csv
SELECT id, kind, price FROM item WHERE id < 50;
CREATE TABLE copy (id, kind, price);
.import /tmp/items.csv copy
.mode list
SELECT count(*), sum(price) FROM copy;
.backup /tmp/backup.db
ATTACH '/tmp/backup.db' AS other;
SELECT count(*) FROM other.item;
SELECT count(*) FROM (SELECT * FROM main.item EXCEPT SELECT * FROM other.item);
DETACH other;
DROP TABLE copy;
VACUUM INTO '/tmp/small.db';
VACUUM;
PRAGMA incremental_vacuum;
PRAGMA integrity_check;
PRAGMA foreign_key_check;
.dump log
