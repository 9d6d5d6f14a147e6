-- Every change of the captured tables. Partitions are published under their own names: under their
-- root's, a TRUNCATE of one of them is not sent.
DROP PUBLICATION IF EXISTS {publication};
CREATE PUBLICATION {publication} FOR TABLE {tables}{options};
COMMENT ON PUBLICATION {publication} IS {mark};
