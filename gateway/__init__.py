"""The data plane: HTTP in, an upstream chosen by the plan, JSON or SSE out."""
