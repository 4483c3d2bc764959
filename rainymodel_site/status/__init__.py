"""/status: which model names work, for everybody; no names of providers, no counts, nothing secret."""
