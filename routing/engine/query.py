"""What a request asks of the catalogue, reduced to what routing needs to know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grants:
    """What the caller's key may reach. None means no restriction.

    `aliases` may hold patterns with `*`; `highest_tier` is a tier slug; `priced_only` keeps a caller with a
    money limit away from deployments whose price is unknown.
    """

    aliases: frozenset[str] | None = None
    policies: frozenset[str] | None = None
    highest_tier: str | None = None
    direct_calls: bool = True
    priced_only: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One request as routing sees it.

    `provider` filters by provider slug or upstream label. `needs` is a subset of CAPABILITIES. `dialect` is what the
    client speaks: a deployment that does not speak it is asked in chat, unless the request is `native_only`.
    `input_tokens` is an estimate, `output_tokens` the caller's maximum (None: not said). `time` is wall
    time in seconds since 1970 and only decides which price is in force.
    """

    model: str
    policy: str | None = None
    provider: str | None = None
    needs: frozenset[str] = frozenset()
    input_tokens: int = 0
    output_tokens: int | None = None
    stream: bool = False
    dialect: str = "chat"
    native_only: bool = False
    time: float = 0.0
    grants: Grants = Grants()
