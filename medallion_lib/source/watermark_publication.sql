-- What tells the publication from now on: other tables are its own.
UPDATE meta.watermark SET publication = %(publication)s WHERE stage = 'capture'
