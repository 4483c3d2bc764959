"""Stock clients, installed as their users install them, against a live gateway."""
