"""The management API under /api/: keys, usage, people and ceilings, for browser sessions and API keys."""
