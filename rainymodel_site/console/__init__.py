"""Tools for operators that reach out: a provider's own list of models, price changes, a trial of a deployment."""
