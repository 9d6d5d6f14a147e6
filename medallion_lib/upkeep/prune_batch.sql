-- The earliest first: whoever reads meanwhile finds a row's last change, or none.
WITH part AS (
    DELETE FROM {doomed}
    WHERE (lsn, seq) IN (SELECT lsn, seq FROM {doomed} ORDER BY lsn, seq LIMIT %(most)s)
    RETURNING lsn, seq
)
DELETE FROM {bronze} AS event USING part WHERE event.lsn = part.lsn AND event.seq = part.seq
