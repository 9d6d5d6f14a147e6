-- Rows as bronze has them: the same JSON that `pgoutput.json_writer` makes of the log's texts.
SELECT {row} FROM {table} {only}
