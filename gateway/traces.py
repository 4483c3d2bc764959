"""Requests as OpenTelemetry traces, where `pip install rainymodel[traces]` and a collector's address say so.

A span is made from the finished log entry, with one child for each deployment asked; names are those of
OpenTelemetry's conventions for generative AI, and never a word of a prompt or an answer. A `traceparent` header makes
the request a part of its caller's trace. Sampling, limits and headers are set by the SDK's own OTEL_ variables. It
costs about 65 µs of CPU a request.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from gateway.call import Call
from gateway.log_rows import LogEntry
from gateway.metrics.counts import endpoint_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger("gateway.traces")
OPERATIONS = {
    "chat/completions": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
}
FAILED = frozenset({"upstream_error", "truncated", "lost"})
NANOSECONDS = 1_000_000  # in a millisecond


class Traces(Protocol):
    """Takes finished requests; nothing in it waits."""

    def request(self, entry: LogEntry, call: Call) -> None:
        """Tell of one request."""

    def close(self) -> None:
        """Send what waits; may take a few seconds."""


def make_traces(endpoint: str, version: str) -> Traces | None:
    """What sends to the collector at `endpoint`; None without an address, or without the SDK, which is logged."""
    if not endpoint:
        return None
    try:
        return OpenTelemetry(version)
    except ImportError:
        log.error("no traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but rainymodel[traces] is not installed")
        return None


class OpenTelemetry:
    """Sends spans in batches from a thread of its own. Raises ImportError without the SDK."""

    def __init__(self, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": "rainymodel", "service.version": version})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("rainymodel", version)
        self._extract = TraceContextTextMapPropagator().extract
        self._below, self._error = set_span_in_context, StatusCode.ERROR
        self._server, self._client = SpanKind.SERVER, SpanKind.CLIENT

    def request(self, entry: LogEntry, call: Call) -> None:
        """One span for the request, one below it for each attempt."""
        began = int(entry.started_at.timestamp() * 1000) * NANOSECONDS
        headers = {name: call.header(name.encode()) or "" for name in ("traceparent", "tracestate")}
        operation = operation_of(entry)
        span = self._tracer.start_span(
            f"{operation} {entry.alias or entry.requested_model}",
            context=self._extract(headers),
            kind=self._server,
            attributes=attributes_of(entry, operation),
            start_time=began,
        )
        if entry.state in FAILED:
            span.set_status(self._error, entry.error_code)
        for attempt in entry.attempts:
            if not attempt.get("skipped"):
                self._attempt(span, attempt, began, operation)
        span.end(began + int((entry.total_ms or 0) * NANOSECONDS))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()

    def _attempt(self, parent: "Span", attempt: Mapping[str, Any], began: int, operation: str) -> None:
        start = began + int((attempt.get("at_ms") or 0) * NANOSECONDS)
        span = self._tracer.start_span(
            f"{operation} {attempt['model']}",
            context=self._below(parent),
            kind=self._client,
            attributes=without_nothing(
                {
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": attempt["upstream"],
                    "gen_ai.request.model": attempt["model"],
                    "gen_ai.response.time_to_first_chunk": seconds(attempt.get("first_content_ms")),
                    "error.type": attempt["word"],
                    "http.response.status_code": attempt.get("status"),
                    "rainymodel.deployment": attempt["deployment"],
                    "rainymodel.tier": attempt["tier"],
                }
            ),
            start_time=start,
        )
        if attempt["word"]:
            span.set_status(self._error, attempt["word"])
        span.end(start + int((attempt.get("total_ms") or 0) * NANOSECONDS))


def operation_of(entry: LogEntry) -> str:
    """The convention's word for the endpoint."""
    path = endpoint_of(entry.endpoint)
    return OPERATIONS.get(path, path)


def attributes_of(entry: LogEntry, operation: str) -> dict[str, Any]:
    """What the conventions have a name for, and what only we know."""
    answered = bool(entry.deployment)
    return without_nothing(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": entry.upstream,
            "gen_ai.request.model": entry.requested_model,
            "gen_ai.request.max_tokens": entry.max_tokens,
            "gen_ai.request.stream": entry.stream or None,
            "gen_ai.response.model": entry.upstream_model,
            "gen_ai.response.time_to_first_chunk": seconds(entry.first_content_ms),
            "gen_ai.usage.input_tokens": entry.input_tokens + entry.cached_tokens if answered else None,
            "gen_ai.usage.cache_read.input_tokens": entry.cached_tokens or None,
            "gen_ai.usage.output_tokens": entry.output_tokens if answered else None,
            "gen_ai.usage.reasoning.output_tokens": entry.reasoning_tokens or None,
            "error.type": entry.error_code,
            "http.response.status_code": entry.status,
            "rainymodel.request_id": entry.id,
            "rainymodel.alias": entry.alias,
            "rainymodel.policy": entry.policy,
            "rainymodel.tier": entry.tier,
            "rainymodel.deployment": entry.deployment,
            "rainymodel.revision": entry.revision,
            "rainymodel.state": entry.state,
            "rainymodel.fallback_reason": entry.fallback_reason,
            "rainymodel.attempts": entry.attempt_count,
            "rainymodel.cost_usd": None if entry.cost_usd is None else float(entry.cost_usd),
        }
    )


def without_nothing(attributes: dict[str, Any]) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def seconds(milliseconds: float | None) -> float | None:
    """Seconds, None for None."""
    return None if milliseconds is None else milliseconds / 1000
