"""The admin's first page: what happened, what it cost, and what needs an operator now."""
