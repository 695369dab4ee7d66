-- Fills the tables of a store that one job has lived in: with ended jobs, made within the last day, and with waiting ones, older than any
-- that comes. As they would be if the jobs had come one by one, but for the pages that age would have left half empty.

-- Further divisions of the shelf that holds what is kept for a day, not all of them: what is in the oldest may be past its time.
DO $do$
DECLARE
    first bigint := (SELECT min(begins) FROM asyncflow.divisions WHERE shelf = 9);
    width bigint := (SELECT min(ends - begins) FROM asyncflow.divisions WHERE shelf = 9);
BEGIN
    FOR n IN 1 .. 6 LOOP
        PERFORM asyncflow.add_division_1(9::smallint, first - n * width, first - (n - 1) * width);
    END LOOP;
END $do$;

CREATE TABLE asyncflow.preloaded AS
SELECT i, begins + (now_ - begins) / (1 + {ENDED}) * i AS born
FROM (SELECT min(begins) AS begins, asyncflow.now_1(NULL) AS now_ FROM asyncflow.divisions WHERE shelf = 9) d,
    generate_series(1, {ENDED}) AS s (i);

INSERT INTO asyncflow.ended (id, version, created, due, rank, flow, policy, flow_version, format, state, priority, shelf, started, ended,
    outcome_type, outcome)
SELECT (lpad(to_hex(born / 1000), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid, 3, born, born + 86400000000, born, f.id, p.id,
    0, 1, 3, 0, 9, born, born, 'application/json', convert_to(repeat('1', 100), 'UTF8')
FROM asyncflow.preloaded, (SELECT max(id) AS id FROM asyncflow.flows) f, (SELECT max(id) AS id FROM asyncflow.policies) p;

INSERT INTO asyncflow.counts
SELECT f.id, asyncflow.counted_1(9::smallint, born + 86400000000), 0, 0, 0, count(*), 0, 0
FROM asyncflow.preloaded, (SELECT max(id) AS id FROM asyncflow.flows) f GROUP BY 1, 2;
DROP TABLE asyncflow.preloaded;

CREATE TABLE asyncflow.preloaded AS
SELECT begins + i AS born, (lpad(to_hex(begins / 1000), 12, '0') || '70009000' || lpad(to_hex(i), 12, '0'))::uuid AS id
FROM (SELECT min(begins) AS begins FROM asyncflow.divisions WHERE shelf = 9) d, generate_series(1, {WAITING}) AS s (i);

INSERT INTO asyncflow.jobs (id, version, created, due, rank, flow, policy, flow_version, format, state, priority, request_type, request)
SELECT w.id, 1, born, born + 30 * 86400000000, born, f.id, p.id, 0, 1, 1, 0, 'application/json', convert_to(repeat('1', 100), 'UTF8')
FROM asyncflow.preloaded w, (SELECT max(id) AS id FROM asyncflow.flows) f, (SELECT max(id) AS id FROM asyncflow.policies) p;
INSERT INTO asyncflow.counts SELECT max(id), NULL, 0, {WAITING}, 0, 0, 0, 0 FROM asyncflow.flows;
DROP TABLE asyncflow.preloaded;
