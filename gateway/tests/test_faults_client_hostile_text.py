"""Hostile texts in every place a client or an upstream can write to: stored as they are, and harmless on every page."""

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import chain
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from gateway.tests.hostile_text import corpus
from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from gateway.tests.raw_client import CHAT
from rainymodel_site.tests.browser import Person

HOSTILE = corpus()
HARMLESS = "harmless words, nothing else"
NASTY_LABEL = "\"><svg/onload=alert(1)>'{{7*7}}=1+1"
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\U000e0041]")
LEADS_AWAY = re.compile(r"\s*(?:javascript|data|vbscript):|\s*(?:https?:)?//evil", re.I)
PAGES = {"requests": "/admin/gateway/requestlog/", "keys": "/admin/accounts/apikey/"}
PAGES |= {"workers": "/admin/gateway/worker/", "refused": "/admin/gateway/deadletter/"}


class Skeleton(HTMLParser):
    """A page's elements with the names of their attributes: what it is, without what it says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[tuple[str, ...]] = Counter()
        self.leading_away: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it, and keep where it would lead."""
        self.elements[tag, *sorted(name for name, _ in attrs)] += 1
        places = [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]
        self.leading_away += [place for place in places if LEADS_AWAY.match(place)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(scope="module")
def operator(gateway: LiveGateway) -> Iterator[Person]:
    person = Person(gateway.url, sign_in_link(gateway))
    yield person
    person.close()


def skeleton(person: Person, path: str) -> Counter[tuple[str, ...]]:
    """What the page is made of; nothing on it may be invisible, turn the text round or lead elsewhere."""
    answer = person.get(path)
    assert answer.status_code == 200, (path, answer.text[:300])
    assert not RAW.findall(answer.text)
    page = Skeleton(answer.text)
    assert page.leading_away == []
    return page.elements


def label_key(gateway: LiveGateway, key: str, label: str) -> str:
    """Give a key another label before it is used; its id."""
    kid = gateway.keys[key].split("_")[1]
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        found = connection.execute(
            "UPDATE accounts_apikey SET label = %s WHERE kid = %s RETURNING id", (label, kid)
        ).fetchone()
    assert found is not None
    return str(found[0])


def send(client: httpx.Client, gateway: LiveGateway, key: str, text: str) -> httpx.Response:
    """One request that carries a text wherever a client or its upstream can put one."""
    gateway.upstreams["sun"].play(text, f"status:code=400,text={quote(text, safe='')}")
    header = text.encode("utf-8", "replace").translate(None, bytes([*range(32), 127])) or b"-"
    headers = [
        (b"authorization", f"Bearer {gateway.keys[key]}".encode()),
        (b"user-agent", header),
        (b"x-request-id", header),
        (b"x-rainymodel-user", header),
    ]
    body = {
        "model": f"fake/{text}",
        "messages": [{"role": "user", "name": text, "content": text}],
        "user": text,
        "metadata": {text: text},
    }
    return client.post(gateway.url + CHAT, json=body, headers=headers)


@pytest.fixture(scope="module")
def rows(gateway: LiveGateway) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Label → a key's id and its rows: each hostile text once, and a harmless one as often."""
    sent = {}
    with httpx.Client(timeout=20) as client:
        for key, label, texts in (
            ("six_hundred", NASTY_LABEL, HOSTILE),
            ("plain", HARMLESS, [HARMLESS] * len(HOSTILE)),
        ):
            key_id = label_key(gateway, key, label)
            for text in texts:
                answer = send(client, gateway, key, text)
                assert answer.status_code == 400, (text, answer.text)
                assert set(answer.json()) == {"error"}
            sent[label] = (
                key_id,
                gateway.rows_where("key_id = %s", key_id, count=len(texts)),
            )
    return sent


@pytest.mark.fault("C39")
def test_a_text_is_stored_as_it_is(rows: dict[str, Any]):
    stored = [row["requested_model"] for row in rows[NASTY_LABEL][1]]

    assert stored == ["fake/" + text.replace("\x00", "\ufffd") for text in HOSTILE]
    assert len(HOSTILE) > 150
    assert {row["key_label"] for row in rows[NASTY_LABEL][1]} == {NASTY_LABEL}
    assert {row["state"] for row in rows[NASTY_LABEL][1]} == {"client_error"}


@pytest.mark.fault("C39")
def test_the_list_of_requests_is_made_of_nothing_else_than_with_harmless_texts(
    rows: dict[str, Any], operator: Person
):
    made: dict[str, Counter[tuple[str, ...]]] = {}
    for label, (key_id, found) in rows.items():
        pages = [skeleton(operator, f"{PAGES['requests']}?q={key_id}&p={page}") for page in range(1, 5)]
        assert (
            sum(count for page in pages for (tag, *_), count in page.items() if tag == "tr") > len(found) / 4
        )
        made[label] = sum(pages, Counter())

    assert made[NASTY_LABEL] == made[HARMLESS]


@pytest.mark.fault("C39")
def test_the_page_of_a_request_is_too(rows: dict[str, Any], operator: Person):
    harmless = skeleton(operator, f"{PAGES['requests']}{rows[HARMLESS][1][0]['id']}/change/")
    for row, text in zip(rows[NASTY_LABEL][1], HOSTILE, strict=True):
        assert skeleton(operator, f"{PAGES['requests']}{row['id']}/change/") == harmless, text


def fill(gateway: LiveGateway, text_of: Any) -> dict[str, list[str]]:
    """Rows that hold one text each in the tables of keys, workers and refused rows; their ids by page."""
    ids = {
        page: [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{page} {n}")) for n in range(len(HOSTILE))]
        for page in PAGES
    }
    now = datetime.now(UTC)
    with psycopg.connect(gateway.dsn, autocommit=True, row_factory=dict_row) as connection:
        for page in ("accounts_apikey", "gateway_worker", "gateway_deadletter"):
            connection.execute(f"DELETE FROM {page} WHERE id = ANY(%s)", [[*chain(*ids.values())]])
        sample = connection.execute("SELECT * FROM accounts_apikey WHERE label = 'free only'").fetchone()
        assert sample is not None
        for number in range(len(HOSTILE)):
            text = text_of(number).replace("\x00", "\ufffd")
            label = "".join(filter(str.isprintable, text))[:80] or "-"  # what a form lets pass
            key = sample | {"id": ids["keys"][number], "kid": f"k{number:07}", "label": label}
            insert(connection, "accounts_apikey", key)
            row = {"id": ids["refused"][number], "row": text, "reason": text, "at": now}
            insert(connection, "gateway_deadletter", row)
            if number < 40:
                known = {
                    "hostname": text,
                    "version": text,
                    "pid": 1,
                    "number": 1,
                    "ready": True,
                    "revision": 1,
                }
                times = {"started_at": now, "heartbeat_at": now}
                insert(connection, "gateway_worker", {"id": ids["workers"][number], **known, **times})
    return ids


def insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(row.values()))


@pytest.mark.fault("C39")
def test_the_pages_of_keys_workers_and_refused_rows_are_too(gateway: LiveGateway, operator: Person):
    made = []
    for text_of in (lambda number: HARMLESS, lambda number: HOSTILE[number]):
        ids = fill(gateway, text_of)
        paths = [
            f"{PAGES[page]}?p={number}" for page in ("keys", "workers", "refused") for number in (1, 2, 3)
        ]
        paths += [f"{PAGES[page]}{row}/change/" for page in ("keys", "refused") for row in ids[page][::9]]
        made.append([skeleton(operator, path) for path in paths])

    lists, each = made[0][:9], made[0][9:]
    assert sum(lists, Counter()) == sum(made[1][:9], Counter())
    assert each == made[1][9:]
