-- The SQL that candu-sync runs in its embedded DuckDB for one run of a sync of users, in order.
--
-- The snapshot has five users. In the model one is new, one left, two changed, of which Candu refuses one, and two rows
-- of one key differ. The sync says `removed: {plan: none}`.
--
-- This is what more than 500 rows would take. With so few, candu-sync builds the messages and the rows of the history
-- without SQL, and all of a first run of users. The result is the same.
--
-- candu_sync/relations.py lists the tables and views with their columns. `-- name: Arrow` means that an Arrow file or
-- batch is readable under that name from here on. A comment names the module and the function that runs what follows.
-- This file is made and kept true by tests/test_relations.py.

-- ==================== plan ====================

-- snapshot/row_index.py, hashes
-- rows_to_hash: Arrow
SELECT hash(key) AS key_hash,
hash('~' || key, t0, t1) AS row_hash,
(reason IS NOT NULL) AS unknown,
false AS due FROM rows_to_hash;

-- diff/loading.py, init__
-- incoming: Arrow
CREATE TABLE result AS FROM incoming;

-- diff/loading.py, widen
-- incoming: Arrow
SELECT column_type FROM (DESCRIBE incoming);
ALTER TABLE result ADD COLUMN t0 VARCHAR;
-- incoming: Arrow
SELECT column_type FROM (DESCRIBE incoming);
ALTER TABLE result ADD COLUMN t1 DOUBLE;

-- diff/loading.py, add
-- incoming: Arrow
INSERT INTO result BY NAME FROM incoming;

-- diff/prefilter.py, make_previous
CREATE TEMP TABLE previous AS
SELECT NULL::VARCHAR AS key,
NULL::BOOLEAN AS gone,
NULL::BOOLEAN AS doubt,
NULL::VARCHAR AS user_id,
NULL::VARCHAR AS t0,
NULL::DOUBLE AS t1,
false AS matched
LIMIT 0;

-- diff/prefilter.py, read
-- chosen_rows: Arrow
INSERT INTO previous
SELECT key, gone, doubt, user_id, t0, t1, matched
FROM chosen_rows;

-- diff/prefilter.py, put_back
INSERT INTO result BY NAME
SELECT key, user_id, t0 AS t0, t1 AS t1
FROM previous
WHERE matched;

-- diff/prefilter.py, make_previous
SELECT count(*) FROM previous WHERE matched;

-- snapshot/snapshot.py, expose_refused
-- refused_before: Arrow

-- diff/unsendable_rows.py, set_unsendable_aside
CREATE TEMP TABLE repeated_keys AS
SELECT key
FROM result
GROUP BY key
HAVING count(*) > 1;
SELECT count(*) FROM repeated_keys;

-- diff/unsendable_rows.py, set_duplicates_aside
CREATE TEMP TABLE repeated_rows AS
SELECT DISTINCT result.*
FROM result, repeated_keys
WHERE result.key IS NOT DISTINCT FROM repeated_keys.key;
DELETE FROM result
USING repeated_keys
WHERE result.key IS NOT DISTINCT FROM repeated_keys.key;
UPDATE repeated_rows
SET reason = coalesce(reason, 'duplicate key')
WHERE key IN (
    SELECT key
    FROM repeated_rows
    GROUP BY key
    HAVING count(*) > 1
);
INSERT INTO result FROM repeated_rows;

-- diff/row_queries.py, stored
SELECT column_name FROM (DESCRIBE previous);

-- diff/changed_rows.py, number
CREATE TABLE changes AS
SELECT *,
CASE WHEN (c0 OR c1) THEN (count_if((c0 OR c1)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - 1)::BIGINT END AS message
FROM (
    SELECT r.key, r.user_id, CASE
    WHEN s.key IS NULL OR s.gone OR (s.doubt AND ((r.t0 IS NOT NULL) OR (r.t1 IS NOT NULL))) THEN 'added'
    WHEN (r.t0 IS DISTINCT FROM s.t0) OR (r.t1 IS DISTINCT FROM s.t1) THEN 'changed'
    ELSE 'unchanged'
    END AS op,
    (r.t0)::VARCHAR AS t0,
    (r.t1)::DOUBLE AS t1,
    coalesce((r.t0 IS DISTINCT FROM s.t0) OR ((s.gone OR s.doubt) AND (r.t0 IS NOT NULL)), false) AS c0,
    coalesce((r.t1 IS DISTINCT FROM s.t1) OR ((s.gone OR s.doubt) AND (r.t1 IS NOT NULL)), false) AS c1
    FROM result r
    LEFT JOIN previous s ON r.key = s.key
    WHERE r.reason IS NULL AND (s.key IS NULL OR s.gone OR (s.doubt AND ((r.t0 IS NOT NULL) OR (r.t1 IS NOT NULL))) OR (r.t0 IS DISTINCT FROM s.t0) OR (r.t1 IS DISTINCT FROM s.t1))
    UNION ALL BY NAME
    SELECT s.key,
    s.user_id,
    'removed' AS op,
    (CASE WHEN s.user_id IN (SELECT user_id FROM result WHERE user_id IS NOT NULL) THEN s.t0 ELSE 'none' END)::VARCHAR AS t0,
    (s.t1)::DOUBLE AS t1,
    coalesce(NOT s.user_id IN (SELECT user_id FROM result WHERE user_id IS NOT NULL) AND (s.doubt OR (s.t0 IS DISTINCT FROM 'none')), false) AS c0,
    coalesce(false, false) AS c1
    FROM previous s
    ANTI JOIN result r ON r.key = s.key
    WHERE NOT s.gone
);

-- diff/changed_rows.py, diff
SELECT count(*) FROM result;
SELECT count(*) FROM result WHERE reason IS NOT NULL;

-- changes/outgoing.py, make_outgoing
CREATE TEMP VIEW outgoing AS
FROM changes
WHERE message IS NOT NULL;

-- changes/outgoing.py, note_large
CREATE OR REPLACE TEMP TABLE too_large AS
SELECT message
FROM (
    SELECT
    message,
    concat(bare, ',"messageId":"', substr(sha1, 1, 8), '-', substr(sha1, 9, 4), '-5', substr(sha1, 14, 3), '-', substr('89ab', 1 + ((strpos('0123456789abcdef', substr(sha1, 17, 1)) - 1) % 4), 1), substr(sha1, 18, 3), '-', substr(sha1, 21, 12), '"}') AS body,
    unhex(substr(sha1, 1, 32)) AS digest
    FROM (
        SELECT *,
        sha1('\x00…'::BLOB || encode(concat('users/profile
                    1
                    ', key, chr(10), bare))) AS sha1
        FROM (
            SELECT message,
            key,
            concat('{"type":"identify","userId":', to_json(user_id), ',"traits":{', concat_ws(',', CASE WHEN c0 THEN concat('"plan":', coalesce(to_json(t0)::VARCHAR, 'null')) END, CASE WHEN c1 THEN concat('"seats":', coalesce(CASE WHEN t1 = trunc(t1) AND abs(t1) <= 9007199254740992 THEN t1::BIGINT::VARCHAR ELSE t1::VARCHAR END, 'null')) END), '}') AS bare
            FROM (FROM outgoing WHERE 297 + 6 * (0 + coalesce(strlen(user_id), 0) + coalesce(strlen(t0), 0)) > 32000)
        )
    )
)
WHERE strlen(body) > 32000;
SELECT count(*) FROM too_large;

-- changes/outgoing.py, set_large_aside
SELECT count(*) FROM too_large;

-- changes/outgoing.py, hold_refused
CREATE TABLE held AS
SELECT refused.*, sent.message
FROM refused_before refused
JOIN changes USING (key)
JOIN (
    SELECT message,
    md5(concat('{"type":"identify","userId":', to_json(user_id), ',"traits":{', concat_ws(',', CASE WHEN c0 THEN concat('"plan":', coalesce(to_json(t0)::VARCHAR, 'null')) END, CASE WHEN c1 THEN concat('"seats":', coalesce(CASE WHEN t1 = trunc(t1) AND abs(t1) <= 9007199254740992 THEN t1::BIGINT::VARCHAR ELSE t1::VARCHAR END, 'null')) END), '}')) AS hash
    FROM (
        FROM outgoing
        WHERE message IN (
            SELECT message
            FROM refused_before
            JOIN changes USING (key)
        )
    )
) sent ON sent.message = changes.message AND sent.hash = refused.hash;
SELECT count(*) FROM held;

-- changes/summary.py, summarize
SELECT op, count(*) FROM changes GROUP BY op;

-- changes/summary.py, reasons_of
SELECT reason, count(*) AS n
FROM result
WHERE reason IS NOT NULL
GROUP BY reason
ORDER BY n DESC, reason;

-- changes/summary.py, carried
SELECT count(message),
count(CASE WHEN c0 AND op <> 'refreshed' THEN message END),
count(CASE WHEN c1 AND op <> 'refreshed' THEN message END)
FROM changes
WHERE op <> 'held';

-- changes/summary.py, estimated_bytes
SELECT coalesce(sum(strlen(body)), 0), count(*)
FROM (
    SELECT
    message,
    concat(bare, ',"messageId":"', substr(sha1, 1, 8), '-', substr(sha1, 9, 4), '-5', substr(sha1, 14, 3), '-', substr('89ab', 1 + ((strpos('0123456789abcdef', substr(sha1, 17, 1)) - 1) % 4), 1), substr(sha1, 18, 3), '-', substr(sha1, 21, 12), '"}') AS body,
    unhex(substr(sha1, 1, 32)) AS digest
    FROM (
        SELECT *,
        sha1('\x00…'::BLOB || encode(concat('users/profile
                    1
                    ', key, chr(10), bare))) AS sha1
        FROM (
            SELECT message,
            key,
            concat('{"type":"identify","userId":', to_json(user_id), ',"traits":{', concat_ws(',', CASE WHEN c0 THEN concat('"plan":', coalesce(to_json(t0)::VARCHAR, 'null')) END, CASE WHEN c1 THEN concat('"seats":', coalesce(CASE WHEN t1 = trunc(t1) AND abs(t1) <= 9007199254740992 THEN t1::BIGINT::VARCHAR ELSE t1::VARCHAR END, 'null')) END), '}') AS bare
            FROM (FROM outgoing ANTI JOIN held USING (message) LIMIT 1000)
        )
    )
);

-- changes/summary.py, sample_of
SELECT c.key, c.op, c.c0, c.c1
FROM (
    FROM (
        SELECT *, row_number() OVER (ORDER BY message) AS place
        FROM (
            FROM changes
            WHERE message IS NOT NULL AND op = 'changed'
            ORDER BY message
            LIMIT 10
        ) UNION ALL
        SELECT *, row_number() OVER (ORDER BY message) AS place
        FROM (
            FROM changes
            WHERE message IS NOT NULL AND op = 'added'
            ORDER BY message
            LIMIT 10
        ) UNION ALL
        SELECT *, row_number() OVER (ORDER BY message) AS place
        FROM (
            FROM changes
            WHERE message IS NOT NULL AND op = 'removed'
            ORDER BY message
            LIMIT 10
    ))
    ORDER BY place, message
    LIMIT 10
) c
LEFT JOIN previous s ON s.key = c.key
ORDER BY c.op, c.message;

-- changes/summary.py, with_spaces
SELECT count(DISTINCT user_id)
FROM (SELECT user_id FROM result WHERE reason IS NULL)
WHERE user_id <> trim(user_id, E' \t\r\n');

-- changes/summary.py, differ_by_case
SELECT count(*) FROM (SELECT user_id FROM result WHERE reason IS NULL) WHERE user_id <> lower(user_id);

-- changes/noise.py, in_one_change
SELECT
count(*) FILTER (c.c0 AND s.t0 <> c.t0 AND strlen(s.t0) = strlen(c.t0) AND CASE WHEN regexp_matches(s.t0, '[,;|]') THEN list_sort(string_split_regex(regexp_replace(s.t0, '[]\[{}()\s'']', '', 'g'), '[,;|]')) = list_sort(string_split_regex(regexp_replace(c.t0, '[]\[{}()\s'']', '', 'g'), '[,;|]')) ELSE false END),
count(*) FILTER (c.c1 AND s.t1 <> c.t1 AND abs(c.t1 - s.t1) < 1e-09 * greatest(abs(s.t1), abs(c.t1)))
FROM changes c
JOIN previous s ON s.key = c.key
WHERE c.op = 'changed' AND NOT s.gone;

-- changes/noise.py, make_moves
CREATE TEMP TABLE moves (message BIGINT, n INTEGER, before UBIGINT, after UBIGINT);
INSERT INTO moves
SELECT message, cell.n, cell.before, cell.after
FROM (
    SELECT
    c.message,
    unnest([
        CASE WHEN c.c0 AND coalesce('text ' || s.t0::VARCHAR, '') <> coalesce('text ' || c.t0::VARCHAR, '') THEN {'n': 0,
        'before': md5_number_lower('00000000-0000-0000-0000-000000000000 plan ' || c.key || chr(10) || coalesce('text ' || s.t0::VARCHAR, '')),
        'after': md5_number_lower('00000000-0000-0000-0000-000000000000 plan ' || c.key || chr(10) || coalesce('text ' || c.t0::VARCHAR, ''))} END,
        CASE WHEN c.c1 AND coalesce('number ' || s.t1::VARCHAR, '') <> coalesce('number ' || c.t1::VARCHAR, '') THEN {'n': 1,
        'before': md5_number_lower('00000000-0000-0000-0000-000000000000 seats ' || c.key || chr(10) || coalesce('number ' || s.t1::VARCHAR, '')),
        'after': md5_number_lower('00000000-0000-0000-0000-000000000000 seats ' || c.key || chr(10) || coalesce('number ' || c.t1::VARCHAR, ''))} END
        ]) AS cell
    FROM (
        FROM changes
        WHERE op = 'changed'
        ORDER BY hash(key)
        LIMIT 20000
    ) c
    JOIN previous s ON s.key = c.key
)
WHERE cell IS NOT NULL
LIMIT 250000;
INSERT INTO moves
SELECT message,
-1,
md5_number_lower('00000000-0000-0000-0000-000000000000 -1 ' || key || chr(10) || 'there'),
NULL
FROM (
    SELECT message, key
    FROM changes
    WHERE op = 'removed'
    ORDER BY hash(key)
    LIMIT 20000
);
INSERT INTO moves
SELECT message,
-1,
NULL,
md5_number_lower('00000000-0000-0000-0000-000000000000 -1 ' || key || chr(10) || 'there')
FROM (
    SELECT message, key
    FROM changes
    WHERE op = 'added'
    ORDER BY hash(key)
    LIMIT 20000
);

-- changes/noise.py, notice
SELECT message, before AS hash
FROM moves
WHERE before IS NOT NULL;

-- changes/change_set.py, write_files
FROM changes
WHERE op <> 'held';

-- changes/change_set.py, write_any
SELECT key, reason, status, refused_at, run, hash FROM held;
SELECT key, reason, '20261101T060000-1a2b3c4d' AS run
FROM result
WHERE reason IS NOT NULL;

-- comparison/comparing.py, compare
SELECT table_name FROM duckdb_tables();
DROP TABLE "changes";
DROP TABLE "held";
DROP TABLE "result";

-- ==================== push ====================

-- changes/messages.py, encode
-- rows_to_encode: Arrow
SELECT
message,
concat(bare, ',"messageId":"', substr(sha1, 1, 8), '-', substr(sha1, 9, 4), '-5', substr(sha1, 14, 3), '-', substr('89ab', 1 + ((strpos('0123456789abcdef', substr(sha1, 17, 1)) - 1) % 4), 1), substr(sha1, 18, 3), '-', substr(sha1, 21, 12), '"},') AS body,
unhex(substr(sha1, 1, 32)) AS digest
FROM (
    SELECT *,
    sha1('\x00…'::BLOB || encode(concat('users/profile
                1
                ', key, chr(10), bare))) AS sha1
    FROM (
        SELECT message,
        key,
        concat('{"type":"identify","userId":', to_json(user_id), ',"traits":{', '"plan":', coalesce(to_json(t0)::VARCHAR, 'null'), CASE WHEN c1 THEN concat(',"seats":', coalesce(CASE WHEN t1 = trunc(t1) AND abs(t1) <= 9007199254740992 THEN t1::BIGINT::VARCHAR ELSE t1::VARCHAR END, 'null')) END, '}') AS bare
        FROM rows_to_encode
    )
);

-- ====================  ====================

-- changes/outgoing.py, unsettled_messages
SELECT table_name FROM duckdb_tables();

-- ==================== commit ====================

-- history/ledger.py, expose_invalid
-- invalid: Arrow
-- known_invalid: Arrow
CREATE TEMP TABLE new_invalid AS
SELECT
NULL::BIGINT AS message,
key,
key AS user_id,
'invalid' AS outcome,
reason,
epoch_ms(1795845600000)::TIMESTAMP_S AT TIME ZONE 'UTC' AS at
FROM (
    SELECT key, reason
    FROM invalid
    EXCEPT
    SELECT key, reason
    FROM known_invalid
);

-- history/ledger.py, sorted
-- settled: Arrow
SELECT
CASE WHEN m.key IS DISTINCT FROM m.user_id THEN m.key END AS key,
m.user_id,
m.outcome,
m.status,
m.reason,
false AS refresh,
m.attempts,
m.at,
m.digest,
coalesce(m.carried0, 0)::UBIGINT AS carried0,
CASE WHEN m.c0 AND m.op = 'changed' THEN ('0x' || substr(md5('00000000-0000-0000-0000-000000000000' || coalesce(to_json(m.t0)::VARCHAR, NULL::VARCHAR, 'null')), 1, 8))::UINTEGER END AS h0,
CASE WHEN m.c1 AND m.op = 'changed' THEN ('0x' || substr(md5('00000000-0000-0000-0000-000000000000' || coalesce(CASE WHEN m.t1 = trunc(m.t1) AND abs(m.t1) <= 9007199254740992 THEN m.t1::BIGINT::VARCHAR ELSE m.t1::VARCHAR END, NULL::VARCHAR, 'null')), 1, 8))::UINTEGER END AS h1
FROM (
    FROM settled
    UNION ALL BY NAME
    FROM new_invalid
) AS m
ORDER BY coalesce(m.user_id, m.key), m.at;
DELETE FROM new_invalid;

-- history/ledger.py, record_run
SELECT table_name FROM duckdb_tables();

-- commit/next_version.py, make_accepted
-- changes: Arrow
-- held: Arrow
-- outgoing: Arrow
-- refused_now: Arrow
-- accepted_ranges: Arrow
-- unanswered_ranges: Arrow
CREATE TABLE accepted_messages AS
SELECT unnest(range(low, high + 1)) AS message
FROM accepted_ranges;
CREATE TABLE unanswered_messages AS
SELECT unnest(range(low, high + 1)) AS message
FROM unanswered_ranges
EXCEPT
FROM accepted_messages;
CREATE TEMP VIEW accepted AS
SELECT *, op = 'removed' AS gone
FROM changes
WHERE (message IS NULL OR message IN (FROM accepted_messages)) AND op <> 'refreshed';
CREATE TEMP VIEW doubtful AS
FROM changes
WHERE (message IN (FROM unanswered_messages) AND op <> 'refreshed') OR (
    op IN ('unchanged', 'refreshed') AND message IN (SELECT message FROM refused_now));

-- snapshot/snapshot.py, file_columns
-- base: Arrow

-- snapshot/snapshot.py, expose
CREATE OR REPLACE TEMP VIEW snapshot AS
SELECT key, gone, doubt, user_id, t0, t1
FROM base;

-- snapshot/snapshot.py, expose_refused
-- refused_before: Arrow

-- snapshot/merge.py, make_overlay
SELECT count(*) FROM accepted;
SELECT count(*) FROM doubtful;
SELECT count(*) FROM accepted WHERE message IS NULL;
CREATE TEMP TABLE overlay AS
SELECT key, gone, false AS doubt, user_id, t0, t1
FROM accepted;

-- snapshot/merge.py, live
CREATE TEMP TABLE came_or_left AS
SELECT key, gone AS gone
FROM accepted
WHERE op IN ('added', 'removed')
UNION ALL
SELECT key, false
FROM doubtful
WHERE op IN ('added', 'removed') AND True;
SELECT count(*) FROM came_or_left;
SELECT count(*) FROM came_or_left WHERE NOT gone;
SELECT count(*)
FROM snapshot
SEMI JOIN came_or_left USING (key)
WHERE NOT gone;

-- snapshot/merge.py, write
SELECT key, gone, doubt, user_id, t0, t1
FROM snapshot
ANTI JOIN overlay USING (key)
UNION ALL
FROM overlay;

-- snapshot/row_index.py, hashes
-- rows_to_hash: Arrow
SELECT hash(key) AS key_hash,
CASE WHEN gone OR doubt THEN hash('no match', key) ELSE hash('~' || key, t0, t1) END AS row_hash FROM rows_to_hash;
-- rows_to_hash: Arrow
SELECT hash(key) AS key_hash,
CASE WHEN gone OR doubt THEN hash('no match', key) ELSE hash('~' || key, t0, t1) END AS row_hash FROM rows_to_hash;

-- snapshot/snapshot.py, expose_refused
-- refused_before: Arrow

-- commit/next_version.py, rejected
SELECT key, reason, status, refused_at, run, hash
FROM held
UNION ALL
SELECT changes.key, refused_now.reason, refused_now.status, refused_now.refused_at,
'20261101T060000-1a2b3c4d' AS run, sent.hash
FROM refused_now
JOIN changes USING (message)
JOIN (
    SELECT message,
    md5(concat('{"type":"identify","userId":', to_json(user_id), ',"traits":{', concat_ws(',', CASE WHEN c0 THEN concat('"plan":', coalesce(to_json(t0)::VARCHAR, 'null')) END, CASE WHEN c1 THEN concat('"seats":', coalesce(CASE WHEN t1 = trunc(t1) AND abs(t1) <= 9007199254740992 THEN t1::BIGINT::VARCHAR ELSE t1::VARCHAR END, 'null')) END), '}')) AS hash
    FROM (
        FROM outgoing
        WHERE message IN (SELECT message FROM refused_now)
    )
) sent USING (message);

-- commit/sent_nulls.py, sent_now
SELECT CASE WHEN bool_or(c0 AND t0 IS NULL) THEN 'plan' END,
CASE WHEN bool_or(c1 AND t1 IS NULL) THEN 'seats' END
FROM accepted
WHERE op <> 'removed';

-- commit/moves.py, lay_moves_over
-- moves: Arrow
SELECT hash, 2::BIGINT AS version
FROM moves
WHERE message IS NULL OR message IN (FROM accepted_messages) LIMIT 250000;

-- commit/next_version.py, merged
SELECT table_name FROM duckdb_tables();
DROP TABLE "accepted_messages";
DROP TABLE "unanswered_messages";
