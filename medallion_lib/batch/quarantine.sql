-- What is set aside stands once, however often the file is loaded.
INSERT INTO bronze_batch.quarantine (file, sha256, line, raw, reason)
SELECT file, sha256, line::integer, raw, reason
FROM (VALUES %s) AS bad (file, sha256, line, raw, reason)
WHERE NOT EXISTS (
    SELECT FROM bronze_batch.quarantine AS known
    WHERE (known.file, known.sha256, known.reason) = (bad.file, bad.sha256, bad.reason)
      AND known.line IS NOT DISTINCT FROM bad.line::integer
)
