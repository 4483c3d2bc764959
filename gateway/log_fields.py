"""The fields by which the request log is filtered: how a value is read, told, and turned into a condition."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db.models import Q

from accounts.models import User
from gateway.models import State
from gateway.narrative import dollars, duration, reason_words

ENDPOINTS = ("chat/completions", "completions", "responses", "messages", "embeddings")
FAILED = "failed"
STATES = {str(state): str(state.label) for state in State}
STATES_OFFERED = {FAILED: "Failed (all but OK and cancelled)", **STATES}
YES_NO = {"yes": "Yes", "no": "No"}
LARGEST_NUMBER = 2**31 - 1
SUCCESS = 200
MOST_USERS = 20
MOST_DECIMALS = 20  # of an amount; Postgres takes no number of thousands of digits
REQUEST_IDS = 7  # the version of UUIDs that requests have, and keys have not
NOT_OK = tuple(state for state in STATES if state != State.OK)
Condition = Callable[[str], Q]
Shown = Callable[[str], str]


class Unreadable(Exception):
    """A parameter that cannot be read; the text says which and what would do."""


@dataclass(frozen=True, slots=True)
class Field:
    """One filter: its parameter, its name on the page, what it asks of a row, and how a chip tells a value.

    `condition` raises Unreadable.
    """

    name: str
    title: str
    condition: Condition
    shown: Shown


def plainly(value: str) -> str:
    """As it was given."""
    return value


def equal(name: str, title: str, column: str = "", shown: Shown = plainly) -> Field:
    """A column with exactly this text."""
    return Field(name, title, lambda given: Q(**{column or name: given}), shown)


def whole(name: str, title: str, lookup: str, shown: Shown = plainly) -> Field:
    """A column compared with a whole number."""
    return Field(name, title, lambda given: Q(**{lookup: whole_number(name, given)}), shown)


def whole_number(name: str, given: str) -> int:
    """A number from 0 to the largest that a column holds. Raises Unreadable."""
    if not (given.isascii() and given.isdigit() and len(given) <= 10 and int(given) <= LARGEST_NUMBER):
        raise Unreadable(f"{name}: {given} is no whole number. Give one such as 500.")
    return int(given)


def either(name: str, given: str) -> bool:
    """Yes or no. Raises Unreadable."""
    if given not in YES_NO:
        raise Unreadable(f"{name}: {given} is neither yes nor no.")
    return given == "yes"


def fell_back(given: str) -> Q:
    """Whether something failed or was skipped before the answer, or before the last failure."""
    straight = Q(fallback_reason="")
    return ~straight if either("fallback", given) else straight


def state_is(given: str) -> Q:
    """One state, or all that count as failed."""
    if given == FAILED:
        return Q(state__in=[state for state in STATES if state not in (State.OK, State.CANCELLED)])
    if given not in STATES:
        raise Unreadable(f"state: {given} is none of {', '.join(STATES_OFFERED)}.")
    return Q(state=given)


def status_is(given: str) -> Q:
    """What the client was told. All but 200 is no OK, which the log has an index for."""
    status = whole_number("status", given)
    return Q(status=status) if status == SUCCESS else Q(status=status, state__in=NOT_OK)


def cost_over(given: str) -> Q:
    """A known cost above so many dollars."""
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount < 10**9 or decimals(amount) > MOST_DECIMALS:
        raise Unreadable(f"cost: {given} is no amount. Give US dollars such as 0.05.")
    return Q(cost_usd__gt=amount)


def decimals(amount: Decimal) -> int:
    """How many digits a finite amount has behind the point."""
    return -int(amount.as_tuple().exponent)


def key_is(given: str) -> Q:
    """A key's id, or how its label begins."""
    try:
        return Q(key_id=UUID(given))
    except ValueError:
        return Q(key_label__istartswith=given)


def user_is(given: str) -> Q:
    """The id of a user, or the name or e-mail address of one."""
    named = User.objects.filter(Q(username__iexact=given) | Q(email__iexact=given))
    ids = [str(id) for id in named.values_list("pk", flat=True)[:MOST_USERS]]
    return Q(user_id__in=[given, *ids])


def at_endpoint(given: str) -> Q:
    """An endpoint under each of the paths at which it is served."""
    path = given.strip("/").removeprefix("v1/")
    return Q(endpoint__in=[f"{version}/{path}{end}" for version in ("/v1", "") for end in ("", "/")])


def found_by(given: str) -> Q:
    """A request's id, a key's id, or how a key's label begins."""
    try:
        wanted = UUID(given)
    except ValueError:
        return Q(key_label__istartswith=given)
    return Q(id=wanted) if wanted.version == REQUEST_IDS else Q(key_id=wanted)


def longer(given: str) -> str:
    """`over 2.0 s`."""
    return f"over {duration(float(given))}"


FIELDS = {
    field.name: field
    for field in (
        Field("q", "Search", found_by, plainly),
        equal("model", "Model asked for", "requested_model"),
        equal("alias", "Alias"),
        equal("policy", "Policy"),
        equal("provider", "Provider"),
        equal("tier", "Tier"),
        equal("deployment", "Deployment"),
        Field("state", "State", state_is, lambda given: STATES_OFFERED[given]),
        Field("status", "Status", status_is, plainly),
        Field(
            "fallback",
            "Fallback",
            fell_back,
            lambda given: YES_NO[given],
        ),
        equal("reason", "Fallback reason", "fallback_reason", reason_words),
        Field("error", "Error code", lambda given: Q(error_code=given, state__in=NOT_OK), plainly),
        Field("key", "Key", key_is, plainly),
        Field("user", "User", user_is, plainly),
        equal("end_user", "End user"),
        whole("slow", "Whole request", "total_ms__gt", longer),
        whole("slow_first", "First content", "first_content_ms__gt", longer),
        Field("cost", "Cost", cost_over, lambda given: f"over {dollars(Decimal(given))}"),
        whole("revision", "Revision", "revision"),
        Field(
            "stream",
            "Answer as",
            lambda given: Q(stream=either("stream", given)),
            lambda given: "stream" if given == "yes" else "JSON",
        ),
        Field("endpoint", "Endpoint", at_endpoint, plainly),
    )
}
