-- In a block, where no statement can end the transaction.
DO {block}
