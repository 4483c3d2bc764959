"""Free requests that find out whether an upstream is back, so that no client's request has to.

Only lists of models are asked for, by GET; nothing that a provider bills is ever sent from here. What a list proves:

    circuit open, nobody answered the connection   any answer but a server's error: one request may try again
    credential refused                             a list that comes with our credential and not without: the hold ends
    model or address unknown                       a list that names the model: the hold ends
    quota used up, rate limited                    nothing; these end by their time alone
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import structlog

from gateway.live import PROBED, Live
from gateway.states.changes import concerned
from gateway.states.standing import OPEN, Standing, standing
from gateway.upstream.sessions import Sessions
from routing.discovery_listings import NotAListing, gemini_listing, openai_listing
from routing.engine.snapshot import Deployment, Provider, Snapshot

log = structlog.get_logger("gateway.probes")
ROUND = 1.0
AT_MOST_EVERY = 30.0
LONGEST_PAUSE = 300.0
PATIENCE = 5.0
LARGEST = 5 * 1024 * 1024
REFUSED, UNREACHABLE, UNKNOWN_MODEL = "credential_refused", "connection_error", "configuration"
ANTHROPIC, GEMINI = "anthropic/", "gemini/"
OWN_HOSTS = {ANTHROPIC: "https://api.anthropic.com", GEMINI: "https://generativelanguage.googleapis.com"}


class Catalogue(Protocol):
    """What serves now, with the secrets that go with it by provider slug; SnapshotStore is one."""

    @property
    def current(self) -> Snapshot:
        """The snapshot."""

    @property
    def credentials(self) -> Mapping[str, str]:
        """The secrets."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A list's status and body; 0 when nothing came."""

    status: int = 0
    body: bytes = b""

    @property
    def is_there(self) -> bool:
        """Whether a server answered that is not itself in trouble."""
        return 0 < self.status < 500


@dataclass(slots=True)
class Turn:
    """When a provider may be asked again, and the pause that follows; a pause grows while the trouble lasts."""

    due: float
    pause: float = AT_MOST_EVERY


class FreeProbes:
    """Wakes deployments of one worker; each provider is asked at most once in 30 s, and less and less often."""

    def __init__(
        self,
        sessions: Sessions,
        store: Catalogue,
        live: Live,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._sessions, self._store, self._live, self._clock, self._draw = sessions, store, live, clock, draw
        self._turns: dict[str, Turn] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(ROUND)

    async def close(self) -> None:
        """Close the connections."""
        await self._sessions.close()

    async def look(self) -> None:
        """Ask the providers whose turn it is, each about all its deployments that a list can wake."""
        troubled, now = self._troubled(), self._clock()
        for slug in [slug for slug, turn in self._turns.items() if slug not in troubled]:
            if now > self._turns[slug].due + LONGEST_PAUSE:
                del self._turns[slug]
        due = [one for one in troubled.values() if self._take_turn(one[0].provider.slug, now)]
        await asyncio.gather(*(self._ask(one) for one in due))

    def _take_turn(self, slug: str, now: float) -> bool:
        """Whether the provider may be asked now; if so the next time is set.

        Workers draw different moments. A provider whose trouble comes back after a list woke it is asked at
        longer and longer pauses: its list says nothing about its answers.
        """
        turn = self._turns.get(slug)
        if turn is None:
            self._turns[slug] = Turn(now + self._draw() * ROUND * 2)
            return False
        if now < turn.due:
            return False
        turn.due = now + turn.pause * (1 + self._draw() / 2)
        turn.pause = min(turn.pause * 2, LONGEST_PAUSE)
        return True

    def _troubled(self) -> dict[str, list[Deployment]]:
        """Provider slug → its deployments that a list may wake."""
        health, now, found = self._live.health, self._clock(), defaultdict(list)
        deployments = self._store.current.deployments
        for deployment in (deployments[slug] for slug in concerned(health, deployments)):
            owner = deployment.provider
            if not owner.unready and self._wakes(standing(health, deployment, now), deployment):
                found[owner.slug].append(deployment)
        return found

    def _wakes(self, stands: Standing, deployment: Deployment) -> bool:
        """Whether a list could end what keeps requests away. What an operator ordered is none of its business."""
        if stands.hold:
            return stands.hold in (REFUSED, UNKNOWN_MODEL)
        if self._live.opened_by_order.get(deployment.slug, 0.0) > self._clock():
            return False
        track = self._live.changes.tracks.get(deployment.slug)
        return stands.circuit == OPEN and track is not None and track.last_word == UNREACHABLE

    async def _ask(self, deployments: list[Deployment]) -> None:
        """Ask their provider, and let go what its answer proves to be over."""
        provider = deployments[0].provider
        credential = self._store.credentials.get(provider.slug, "")
        answer = await self._listing(provider, credential)
        log.debug("asked for a list of models", provider=provider.slug, status=answer.status)
        if not answer.is_there:
            return
        # What is learnt while the answer was under way counts: look again.
        now, health = self._clock(), self._live.health
        stands = {one.slug: standing(health, one, now) for one in deployments}
        reachable = [one for one in deployments if not stands[one.slug].hold]
        self._live.half_open([one for one in reachable if self._wakes(stands[one.slug], one)], PROBED)
        refused = [one for one in deployments if stands[one.slug].hold == REFUSED]
        if refused and answer.status == 200 and await self._needs_credential(provider, credential):
            self._live.let_go(refused, PROBED)
        unknown = [one for one in deployments if stands[one.slug].hold == UNKNOWN_MODEL]
        if unknown and answer.status == 200:
            names = await asyncio.to_thread(names_in, answer.body)
            self._live.let_go([one for one in unknown if one.model in names], PROBED)

    async def _needs_credential(self, provider: Provider, credential: str) -> bool:
        """Whether the list is kept from strangers. One that everybody may read proves no credential."""
        return bool(credential) and (await self._listing(provider, "")).status in (401, 403)

    async def _listing(self, provider: Provider, credential: str) -> Answer:
        """The provider's list of models; where it has none, a server of one's own is asked as Ollama lists them."""
        found = Answer()
        for url, headers in listing_requests(provider, credential):
            found = await self._get(provider, url, headers)
            if found.status != 404:
                break
        return found

    async def _get(self, provider: Provider, url: str, headers: dict[str, str]) -> Answer:
        session = self._sessions.for_class(provider.address_class)
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with (
                asyncio.timeout(PATIENCE),
                session.get(url, headers=sent, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    response.close()
                    return Answer(response.status)
                return Answer(200, await first_bytes(response))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return Answer()


async def first_bytes(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as a list of models may be long."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            break
    return b"".join(pieces)


def listing_requests(provider: Provider, credential: str) -> list[tuple[str, dict[str, str]]]:
    """Where the provider's list of models is, with the headers that belong to it; nothing where it has none."""
    headers, prefix = dict(provider.extra_headers), provider.litellm_prefix
    base = provider.base_url.rstrip("/")
    if base.startswith(OWN_HOSTS[ANTHROPIC]):
        prefix = ANTHROPIC
    elif provider.wire == "openai":
        bearer = {"Authorization": f"Bearer {credential}"} if credential else {}
        found = [(f"{base}/models", headers | bearer)]
        if provider.address_class != "public":
            found.append((f"{base.removesuffix('/v1')}/api/tags", headers | bearer))
        return found
    root = base.removesuffix("/v1").removesuffix("/v1beta") or OWN_HOSTS.get(prefix, "")
    if prefix == ANTHROPIC:
        own = {"x-api-key": credential} if credential else {}
        return [(f"{root}/v1/models", headers | own | {"anthropic-version": "2023-06-01"})]
    if prefix == GEMINI:
        own = {"x-goog-api-key": credential} if credential else {}
        return [(f"{root}/v1beta/models", headers | own)]
    return []


def names_in(body: bytes) -> frozenset[str]:
    """The models that a list names; none where it is no list."""
    for read in (openai_listing, gemini_listing):
        try:
            return frozenset(entry.model for entry in read(body))
        except NotAListing:
            continue
    return frozenset()
