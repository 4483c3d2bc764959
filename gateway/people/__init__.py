"""All that is stored about one person: to hand out, and to forget."""
