-- The rows of a table at the source, as of a snapshot, as the versions that they begin.
COPY (SELECT {values}, {row_hash} FROM {table}) TO STDOUT (FORMAT binary)
