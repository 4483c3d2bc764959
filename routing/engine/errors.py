"""What can be wrong with a query before any deployment is looked at.

RoutingError
├── UnknownModel       no alias, pattern or direct call carries the name
├── ModelNotAllowed    the caller's key may not use the alias, the policy or direct calls
├── UnknownPolicy      the policy header names none of the policies
└── UnknownProvider    the provider header names no provider, or none of the alias's deployments
"""


class RoutingError(Exception):
    """A query that cannot be planned; the message is written for the developer who sent it."""


class UnknownModel(RoutingError):
    """The caller asked for a model name that nothing carries."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The model {name[:120]!r} does not exist here. GET /v1/models lists the names you can use."
        )
        self.name = name


class ModelNotAllowed(RoutingError):
    """The name exists, and the caller's key may not use it in this way."""

    def __init__(self, what: str) -> None:
        super().__init__(f"This API key may not use {what}. Ask an operator, or choose from GET /v1/models.")
        self.what = what


class UnknownPolicy(RoutingError):
    """The X-RainyModel-Policy header names no policy."""

    def __init__(self, name: str, legal: tuple[str, ...]) -> None:
        super().__init__(
            f"Unknown policy {name[:60]!r} in X-RainyModel-Policy. Use one of: {', '.join(legal)}."
        )
        self.name, self.legal = name, legal


class UnknownProvider(RoutingError):
    """The X-RainyModel-Provider header leaves no deployment of the requested model."""

    def __init__(self, name: str, legal: tuple[str, ...]) -> None:
        choice = f"Use one of: {', '.join(legal)}." if legal else "This model has no providers."
        super().__init__(f"No provider {name[:60]!r} serves this model (X-RainyModel-Provider). {choice}")
        self.name, self.legal = name, legal
