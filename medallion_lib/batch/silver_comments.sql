-- What the system columns mean where extracts are all there is.
DO $$
DECLARE
    hist regclass;
BEGIN
    FOREACH hist IN ARRAY ARRAY['silver_batch.dim_customer_hist', 'silver_batch.dim_film_hist',
                                'silver_batch.fact_rental', 'silver_batch.fact_payment']::regclass[]
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.sys_start IS ''The instant of the extract that first had this version; the version may be older.''', hist);
        EXECUTE format('COMMENT ON COLUMN %s.sys_end IS ''The instant of the extract that had another version or none; infinity for the current one.''', hist);
        CALL meta.make_versioned(hist);  -- which says the same of its view
    END LOOP;
END $$
