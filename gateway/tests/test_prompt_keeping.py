"""Stored prompts: written off the path within bounds, readable only for their request, gone with time and consent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client

from accounts.caller import Caller
from accounts.models import ApiKey, AuditEntry
from accounts.tests.people import key_of, person, signed_in
from gateway.call import Call, Reply
from gateway.models import RequestLog
from gateway.prompt_models import StoredPrompt
from gateway.prompts.capture import MOST_HEARD, Capture
from gateway.prompts.document import NOT_KEPT, Document, document_of, read_document, without_credentials
from gateway.prompts.keeper import PromptKeeper
from gateway.prompts.reading import has_consent
from gateway.prompts.retention import KEEP, tidy
from gateway.prompts.sealed import open_sealed, seal
from gateway.tests.log_database import Gate, open_pool, until
from gateway.uuid7 import IdMaker, new_id

pytestmark = pytest.mark.django_db(transaction=True)
BODY = b'{"model":"rainymodel/auto","messages":[{"role":"user","content":"hello"}]}'
HOSTILE = "<script>alert(1)</script>\u202egnp.exe"


@pytest.fixture
def key() -> ApiKey:
    """An open key whose owner consented."""
    return key_of(person("rosa"), store_prompts=True)[0]


def capture_of(keeper: PromptKeeper, key: ApiKey, *said: bytes) -> Capture:
    """A request of the key that was answered with these pieces."""
    capture = Capture(keeper, new_id(), str(key.pk), str(key.owner_id), "chat", BODY)
    keeper.held += capture.size
    for piece in said:
        capture.hear({"type": "http.response.body", "body": piece})
    return capture


@asynccontextmanager
async def keeping(conninfo: str | None = None) -> AsyncIterator[PromptKeeper]:
    """A keeper at work; what waits is written at the end."""
    async with open_pool(conninfo) as pool:
        keeper = PromptKeeper(pool, interval=0.01)
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0)  # until it has begun
        try:
            yield keeper
        finally:
            await keeper.stop()
            await task


def stored_for(key: ApiKey, age: timedelta = timedelta(0), prompt: str = "{}") -> StoredPrompt:
    """A row of that age."""
    id = IdMaker((datetime.now(UTC) - age).timestamp).new_id()
    document = Document("chat", prompt, "", is_stream=False, prompt_cut=False, answer_cut=False)
    sealed = seal(document.to_json(), id, str(key.pk))
    return StoredPrompt.objects.create(pk=id, key_id=key.pk, user_id=str(key.owner_id), sealed=sealed)


def tidied() -> int:
    """How many rows a round of tidying removes now."""

    async def once() -> int:
        async with open_pool() as pool:
            return await tidy(pool, datetime.now(UTC))

    return asyncio.run(once())


def page_of(row: StoredPrompt) -> str:
    return f"/admin/gateway/requestlog/{row.pk}/prompt/"


def test_what_has_ended_is_written_and_opens_for_its_own_request_only(key: ApiKey) -> None:
    async def answered() -> PromptKeeper:
        async with keeping() as keeper:
            keeper.end(capture_of(keeper, key, b'{"choices":[]}'))
        return keeper

    keeper = asyncio.run(answered())
    row = StoredPrompt.objects.get()
    sealed, id = bytes(row.sealed), str(row.pk)

    opened = open_sealed(sealed, id, str(key.pk))
    assert opened is not None and orjson.loads(read_document(opened).prompt) == orjson.loads(BODY)
    assert open_sealed(sealed, new_id(), str(key.pk)) is None
    assert open_sealed(sealed[:-1], id, str(key.pk)) is None
    assert (keeper.stored, keeper.held, keeper.dropped) == (1, 0, 0)


def test_while_the_database_is_away_captures_wait_and_are_written_after(key: ApiKey) -> None:
    async def outage() -> None:
        async with Gate() as gate, keeping(gate.conninfo) as keeper:
            await gate.shut()
            keeper.end(capture_of(keeper, key))
            await until(lambda: keeper.failing)
            assert keeper.held == len(BODY)
            await gate.open()
            await until(lambda: keeper.stored == 1)

    asyncio.run(outage())
    assert StoredPrompt.objects.count() == 1


def test_what_cannot_be_written_before_the_stop_is_counted(key: ApiKey) -> None:
    async def stopped() -> int:
        async with Gate() as gate:
            async with keeping(gate.conninfo) as keeper:
                await gate.shut()
                keeper.end(capture_of(keeper, key))
            return keeper.dropped

    assert asyncio.run(stopped()) == 1


def test_an_answer_is_heard_as_far_as_there_is_room(key: ApiKey) -> None:
    async def heard() -> None:
        async with open_pool() as pool:
            keeper = PromptKeeper(pool, capacity=len(BODY) + 10)
            capture = capture_of(keeper, key, b'{"a":1', b',"b":2}')
            assert (capture.answer(), keeper.has_room(5)) == (b'{"a":1', False)
            assert document_of(capture).answer_cut
            endless = capture_of(PromptKeeper(pool), key, *[b"x" * 1_000_000] * 6)
            assert len(endless.answer()) <= MOST_HEARD and endless.is_cut

    asyncio.run(heard())


def test_a_body_without_room_is_not_kept_and_counted(key: ApiKey) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def refused() -> PromptKeeper:
        async with open_pool() as pool:
            keeper = PromptKeeper(pool, capacity=len(BODY) - 1)
            call = Call("POST", "/", "http", b"", {}, "", new_id(), 0.0, no_more, Reply(send, ()), 1)
            keeper.begin(call, caller_of(key), "chat", BODY)
            await call.reply.whole(200, b"{}")
            assert call.capture is None
            return keeper

    keeper = asyncio.run(refused())
    assert (keeper.dropped, keeper.held, len(sent)) == (1, 0, 2)


async def no_more() -> dict[str, Any]:
    """Nothing comes from this client."""
    return {"type": "http.disconnect"}


def caller_of(key: ApiKey) -> Caller:
    """The key as the gateway knows it."""
    return Caller(str(key.pk), key.kid, key.label, str(key.owner_id), "rosa", "researcher", "database")


def test_a_request_that_ends_after_its_consent_leaves_no_row(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(store_prompts=False)

    async def answered() -> None:
        async with keeping() as keeper:
            keeper.end(capture_of(keeper, key))

    asyncio.run(answered())
    assert not StoredPrompt.objects.exists()


def test_after_seven_days_a_prompt_is_gone(key: ApiKey) -> None:
    stored_for(key, KEEP + timedelta(minutes=1))
    young = stored_for(key, KEEP - timedelta(minutes=1))

    assert tidied() == 1
    assert str(StoredPrompt.objects.get().pk) == young.pk


@pytest.mark.parametrize(
    ("change", "stays"),
    [({}, True), ({"store_prompts": False}, False), ({"revoked_at": datetime.now(UTC)}, False)],
    ids=["open", "switched-off", "revoked"],
)
@pytest.mark.parametrize("rolled", [False, True], ids=["own-key", "rolled-key"])
def test_what_was_kept_follows_the_consent(
    key: ApiKey, change: dict[str, Any], stays: bool, rolled: bool
) -> None:
    row = stored_for(key)
    if rolled:
        new, _ = key_of(key.owner, "the next", store_prompts=True)
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=datetime.now(UTC), replaced_by=new)
        key = new
    ApiKey.objects.filter(pk=key.pk).update(**change)

    assert has_consent(row.key_id) is stays
    assert tidied() == (not stays)
    assert StoredPrompt.objects.exists() is stays


def test_credentials_in_a_body_are_not_kept_and_schemas_are() -> None:
    tool = {"type": "mcp", "server_url": "https://x", "headers": {"X": "secret"}, "authorization": "secret"}
    schema = {"properties": {"api_key": {"type": "string"}}}
    kept = without_credentials({"tools": [tool, schema], "messages": ["a secret told"]})

    assert kept["tools"][0] == {**tool, "headers": NOT_KEPT, "authorization": NOT_KEPT}
    assert (kept["tools"][1], kept["messages"]) == (schema, ["a secret told"])


@pytest.fixture
def operator() -> Client:
    """Somebody who may look."""
    return signed_in(person("olga", role="admin"))


def test_each_look_is_in_the_audit_before_it_and_hostile_text_is_harmless(
    operator: Client, key: ApiKey
) -> None:
    prompt = orjson.dumps({"messages": [{"role": "user", "content": HOSTILE}]}).decode()
    row = stored_for(key, prompt=prompt)
    page = operator.get(page_of(row))

    looked = AuditEntry.objects.get(action="read a prompt")
    assert (looked.actor, looked.subject_id, looked.changes) == ("olga", row.pk, {"key": [None, str(key.pk)]})
    assert "<script>alert" not in page.text and "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in page.text
    assert "no-store" in page["Cache-Control"]


def test_after_the_consent_nothing_is_shown_though_the_row_is_there(operator: Client, key: ApiKey) -> None:
    row = stored_for(key, prompt='{"prompt":"told in confidence"}')
    assert "told in confidence" in operator.get(page_of(row)).text
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=datetime.now(UTC))

    page = operator.get(page_of(row)).text
    assert "The consent has ended" in page and "told in confidence" not in page


def test_what_another_ring_sealed_says_what_to_do(operator: Client, key: ApiKey, settings: Any) -> None:
    row = stored_for(key)
    settings.SEALING_KEYS = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    assert "RAINYMODEL_SECRET_KEYS" in operator.get(page_of(row)).text


def test_who_reads_the_log_without_the_permission_sees_neither_prompt_nor_link(key: ApiKey) -> None:
    row = stored_for(key, prompt='{"prompt":"told in confidence"}')
    RequestLog.objects.create(pk=row.pk, started_at=datetime.now(UTC), state="ok")
    developer = signed_in(person("dev", role="developer"))

    assert developer.get(page_of(row)).status_code == 403
    assert "/prompt/" not in developer.get(f"/admin/gateway/requestlog/{row.pk}/change/").text
    assert not AuditEntry.objects.filter(action="read a prompt").exists()
