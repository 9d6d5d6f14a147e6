CREATE VIEW alert_large_payment AS
SELECT payment_id, customer_id, amount
FROM fact_payment_current
WHERE amount > 40;
COMMENT ON VIEW alert_large_payment IS 'Payments above $40, more than any of 2023.';
