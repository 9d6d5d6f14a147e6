DROP PUBLICATION IF EXISTS {publication};
CREATE PUBLICATION {publication} FOR TABLE {tables}{options};
COMMENT ON PUBLICATION {publication} IS {mark};
