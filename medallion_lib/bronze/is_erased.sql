SELECT EXISTS (
    SELECT FROM meta.erasure, (SELECT {given}::jsonb AS full_row) AS given
    WHERE bronze = {of} AND columns IS NULL AND key_hash = meta.key_hash(salt, {key}))
