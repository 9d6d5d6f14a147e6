UPDATE bronze_batch.file
SET is_merged = true
WHERE br_batch_id < %(upto)s AND NOT is_merged
