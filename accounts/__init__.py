"""Who is calling: people, API keys, roles, sign-in, and the audit record."""
