-- Rows as bronze has them: the same JSON that `pgoutput.json_writer` makes of the log's texts.
SELECT pg_catalog.row_to_json(its.*)::text FROM (SELECT {values} FROM {table} {only}) AS its
