"""What a caller is told whose limit is reached."""

from accounts.ledger.ledger import Exceeded
from accounts.ledger.rules import Rule, dollars, period_ends
from gateway.errors import BudgetSpent, GatewayError, Headers, LimitReached, Unavailable

SPANS = {"day": "per day", "month": "per month"}
BUDGETS = {"API key": "The budget of this API key", "account": "The budget of your account"}
RATE_HEADERS = {
    kind: tuple(f"x-ratelimit-{part}-{kind}".encode() for part in ("limit", "remaining", "reset"))
    for kind in ("requests", "tokens")
}
WHOSE = {"API key": "This API key", "account": "Your account"}


def not_checked() -> Unavailable:
    """Money cannot be reserved without the database."""
    return Unavailable(
        "The budget of this API key cannot be checked at the moment. Try again shortly.",
        code="limits_unavailable",
        retry_after=2.0,
    )


def refusal(exceeded: Exceeded) -> GatewayError:
    """The 429 of a rule: what the limit is, and when there is room again."""
    match exceeded.rule.kind:
        case "requests":
            return over_requests(exceeded)
        case "tokens":
            return over_tokens(exceeded)
        case "running":
            return over_running(exceeded.rule)
        case _:
            return over_budget(exceeded)


def over_requests(exceeded: Exceeded) -> GatewayError:
    """Too many requests in a minute."""
    rule, seconds = exceeded.rule, seconds_of(exceeded)
    error = LimitReached(
        f"{whose(rule)} may send {rule.limit} requests per minute. Try again in {seconds} s.",
        retry_after=exceeded.retry_after,
    )
    error.extra_headers = numbers("requests", rule.limit, 0, seconds)
    return error


def over_tokens(exceeded: Exceeded) -> GatewayError:
    """Too many tokens in a minute, or in this request alone."""
    rule, seconds = exceeded.rule, seconds_of(exceeded)
    told = f"{whose(rule)} may use {rule.limit} tokens per minute"
    if exceeded.amount > rule.limit:
        return LimitReached(
            f"{told}, and this request alone may use {exceeded.amount}. Lower `max_tokens`, or shorten the input.",
            code="request_over_token_limit",
        )
    error = LimitReached(
        f"{told}; {exceeded.room} are left and this request may use {exceeded.amount}. Try again in {seconds} s.",
        retry_after=exceeded.retry_after,
    )
    error.extra_headers = numbers("tokens", rule.limit, exceeded.room, seconds)
    return error


def over_running(rule: Rule) -> GatewayError:
    """Too many requests at once."""
    plural = "requests" if rule.limit != 1 else "request"
    return LimitReached(
        f"{whose(rule)} may run {rule.limit} {plural} at once, and they are running. Wait for one to end.",
        code="concurrency_limit",
        retry_after=1.0,
    )


def over_budget(exceeded: Exceeded) -> GatewayError:
    """Money."""
    rule = exceeded.rule
    limit, room, amount = dollars(rule.limit), dollars(exceeded.room), dollars(exceeded.amount)
    again = period_ends(rule.kind, exceeded.period)
    whose_budget = BUDGETS.get(rule.holder, f"The ceiling of {rule.holder}")
    told = f"{whose_budget} is {limit} {SPANS[rule.kind]}"
    if exceeded.amount > rule.limit:
        return BudgetSpent(
            f"{told}; this request alone may cost {amount}. Lower `max_tokens` or `n`, shorten the input, or "
            "choose a cheaper model.",
            room=exceeded.room,
        )
    return BudgetSpent(
        f"{told}; {room} are left, and this request may cost {amount}. What "
        f"running requests do not use comes back; the budget begins anew at {again:%Y-%m-%d %H:%M} UTC.",
        room=exceeded.room,
    )


def whose(rule: Rule) -> str:
    """The subject of the sentence."""
    return WHOSE.get(rule.holder, f"The {rule.holder}")


def seconds_of(exceeded: Exceeded) -> int:
    """Whole seconds until there is room."""
    return max(1, round(exceeded.retry_after + 0.499))


def numbers(kind: str, limit: int, remaining: int, seconds: int) -> Headers:
    """The headers that clients read; `kind` is requests or tokens."""
    in_all, left, reset = RATE_HEADERS[kind]
    return ((in_all, b"%d" % limit), (left, b"%d" % remaining), (reset, b"%ds" % seconds))
