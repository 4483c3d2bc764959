"""What the gateway promises, as sentences."""
