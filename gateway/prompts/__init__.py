"""Prompts and answers of keys whose owners consented: captured, sealed, kept for seven days, shown to few."""
