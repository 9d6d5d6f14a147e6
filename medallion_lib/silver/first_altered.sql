-- What takes an empty history's primary key away and gives all rows their time, and what undoes that.
-- Whoever reads the history is not waited for.
LOCK TABLE {silver} IN ACCESS EXCLUSIVE MODE NOWAIT;
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I, ALTER sys_start SET DEFAULT %%L', conrelid::regclass, conname,
              %(at)s::timestamptz),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s, ALTER sys_start DROP DEFAULT', conrelid::regclass, conname,
              pg_get_constraintdef(oid))
FROM pg_constraint
WHERE conrelid = %(silver)s::regclass AND contype = 'p'
