"""Cross-origin rules: any origin may call with a key, none with cookies."""

from gateway.errors import Headers

ALLOWED_REQUEST_HEADERS = frozenset({"authorization", "content-type", "x-api-key", "x-request-id"})
ALLOWED_PREFIXES = ("anthropic-", "x-rainymodel-", "x-stainless-")
EXPOSED = (
    "x-request-id, x-should-retry, retry-after, x-rainymodel-route, x-rainymodel-upstream, x-rainymodel-model, "
    "x-rainymodel-latency-ms, x-rainymodel-fallback-reason, x-rainymodel-tried, x-rainymodel-policy, "
    "x-rainymodel-requested-model, x-rainymodel-tier-order, x-rainymodel-attempts, x-rainymodel-revision, "
    "x-rainymodel-overhead-ms, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
ON_EVERY_ANSWER: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED.encode()),
    (b"x-content-type-options", b"nosniff"),
)


def preflight(requested: str, methods: str) -> Headers:
    """Headers that answer an OPTIONS request; only what is on our list is echoed."""
    names = [name.strip().lower() for name in requested.split(",")]
    allowed = [name for name in names if name in ALLOWED_REQUEST_HEADERS or name.startswith(ALLOWED_PREFIXES)]
    return (
        (b"access-control-allow-methods", methods.encode()),
        (b"access-control-allow-headers", ", ".join(allowed).encode("latin-1", "ignore")),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"access-control-request-headers"),
    )
