-- A company's customer relations, as one may find them: two schemas of two teams, and each has a table
-- "account". Nothing here knows of a warehouse.
CREATE SCHEMA sales;
CREATE SCHEMA support;

CREATE TYPE sales.tier AS ENUM ('trial', 'standard', 'key');
CREATE TYPE sales.address AS (street text, city text, country char(2));
CREATE DOMAIN support.mail AS text CHECK (VALUE LIKE '%_@_%');

CREATE TABLE sales.account (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    tier sales.tier NOT NULL,
    billing sales.address,
    tags text[] NOT NULL DEFAULT '{}',
    profile jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE sales.deal (
    account_id uuid REFERENCES sales.account,
    number smallint,
    stage text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    offered daterange,
    PRIMARY KEY (account_id, number)
);

CREATE TABLE sales.price (
    region text,
    sku text,
    amount numeric(12, 2) NOT NULL,
    PRIMARY KEY (region, sku)
);

CREATE TABLE sales.activity (
    id int,
    happened_on date,
    account_id uuid NOT NULL REFERENCES sales.account,
    kind text NOT NULL,
    PRIMARY KEY (id, happened_on)
) PARTITION BY RANGE (happened_on);
CREATE TABLE sales.activity_first_half PARTITION OF sales.activity
    FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE sales.activity_second_half PARTITION OF sales.activity
    FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');

CREATE TABLE sales.import_log (
    line text,
    loaded_at timestamptz NOT NULL
);

CREATE TABLE support.account (
    account_id uuid PRIMARY KEY,
    plan text NOT NULL,
    seats int4range NOT NULL
);

CREATE TABLE support."Contact" (
    "Id" int PRIMARY KEY,
    "accountId" uuid NOT NULL REFERENCES sales.account,
    "fullName" text NOT NULL,
    "eMail" support.mail,
    mobile text
);

CREATE TABLE support.ticket (
    id int PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES support.account,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    details jsonb NOT NULL,
    watchers text[] NOT NULL
);

-- Every row follows from its number.
CREATE FUNCTION sales.account_id(n bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    RETURN md5('account ' || n)::uuid;

CREATE FUNCTION sales.any_of(n bigint, VARIADIC choices text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN choices[1 + n % array_length(choices, 1)];

INSERT INTO sales.account
SELECT sales.account_id(n),
       sales.any_of(n, 'Alder', 'Birch', 'Cedar', 'Damson', 'Elm', 'Fir', 'Gorse')
           || ' ' || sales.any_of(n / 7, 'Foundry', 'Printers', 'Freight', 'Dairy', 'Optics', 'Mills'),
       sales.any_of(n, 'standard', 'trial', 'standard', 'key', 'standard')::sales.tier,
       ROW(n || ' Harbour Road', sales.any_of(n, 'Cork', 'Lyon', 'Turku'), sales.any_of(n, 'IE', 'FR', 'FI'))::sales.address,
       CASE WHEN n % 3 = 0 THEN ARRAY['export', sales.any_of(n, 'news', 'fair')] ELSE '{}' END,
       jsonb_build_object('staff', 5 + n * 37 % 400, 'vat', CASE WHEN n % 4 > 0 THEN 'EU' || n END)
FROM generate_series(0, 41) AS n;

INSERT INTO sales.deal
SELECT sales.account_id(n % 42), 1 + n / 42,
       sales.any_of(n, 'open', 'won', 'open', 'lost'),
       500 + n * 7919 % 20000 + 0.25 * (n % 4),
       daterange(DATE '2026-01-05' + n * 3, CASE WHEN n % 6 > 0 THEN DATE '2026-02-05' + n * 3 END)
FROM generate_series(0, 104) AS n;

INSERT INTO sales.price
SELECT region, 'P-' || sku, 40 + 15 * sku
FROM unnest(ARRAY['EU', 'UK', 'US']) AS region, generate_series(1, 8) AS sku;

INSERT INTO sales.activity
SELECT n, DATE '2026-01-02' + n * 7 % 360, sales.account_id(n % 42), sales.any_of(n, 'call', 'visit', 'mail')
FROM generate_series(1, 220) AS n;

INSERT INTO sales.import_log
SELECT 'file ' || n / 10, '2026-01-02 06:00Z'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 40) AS n;

INSERT INTO support.account
SELECT sales.account_id(n), sales.any_of(n / 2, 'basic', 'gold', 'silver'), int4range(1, 5 + n)
FROM generate_series(0, 35) AS n;

INSERT INTO support."Contact"
SELECT n, sales.account_id(n % 42),
       sales.any_of(n, 'Aoife', 'Bilal', 'Chloé', 'Dmitri', 'Eeva')
           || ' ' || sales.any_of(n / 5, 'Byrne', 'Laine', 'Moreau', 'O''Shea', 'Virtanen', 'Zając'),
       'contact' || n || '@example.org',
       CASE WHEN n % 2 = 0 THEN '+353 1 555 ' || 1000 + n END
FROM generate_series(1, 130) AS n;

INSERT INTO support.ticket
SELECT n, sales.account_id(n % 36), sales.any_of(n, 'open', 'waiting', 'closed'),
       '2026-03-01 08:00Z'::timestamptz + n * interval '5 hours',
       jsonb_build_object('priority', 1 + n % 3, 'topic', sales.any_of(n, 'login', 'invoice', 'export')),
       ARRAY['desk', sales.any_of(n, 'ann', 'ben')]
FROM generate_series(1, 90) AS n;

ANALYZE;
