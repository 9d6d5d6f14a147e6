-- A table's changes in its batch, counted up to a number that is many; no row where there is none.
(SELECT {place}, count(*)
FROM (SELECT FROM {bronze} WHERE lsn >= {since} AND lsn < %(upto)s LIMIT %(many)s) AS change
HAVING count(*) > 0)
