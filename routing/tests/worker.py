"""One worker's requests played on a clock of our own: the attempt loop with an upstream that is a function."""

from collections import Counter
from collections.abc import Callable

from routing.engine.failover import Failover
from routing.engine.health import Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import Deployment, Snapshot
from routing.engine.verdict import Verdict

Upstream = Callable[[Deployment, float], Outcome]


class Worker:
    """Its health, its clock, and how often it asked each deployment."""

    def __init__(
        self, catalogue: Snapshot, upstream: Upstream, draw: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.catalogue, self.upstream, self.draw = catalogue, upstream, draw
        self.health, self.now = Health(), 0.0
        self.tries: Counter[str] = Counter()

    def start(self) -> "Request":
        """A request arrives and is planned."""
        query = Query("m")
        return Request(
            self, Failover(plan(self.catalogue, query, self.health, now=self.now, draw=0.0), query)
        )

    def ask(self) -> Deployment | Verdict:
        """One request from its beginning to its end, in no time; who answered it, or the error."""
        request = self.start()
        while (deployment := request.begin()) is not None:
            outcome = self.upstream(deployment, self.now)
            request.end(outcome)
            if outcome.fault is Fault.NONE:
                return deployment
        return request.failover.verdict()


class Request:
    """One request on its way, at most one attempt at a time."""

    def __init__(self, worker: Worker, failover: Failover) -> None:
        self.worker, self.failover = worker, failover
        self.probing = False
        self.began = 0.0

    def begin(self) -> Deployment | None:
        """The next attempt starts; None when nothing is left to try."""
        worker = self.worker
        self._candidate = self.failover.next(worker.health, worker.now)
        if self._candidate is None:
            return None
        deployment = self._candidate.deployment
        claimed = worker.health.claim(deployment, worker.now)
        assert claimed is not None, "what is handed out can be claimed"
        self.probing, self.began = claimed is not worker.health, worker.now
        worker.health = claimed.started(deployment)
        worker.tries[deployment.slug] += 1
        return deployment

    def end(self, outcome: Outcome) -> None:
        """The attempt is over."""
        assert self._candidate is not None
        worker, deployment = self.worker, self._candidate.deployment
        health = worker.health.after(deployment, outcome, now=worker.now, draw=worker.draw()).ended(
            deployment
        )
        worker.health = health.release(deployment) if self.probing else health
        if outcome.fault is not Fault.NONE:
            self.failover.failed(self._candidate, outcome)
