-- A week at the company: each statement is a transaction of its own, but for those of one that is undone.
UPDATE sales.deal SET stage = 'won'
WHERE number = 1 AND account_id = (SELECT id FROM sales.account WHERE name = 'Gorse Freight');

UPDATE support.account SET plan = 'silver', seats = int4range(1, 60)
WHERE account_id = (SELECT id FROM sales.account WHERE name = 'Fir Dairy');

UPDATE sales.deal SET amount = amount + 1500, offered = daterange(lower(offered), DATE '2026-12-01')
WHERE number = 2 AND account_id = (SELECT id FROM sales.account WHERE name = 'Damson Printers');

INSERT INTO sales.deal
SELECT id, 4, 'open', 7250, '[2026-11-02,)' FROM sales.account WHERE name = 'Alder Freight';

DELETE FROM sales.deal
WHERE number = 2 AND account_id = (SELECT id FROM sales.account WHERE name = 'Birch Dairy');

UPDATE sales.account SET tier = 'key', billing.city = 'Oulu', tags = tags || '{reference}'
WHERE name = 'Cedar Foundry';

UPDATE support."Contact" SET "eMail" = replace("eMail", '.org', '.net') WHERE "Id" % 13 = 0;

UPDATE sales.price SET amount = amount * 1.1 WHERE region = 'EU';
UPDATE sales.price SET sku = 'P-80' WHERE sku = 'P-8';  -- a part of the key

UPDATE sales.activity SET happened_on = '2026-07-01' WHERE id = 17;  -- into the other partition
DELETE FROM sales.activity WHERE kind = 'mail' AND happened_on < '2026-02-01';

UPDATE support.ticket SET state = 'closed', details = details || '{"solved": true}'
WHERE state = 'waiting' AND id < 20;

INSERT INTO sales.import_log VALUES ('file 4', '2026-11-06 06:00Z');

BEGIN;
DELETE FROM support.ticket;
ROLLBACK;
