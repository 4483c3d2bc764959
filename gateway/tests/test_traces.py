"""Requests as OpenTelemetry traces, read by a collector on a socket."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.tests.live import live_gateway
from gateway.traces import make_traces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(BaseHTTPRequestHandler):
    """Takes what an exporter sends."""

    spans: Queue[Any]

    def do_POST(self) -> None:
        """Keep every span."""
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put(span)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, Queue[Any]]]:
    spans: Queue[Any] = Queue()
    handler = type("Handler", (Collector,), {"spans": spans})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", spans
        server.shutdown()


def values(span: Any) -> dict[str, Any]:
    """The attributes of a span."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_request_is_a_span_of_its_callers_trace_with_its_attempts_below(
    tmp_path: Path, collector: tuple[str, Queue[Any]]
):
    address, spans = collector
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with live_gateway("uvicorn", tmp_path, **more) as gateway:
        body = {"model": "json/status:code=500", "messages": [{"role": "user", "content": "a secret word"}]}
        headers = gateway.headers(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
        assert answer.status_code == 200
        row = gateway.row(answer.headers["x-request-id"])
        found = [spans.get(timeout=30) for _ in range(3)]

    (top,) = [span for span in found if span.parent_span_id.hex() == "00f067aa0ba902b7"]
    below = sorted((span for span in found if span is not top), key=lambda span: span.end_time_unix_nano)
    assert {span.trace_id.hex() for span in found} == {TRACE}
    assert [span.parent_span_id for span in below] == [top.span_id] * 2
    told = values(top)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "json/status:code=500"
    assert told["gen_ai.usage.output_tokens"] == row["output_tokens"]
    assert told["rainymodel.request_id"] == answer.headers["x-request-id"]
    assert told["rainymodel.fallback_reason"] == row["fallback_reason"]
    assert [values(span).get("error.type", "") for span in below] == [
        line["word"] for line in row["attempts"]
    ]
    assert below[0].start_time_unix_nano < below[0].end_time_unix_nano <= below[1].start_time_unix_nano
    assert "a secret word" not in str(found)


def test_without_an_address_there_are_no_traces():
    assert make_traces("", "1") is None
