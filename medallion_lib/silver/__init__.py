"""Every version: from bronze's changes to silver's tables."""
