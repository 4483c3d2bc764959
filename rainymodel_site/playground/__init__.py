"""The playground at /playground/: signed-in people ask models in the name of one of their keys, and see the route."""
