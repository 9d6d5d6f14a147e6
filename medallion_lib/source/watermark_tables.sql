UPDATE meta.watermark
SET tables = %(tables)s
WHERE stage = %(stage)s AND tables IS DISTINCT FROM %(tables)s
