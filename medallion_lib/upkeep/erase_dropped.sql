DELETE FROM {bronze} AS its USING erased_event AS event WHERE its.lsn = event.lsn AND its.seq = event.seq AND event.op <> 'T'
