"""The embedded Postgres, shown with real servers in private directories."""
