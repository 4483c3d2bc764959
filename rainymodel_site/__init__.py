"""RainyModel composed: settings, urls, asgi, and what starts them."""
