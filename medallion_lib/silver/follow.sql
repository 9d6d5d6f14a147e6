CALL meta.make_current_view({history});
CALL meta.comment_versions({history});
CALL meta.make_functions({history});
