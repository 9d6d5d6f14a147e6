-- The texts are those of refusals.txt, so that psql teaches as much as a notebook does.
CREATE OR REPLACE FUNCTION meta.refusal(about text, VARIADIC facts text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    told text := {texts}::jsonb ->> about;
BEGIN
    FOR i IN 1 .. cardinality(facts) BY 2 LOOP
        told := replace(told, '{{' || facts[i] || '}}', coalesce(facts[i + 1], ''));
    END LOOP;
    RETURN told;
END $$;
COMMENT ON FUNCTION meta.refusal IS 'The text of a refusal by its name, with its facts filled in: name, value, name, value.';
