-- The numbers of flows and policies, which are given one if they have none.
CREATE FUNCTION asyncflow.names_1(p_flows text[], p_policies text[]) RETURNS TABLE (kind smallint, place integer, number integer)
LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO asyncflow.flows (name) SELECT f FROM unnest(p_flows) f
        WHERE NOT EXISTS (SELECT FROM asyncflow.flows WHERE name = f) ORDER BY f ON CONFLICT DO NOTHING;
    INSERT INTO asyncflow.policies (digest, policy)
        SELECT sha256(convert_to(p, 'UTF8')), p FROM unnest(p_policies) p
        WHERE NOT EXISTS (SELECT FROM asyncflow.policies WHERE digest = sha256(convert_to(p, 'UTF8'))) ORDER BY 1 ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT 0::smallint, c.nth::integer, f.id FROM unnest(p_flows) WITH ORDINALITY c (name, nth)
        JOIN asyncflow.flows f ON f.name = c.name
    UNION ALL SELECT 1::smallint, c.nth::integer, p.id FROM unnest(p_policies) WITH ORDINALITY c (policy, nth)
        JOIN asyncflow.policies p ON p.digest = sha256(convert_to(c.policy, 'UTF8'));
END $body$;
