INSERT INTO bronze_batch.file (source, br_batch_id, name, sha256, extracted_at, rows, landed, ended, set_aside)
VALUES (%(source)s, %(batch)s, %(file)s, %(sha256)s, %(instant)s, %(rows)s, %(landed)s, %(ended)s, %(set_aside)s)
