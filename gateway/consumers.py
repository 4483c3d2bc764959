"""One thin Channels consumer for each endpoint."""

from hmac import compare_digest
from typing import Any, ClassVar

import orjson

from gateway.authenticate import authenticate
from gateway.call import JSON, Call
from gateway.dialects.messages import count_tokens
from gateway.dialects.registry import DIALECTS
from gateway.errors import NotFound, Unauthenticated, Unavailable, UnsupportedMedia
from gateway.http import GatewayConsumer
from gateway.listings import auto_config, model_list, provider_list, service_info, status
from gateway.messages import error_for_query
from gateway.model_info import model_info
from gateway.pipeline import parse, serve_request
from gateway.services import Services
from routing.engine.errors import RoutingError
from routing.engine.query import Grants, Query
from routing.engine.resolve import resolve, visible_aliases
from routing.engine.snapshot import Snapshot

STALE_SECONDS = 60.0  # without a successful look at the database


class ModelEndpoint(GatewayConsumer):
    """What a model answers: JSON and SSE, in the endpoint's dialect."""

    methods: ClassVar[tuple[str, ...]] = ("POST",)

    async def serve(self, call: Call) -> None:
        """Plan, attempt, relay."""
        refuse_forms(call)
        await serve_request(call, self.services, self.dialect)


class ChatCompletions(ModelEndpoint):
    """POST /v1/chat/completions."""

    dialect = DIALECTS["chat"]


class TextCompletions(ModelEndpoint):
    """POST /v1/completions."""

    dialect = DIALECTS["completions"]


class Embeddings(ModelEndpoint):
    """POST /v1/embeddings."""

    dialect = DIALECTS["embeddings"]


class Responses(ModelEndpoint):
    """POST /v1/responses, stateless."""

    dialect = DIALECTS["responses"]


class Messages(ModelEndpoint):
    """POST /v1/messages, Anthropic's."""

    dialect = DIALECTS["messages"]


class CountTokens(GatewayConsumer):
    """POST /v1/messages/count_tokens: an estimate, made here."""

    methods: ClassVar[tuple[str, ...]] = ("POST",)
    dialect = DIALECTS["messages"]

    async def serve(self, call: Call) -> None:
        """The number of input tokens for a model that is here; it counts as a request of the key's."""
        refuse_forms(call)
        caller = await authenticate(call, self.services.callers)
        async with self.services.limits.admit(caller):
            counted = await parse(count_tokens, await call.read_body())
            refuse_unknown_model(counted.model, self.services.snapshot(), self.services.grants_of(caller))
            await answer(call, {"input_tokens": counted.tokens})


class Models(GatewayConsumer):
    """GET /v1/models: the aliases this key may use."""

    async def serve(self, call: Call) -> None:
        """The list, in OpenAI's shape."""
        caller = await authenticate(call, self.services.callers)
        aliases = visible_aliases(self.services.snapshot(), self.services.grants_of(caller))
        await answer(call, model_list(aliases))


class OneModel(GatewayConsumer):
    """GET /v1/models/{id}: one alias; the id may hold slashes."""

    async def serve(self, call: Call) -> None:
        """The model, or 404."""
        caller = await authenticate(call, self.services.callers)
        name = call.route["model"].removesuffix("/")
        aliases = visible_aliases(self.services.snapshot(), self.services.grants_of(caller))
        found = [alias for alias in aliases if alias.name == name]
        if not found:
            raise NotFound(
                f"The model {name[:120]!r} does not exist here. GET /v1/models lists the names you can use.",
                code="model_not_found",
                param="model",
            )
        await answer(call, model_list(found)["data"][0])


class ModelInfo(GatewayConsumer):
    """GET /v1/model/info: windows, limits and capabilities of the aliases, as litellm's clients ask for them."""

    async def serve(self, call: Call) -> None:
        """The list."""
        caller = await authenticate(call, self.services.callers)
        snapshot, grants = self.services.snapshot(), self.services.grants_of(caller)
        await answer(call, model_info(visible_aliases(snapshot, grants), self.services.wall_clock()))


class Providers(GatewayConsumer):
    """GET /v1/providers: what is configured, in which tier, and how to call it directly."""

    async def serve(self, call: Call) -> None:
        """The list."""
        await authenticate(call, self.services.callers)
        await answer(call, provider_list(self.services.snapshot()))


class AutoConfig(GatewayConsumer):
    """GET /v1/auto/config: what a client needs to set itself up."""

    async def serve(self, call: Call) -> None:
        """Default model and policy, providers by tier, recommended models."""
        caller = await authenticate(call, self.services.callers)
        await answer(call, auto_config(self.services.snapshot(), self.services.grants_of(caller)))


class Root(GatewayConsumer):
    """GET /: what this is; a browser is sent to the pages for people."""

    async def serve(self, call: Call) -> None:
        """JSON for programs, the landing page for browsers."""
        if "text/html" in (call.header(b"accept") or "") and self.services.landing_page is not None:
            html = await self.services.landing_page(f"{call.scheme}://{call.header(b'host') or 'localhost'}")
            await call.reply.whole(200, html, PAGE)
        else:
            await answer(call, service_info(self.services.config.version))


class Health(GatewayConsumer):
    """GET /health: this process lives. Any Host, no upstream touched."""

    any_host = True

    async def serve(self, call: Call) -> None:
        """200 as long as the event loop turns."""
        services = self.services
        providers = {slug: status(provider) for slug, provider in services.store.current.providers.items()}
        version = services.config.version
        await answer(
            call, {"status": "healthy", "service": "rainymodel", "version": version, "providers": providers}
        )


class Ready(GatewayConsumer):
    """GET /ready: 200 when requests are served here, 503 with the reason while starting or draining.

    `degraded` names in words what does not hold requests back, but is to be looked after: the worker serves from the
    saved catalogue, has not seen the database for a minute, or is short of file descriptors.
    """

    any_host = True

    async def serve(self, call: Call) -> None:
        """The truth about this worker."""
        reason = self.services.not_ready()
        if reason:
            raise Unavailable(f"This worker is {reason}.", code=reason, retry_after=1.0)
        store = self.services.store
        state: dict[str, Any] = {
            "status": "ready",
            "revision": store.revision,
            "worker": self.services.config.worker_id,
        }
        if store.problem:
            state["problem"] = store.problem
        if words := degraded(self.services):
            state["degraded"] = words
        await answer(call, state)


class Metrics(GatewayConsumer):
    """GET /metrics: the figures of all workers of this machine for Prometheus, behind a token of their own."""

    any_host = True

    async def serve(self, call: Call) -> None:
        """Text, or OpenMetrics for those who ask for it."""
        wanted = self.services.config.metrics_token
        if not wanted:
            raise NotFound("There are no metrics before RAINYMODEL_METRICS_TOKEN is set.", code="no_metrics")
        scheme, _, given = (call.header(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not compare_digest(given.strip().encode(), wanted.encode()):
            raise Unauthenticated(
                "Send the metrics token as `Authorization: Bearer …`.", code="invalid_token"
            )
        body, content_type = await self.services.metrics.tell(self.services, call.header(b"accept") or "")
        await call.reply.whole(200, body, ((b"content-type", content_type.encode()),))


class UnknownPath(GatewayConsumer):
    """Everything else."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "POST", "PUT", "PATCH", "DELETE")

    async def serve(self, call: Call) -> None:
        """404 in the one error shape."""
        raise NotFound(
            f"There is nothing at {call.path[:120]!r}. GET / lists the endpoints.", code="unknown_url"
        )


PAGE = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


def degraded(services: Services) -> list[str]:
    """What /ready tells beside its 200."""
    store, facts = services.store, []
    if store.is_from_file:
        facts.append("saved_catalogue")
    if store.unseen_for > STALE_SECONDS:
        facts.append("database_silent")
    if services.lifecycle.is_full:
        facts.append("no_file_descriptors")
    if services.recorder.problem:
        facts.append(services.recorder.problem)
    return facts


async def answer(call: Call, body: object) -> None:
    """200 with JSON; a HEAD request gets the headers only."""
    await call.reply.whole(200, orjson.dumps(body), (JSON,))


def refuse_unknown_model(model: str, snapshot: Snapshot, grants: Grants) -> None:
    """Raises NotFound or NotAllowed for a model that a request would be refused for."""
    try:
        resolve(snapshot, Query(model=model, grants=grants))
    except RoutingError as error:
        raise error_for_query(error) from None


def refuse_forms(call: Call) -> None:
    """Any body that parses as JSON is taken, whatever its content type; multipart never does."""
    if (call.header(b"content-type") or "").lower().startswith("multipart/"):
        raise UnsupportedMedia("Send the request as JSON (content-type: application/json).")
