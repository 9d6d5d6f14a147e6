-- What was erased: the journal. It names no row: while the source has the row still, it keeps a hash of
-- the key, with a salt, so that what comes of the row later is erased as it lands.
CREATE TABLE IF NOT EXISTS meta.erasure (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bronze    text NOT NULL,
    columns   text[],
    events    bigint NOT NULL,
    versions  bigint NOT NULL,
    salt      uuid NOT NULL DEFAULT gen_random_uuid(),
    key_hash  bytea,
    is_ending boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE meta.erasure IS 'One row for each row that was erased from the warehouse; no values of it.';
COMMENT ON COLUMN meta.erasure.number IS 'The how-manieth erasure.';
COMMENT ON COLUMN meta.erasure.erased_at IS 'When, by the warehouse''s clock.';
COMMENT ON COLUMN meta.erasure.bronze IS 'The table of the row''s changes.';
COMMENT ON COLUMN meta.erasure.columns IS 'The columns whose values were erased; null where the whole row was.';
COMMENT ON COLUMN meta.erasure.events IS 'How many changes were erased.';
COMMENT ON COLUMN meta.erasure.versions IS 'How many versions were erased.';
COMMENT ON COLUMN meta.erasure.salt IS 'What the hash of the key is made with.';
COMMENT ON COLUMN meta.erasure.key_hash IS 'A hash of the key while the source still has the row; null afterwards.';
COMMENT ON COLUMN meta.erasure.is_ending IS 'Whether the row has gone at the source with what is just landing.';

CREATE OR REPLACE FUNCTION meta.key_hash(salt uuid, key jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sha256(convert_to(salt::text || key::text, 'UTF8'));
COMMENT ON FUNCTION meta.key_hash IS 'The hash by which the row of a key is known that was erased.';
