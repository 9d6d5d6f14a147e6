INSERT INTO meta.horizon AS known VALUES (%(relation)s::regclass, %(before)s)
ON CONFLICT (relation) DO UPDATE SET since = greatest(known.since, excluded.since)
