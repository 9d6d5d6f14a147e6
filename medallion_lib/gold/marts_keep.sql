UPDATE meta.warehouse SET tables = tables || jsonb_build_object('own', %(own)s::jsonb)
