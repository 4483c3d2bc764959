"""Bodies that are no request, or almost one: a 400 that names the place, one row, nothing spent, nothing sent on."""

import json
import socket
from typing import Any

import httpx
import orjson
import pytest

from gateway.tests.live import LiveGateway
from gateway.tests.raw_client import CHAT

HI = [{"role": "user", "content": "hi"}]
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])


def fields(**changed: Any) -> bytes:
    """A request's body with some fields changed."""
    return orjson.dumps({"model": "fake/ok", "messages": HI, **changed})


def written(field: str) -> bytes:
    """A request's body with a field as no serialiser writes it."""
    return b'{"model": "fake/ok", "messages": [{"role": "user", "content": "hi"}], %b}' % field.encode()


MALFORMED = {
    "C01 broken": (b'{"model": "fake/ok",\n "messages": [}', "invalid_json", None),
    "C01 trailing data": (fields() + b" more", "invalid_json", None),
    "C01 a second document": (fields() + fields(), "invalid_json", None),
    "C01 byte order mark": (b"\xef\xbb\xbf" + fields(), "invalid_json", None),
    "C01 utf-16": (fields().decode().encode("utf-16"), "invalid_json", None),
    "C01 not utf-8": (written('"user": "\xff"').decode().encode("latin-1"), "invalid_json", None),
    "C01 empty": (b"", "invalid_json", None),
    "C02 messages an object": (fields(messages={}), "invalid_type", "messages"),
    "C02 stream a string": (fields(stream="true"), "invalid_type", "stream"),
    "C02 stream a number": (fields(stream=1), "invalid_type", "stream"),
    "C02 max_tokens a string": (fields(max_tokens="5"), "invalid_type", "max_tokens"),
    "C02 n a fraction": (fields(n=0.5), "invalid_type", "n"),
    "C02 n a truth value": (fields(n=True), "invalid_type", "n"),
    "C03 200,000 deep": (b"[" * 200_000, "invalid_json", None),
    "C03 200,000 deep and closed": (
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        "invalid_json",
        None,
    ),
    "C03 65 deep": (written('"x": ' + "[" * 65 + "]" * 65), "invalid_json", None),
    "C19 a lone surrogate": (written('"user": "\\ud83d"'), "invalid_json", None),
    "C21 NaN": (written('"temperature": NaN'), "invalid_json", None),
    "C21 Infinity": (written('"temperature": -Infinity'), "invalid_json", None),
    "C21 1e999": (written('"temperature": 1e999'), "invalid_json", None),
    "C22 model twice": (written('"model": "paid/ok"'), "duplicate_key", "model"),
    "C22 model in disguise": (written('"m\\u006fdel" : "paid/ok"'), "duplicate_key", "model"),
    "C22 an unknown field twice": (written('"x":1,"y":"\\u003a","x":2'), "duplicate_key", "x"),
    "C23 30 digits": (written('"max_tokens": ' + "9" * 30), "invalid_type", "max_tokens"),
    "C23 a seed of 30 digits": (written('"seed": ' + "9" * 30), "invalid_type", "seed"),
    "C23 negative": (fields(max_tokens=-1), "invalid_value", "max_tokens"),
    "C23 a million choices": (fields(n=1_000_000), "invalid_value", "n"),
    "C23 129 choices": (fields(n=129), "invalid_value", "n"),
    "C23 100,000 tools": (fields(tools=[{}] * 100_000), "invalid_type", "tools"),
    "C24 100,000 fields": (orjson.dumps({f"k{n}": n for n in range(100_000)}), "invalid_json", None),
    "C24 100,000 fields inside": (
        fields(metadata={f"k{n}": n for n in range(100_000)}),
        "invalid_json",
        None,
    ),
    "C31 api_base": (fields(api_base="http://127.0.0.1:9"), "not_allowed", "api_base"),
    "C31 base_url": (fields(base_url="http://127.0.0.1:9"), "not_allowed", "base_url"),
    "C31 api_key": (fields(api_key="x"), "not_allowed", "api_key"),
    "C31 extra_headers": (fields(extra_headers={"Host": "x"}), "not_allowed", "extra_headers"),
    "C31 user_config": (fields(user_config={"model_list": []}), "not_allowed", "user_config"),
}


def post(gateway: LiveGateway, body: bytes, key: str = "one_at_once") -> httpx.Response:
    return httpx.post(gateway.url + CHAT, content=body, headers=gateway.headers(key), timeout=20)


@pytest.mark.fault("C01", "C02", "C03", "C19", "C21", "C22", "C23", "C24", "C31")
@pytest.mark.parametrize(("body", "code", "param"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_no_request_is_a_400_and_nothing_else(
    gateway: LiveGateway, body: bytes, code: str, param: str | None
):
    hits = gateway.upstreams["sun"].ledger.hits() + gateway.upstreams["rain"].ledger.hits()
    answer = post(gateway, body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert answer.headers["x-should-retry"] == "false"
    (row,) = gateway.rows(answer.headers["x-request-id"])
    assert (row["state"], row["status"], row["error_code"]) == ("client_error", 400, code)
    assert (row["attempts"], row["cost_usd"]) == ([], None)
    assert gateway.upstreams["sun"].ledger.hits() + gateway.upstreams["rain"].ledger.hits() == hits
    assert post(gateway, fields()).status_code == 200


@pytest.mark.fault("C01")
@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"model": "fake/ok",\n "messages": [}', "line 2, column 15"),
        (fields() + b" more", "line 1, column"),
    ],
)
def test_the_place_where_the_json_breaks_is_told(gateway: LiveGateway, body: bytes, where: str):
    assert where in post(gateway, body).json()["error"]["message"]


@pytest.mark.fault("C02")
@SHAPES
def test_an_explicit_null_counts_as_absent(gateway: LiveGateway, stream: bool):
    answer = post(gateway, fields(temperature=None, max_tokens=None, n=None, stop=None, stream=stream))

    assert answer.status_code == 200
    sent = gateway.upstreams["sun"].ledger.of("ok")[-1].body
    assert not {"temperature", "max_tokens", "n", "stop"} & set(sent)


WRITINGS = {
    "right to left": "\u202eשלום\u202c مرحبا \u2066x\u2069",
    "joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0646\u200c\u0645",
    "four bytes": "\U00020000\U0001d49c\U0010fffd",
    "marks": "Z" + "\u0301" * 10_000,
    "nul": "before\x00after\x1f",
    "controls": "\x1b[31m\x07\x7f\x85\u2028",
}


@pytest.mark.fault("C19", "C20")
@SHAPES
@pytest.mark.parametrize("text", WRITINGS.values(), ids=WRITINGS.keys())
def test_every_writing_reaches_the_upstream_as_it_is_and_the_log_without_nul(
    gateway: LiveGateway, text: str, stream: bool
):
    answer = post(gateway, fields(messages=[{"role": "user", "content": text}], user=text, stream=stream))

    assert answer.status_code == 200
    entry = gateway.upstreams["sun"].ledger.of("ok")[-1]
    assert entry.body["messages"][0]["content"] == entry.body["user"] == text
    assert (
        json.dumps(text, ensure_ascii=False)[1:8].encode() in entry.raw_body
        or "\x7f" in text
        or "\x00" in text
    )
    (row,) = gateway.rows(answer.headers["x-request-id"])
    assert row["state"] == "ok"
    kept = row["end_user"].removesuffix("…")
    assert kept
    assert text.replace("\x00", "\ufffd").startswith(kept)


@pytest.mark.fault("C31")
@SHAPES
@pytest.mark.parametrize("place", ["metadata", "extra_body", "litellm_params"])
def test_an_address_deeper_in_a_body_leads_nowhere(gateway: LiveGateway, place: str, stream: bool):
    with socket.create_server(("127.0.0.1", 0)) as twin:
        twin.settimeout(0.3)
        address = f"http://127.0.0.1:{twin.getsockname()[1]}/v1"
        names = ("api_base", "base_url", "api_key", "extra_headers", "user_config", "proxy")
        answer = post(gateway, fields(stream=stream, **{place: dict.fromkeys(names, address)}))
        with pytest.raises(TimeoutError):
            twin.accept()

    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        entry = gateway.upstreams["sun"].ledger.of("ok")[-1]
        assert address not in entry.authorization
        assert entry.headers["host"] == gateway.upstreams["sun"].base_url.split("/")[2]
