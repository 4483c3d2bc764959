"""A program, or a browser, that talks to the management API in the tests."""

from typing import Any
from uuid import UUID

from django.test import Client

from accounts.issue import issue_key
from accounts.models import ApiKey, Role, User

MASTER = "a-master-key-for-tests-only-0123456789"


class Api:
    """Sends JSON with an API key, or as the browser of somebody who is signed in."""

    def __init__(self, key: str = "", user: User | None = None, **client: Any) -> None:
        self.client = Client(**client)
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, **headers: str) -> Any:
        """GET /api/…"""
        return self.client.get(f"/api/{path}", headers={**self.headers, **headers})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """POST JSON."""
        return self._send("post", path, body, headers)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH JSON."""
        return self._send("patch", path, body, {})

    def delete(self, path: str) -> Any:
        """DELETE /api/…"""
        return self.client.delete(f"/api/{path}", headers=self.headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        send = getattr(self.client, method)
        return send(f"/api/{path}", body, content_type="application/json", headers={**self.headers, **named})


def someone(name: str = "ada", role: str = Role.RESEARCHER, **fields: Any) -> User:
    """A user with this role, made or there already."""
    return User.objects.get_or_create(username=name, defaults={"role": role, **fields})[0]


def with_key(owner: User, label: str = "laptop", **limits: Any) -> tuple[Api, ApiKey]:
    """Somebody who calls with a new key of theirs."""
    row, new = issue_key(owner, label, **limits)
    return Api(new.text), row


def refused(answer: Any, status: int, code: str, param: str | None = None) -> str:
    """The message of a refusal, after checking that it has the one shape of errors."""
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(answer.headers["x-request-id"]).version == 7
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    return str(error["message"])
