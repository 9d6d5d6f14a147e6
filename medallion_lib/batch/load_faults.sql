-- The rows to set aside, by line: what is wrong, the column, its type, the value; and whether the
-- key, too, can't be read.
SELECT br_line, coalesce(br_fault, ARRAY['row of a key twice', {key_name}, NULL, named.br_key]),
       named.br_key IS NULL
FROM pg_temp.named
LEFT JOIN pg_temp.differing USING (br_line)
WHERE br_fault IS NOT NULL OR br_key IN (SELECT br_key FROM pg_temp.doubled)
ORDER BY br_line
