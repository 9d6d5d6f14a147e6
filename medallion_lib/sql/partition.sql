-- A month of facts. Attached rather than created in place, which would wait behind every reader.
CREATE TABLE {partition} (LIKE {table} INCLUDING ALL) WITH (fillfactor = 90);
COMMENT ON TABLE {partition} IS {meaning};
ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({first_day}) TO ({next_month});
