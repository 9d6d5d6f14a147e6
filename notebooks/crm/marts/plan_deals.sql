CREATE VIEW plan_deals AS
SELECT plan, count(*) AS deals, sum(amount) AS open_deals
FROM silver_sales.deal JOIN silver_support.account USING (account_id)
WHERE stage = 'open'
GROUP BY plan;
COMMENT ON VIEW plan_deals IS 'What the open deals of each support plan are worth.';
