-- What docs/scale.md says of PostgreSQL, measured on an empty database (15 or newer). The calls are those of bench/scale.mjs:
--   TOOLTRAIL_HOME=bench/.data/events-1000000 tooltrail export --format csv events.csv
--   psql -f bench/scale-postgres.sql < events.csv
-- Then four connections at once:
--   seq 0 3 | xargs -P4 -I% psql -c 'CALL take_all(% + 10, 550000 + % * 50000, 600000 + % * 50000, 200)'
SET timezone = 'UTC';

CREATE TABLE received (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tool_name text, session_id text, project_hash text, success smallint,
  created_at timestamptz, agent text, tool_use_id text, duration_ms integer, duration_is_estimated smallint, subagent text,
  target text, server_name text, failure_kind text, source text, project_root text);
\copy received (tool_name, session_id, project_hash, success, created_at, agent, tool_use_id, duration_ms, duration_is_estimated, subagent, target, server_name, failure_kind, source, project_root) FROM pstdin (FORMAT csv, HEADER)
ANALYZE received;

CREATE TABLE stores (id integer PRIMARY KEY, tenant_id integer NOT NULL, taken_to bigint NOT NULL);
INSERT INTO stores SELECT n, 1, 0 FROM generate_series(1, 100) n;

CREATE TABLE events (
  tenant_id integer NOT NULL, store_id integer NOT NULL, origin_id bigint NOT NULL, tool_name text NOT NULL, session_id text,
  project_hash text, success smallint NOT NULL, created_at timestamptz NOT NULL, agent text, tool_use_id text,
  duration_ms integer, subagent text, target text, server_name text, failure_kind text, source text
) PARTITION BY RANGE (created_at);
CREATE TABLE events_08 PARTITION OF events FOR VALUES FROM ('2026-08-01') TO ('2026-09-01');
CREATE TABLE events_09 PARTITION OF events FOR VALUES FROM ('2026-09-01') TO ('2026-10-01');
CREATE TABLE events_10 PARTITION OF events FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
CREATE INDEX ON events (tenant_id, tool_name, created_at DESC);
CREATE INDEX ON events (tenant_id, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX ON events (tenant_id, project_hash, created_at DESC);

CREATE TABLE known_calls (
  tenant_id integer NOT NULL, agent text NOT NULL, tool_use_id text NOT NULL, PRIMARY KEY (tenant_id, agent, tool_use_id));

CREATE TABLE usage_series (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id integer NOT NULL,
  tool_name text, project_hash text, agent text, subagent text, target text, server_name text,
  UNIQUE NULLS NOT DISTINCT (tenant_id, tool_name, project_hash, agent, subagent, target, server_name));
CREATE TABLE usage_by_hour (
  series_id bigint NOT NULL, period timestamptz NOT NULL, last_used timestamptz NOT NULL, uses bigint NOT NULL,
  failures bigint NOT NULL, duration_ms bigint NOT NULL, durations bigint[] NOT NULL, PRIMARY KEY (series_id, period));
CREATE TABLE usage_by_day (LIKE usage_by_hour INCLUDING ALL);

CREATE FUNCTION added(a bigint[], b bigint[]) RETURNS bigint[] IMMUTABLE LANGUAGE sql
RETURN ARRAY[a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], a[6] + b[6], a[7] + b[7], a[8] + b[8], a[9] + b[9], a[10] + b[10]];

-- One batch of one store: each call once, by the store's cursor, and by agent and tool-use id among stores. The sums are
-- written in the order of their keys, so that batches wait for each other and never deadlock.
-- The runs below begin anywhere, hence `<=`; a real one would ask for `=`, and the data has no call without a project.
CREATE PROCEDURE take(store integer, after bigint, upto bigint) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM stores WHERE id = store AND taken_to <= after FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  CREATE TEMP TABLE fresh ON COMMIT DROP AS
    WITH batch AS (SELECT * FROM received WHERE id > after AND id <= upto),
    taken AS (INSERT INTO known_calls SELECT 1, agent, tool_use_id FROM batch ON CONFLICT DO NOTHING RETURNING agent, tool_use_id)
    SELECT batch.* FROM batch JOIN taken USING (agent, tool_use_id);
  INSERT INTO events
    SELECT 1, store, id, tool_name, session_id, project_hash, success, created_at, agent, tool_use_id, duration_ms, subagent,
      target, server_name, failure_kind, source FROM fresh;
  INSERT INTO usage_series (tenant_id, tool_name, project_hash, agent, subagent, target, server_name)
    SELECT DISTINCT 1, tool_name, project_hash, agent, subagent, target, server_name FROM fresh f
    WHERE NOT EXISTS (
      SELECT FROM usage_series s WHERE s.tenant_id = 1 AND s.tool_name = f.tool_name AND s.project_hash = f.project_hash
        AND s.agent = f.agent AND s.subagent IS NOT DISTINCT FROM f.subagent)
    ON CONFLICT DO NOTHING;
  CREATE TEMP TABLE summed ON COMMIT DROP AS
    SELECT s.id, date_trunc('hour', f.created_at) AS period, max(f.created_at) AS last_used, count(*) AS uses,
      sum(1 - f.success) AS failures, sum(f.duration_ms) AS duration_ms,
      ARRAY[count(*) FILTER (WHERE b = 0), count(*) FILTER (WHERE b = 1), count(*) FILTER (WHERE b = 2),
        count(*) FILTER (WHERE b = 3), count(*) FILTER (WHERE b = 4), count(*) FILTER (WHERE b = 5),
        count(*) FILTER (WHERE b = 6), count(*) FILTER (WHERE b = 7), count(*) FILTER (WHERE b = 8),
        count(*) FILTER (WHERE b = 9)] AS durations
    FROM fresh f
      JOIN usage_series s ON s.tenant_id = 1 AND s.tool_name = f.tool_name AND s.project_hash = f.project_hash
        AND s.agent = f.agent AND s.subagent IS NOT DISTINCT FROM f.subagent,
      width_bucket(f.duration_ms, ARRAY[10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000]) b
    GROUP BY 1, 2;
  INSERT INTO usage_by_hour AS h SELECT * FROM summed ORDER BY id, period
    ON CONFLICT (series_id, period) DO UPDATE SET last_used = greatest(h.last_used, excluded.last_used),
      uses = h.uses + excluded.uses, failures = h.failures + excluded.failures,
      duration_ms = h.duration_ms + excluded.duration_ms, durations = added(h.durations, excluded.durations);
  INSERT INTO usage_by_day AS d
    SELECT id, date_trunc('day', period), max(last_used), sum(uses), sum(failures), sum(duration_ms),
      ARRAY[sum(durations[1]), sum(durations[2]), sum(durations[3]), sum(durations[4]), sum(durations[5]),
        sum(durations[6]), sum(durations[7]), sum(durations[8]), sum(durations[9]), sum(durations[10])]
    FROM summed GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (series_id, period) DO UPDATE SET last_used = greatest(d.last_used, excluded.last_used),
      uses = d.uses + excluded.uses, failures = d.failures + excluded.failures,
      duration_ms = d.duration_ms + excluded.duration_ms, durations = added(d.durations, excluded.durations);
  UPDATE stores SET taken_to = upto WHERE id = store;
END $$;

CREATE PROCEDURE take_all(store integer, after bigint, upto bigint, size bigint) LANGUAGE plpgsql AS $$
BEGIN
  WHILE after < upto LOOP
    CALL take(store, after, least(after + size, upto));
    COMMIT;
    after := after + size;
  END LOOP;
END $$;

\timing on
\echo 500,000 calls in batches of 8,000
CALL take_all(1, 0, 500000, 8000);
ANALYZE;
\echo 50,000 calls in batches of 200
CALL take_all(2, 500000, 550000, 200);
\timing off
VACUUM ANALYZE;
SELECT coalesce(i.inhparent::regclass::text, c.relname) AS name, round(sum(pg_relation_size(c.oid)) / 550000, 1) AS bytes_a_call
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'received%'
GROUP BY 1 HAVING sum(pg_relation_size(c.oid)) > 500000 ORDER BY 2 DESC;
