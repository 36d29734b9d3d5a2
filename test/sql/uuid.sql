-- Version 7, variant 10, and in order within a session.
SELECT count(*) = 100000 AS all_different,
       bool_and(substr(id::text, 15, 1) = '7') AS version_7,
       bool_and(substr(id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS variant_10,
       bool_and(increasing) AS increasing
FROM (SELECT id, id > lag(id, 1, '00000000-0000-0000-0000-000000000000') OVER (ORDER BY number) AS increasing
      FROM (SELECT number, uuid_v7() AS id FROM generate_series(1, 100000) AS number OFFSET 0) AS made) AS ids;

-- The first 48 bits are milliseconds since 1970.
SELECT abs(extract(epoch FROM clock_timestamp()) * 1000 - ('x' || lpad(translate(left(uuid_v7()::text, 13), '-', ''), 16, '0'))::bit(64)::bigint) < 1000 AS now_in_milliseconds;
