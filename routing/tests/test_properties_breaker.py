"""What holds for the breaker in every order of events: attempts that begin and end, and time that passes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.engine.circuit import State
from routing.engine.health import Health
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.snapshot import BreakerRules, TimeLimits
from routing.engine.window import fails_too_often
from routing.tests.catalogue import alias, deployment, provider, snapshot
from routing.tests.worker import Request, Worker

LONGEST = 30.0
SUN = deployment("sun", at=provider("sun", concurrency_limit=6), limits=TimeLimits(total=LONGEST))
RAIN = deployment("rain", limits=TimeLimits(total=LONGEST))
DOWN = Outcome(Fault.UNHEALTHY, "server_error", 500)

outcomes = st.one_of(
    st.just(DOWN),
    st.just(WORKED),
    st.builds(
        Outcome,
        fault=st.sampled_from(Fault),
        word=st.just("word"),
        retry_after=st.sampled_from([None, 1.0, 7.0, 1e9]),
        first_content=st.sampled_from([None, 0.1, 9.0]),
    ),
)
pauses = st.sampled_from([0.0, 0.1, 1.0, 4.9, 5.0, 11.0, 60.0, 400.0])


class Interleavings(RuleBasedStateMachine):
    """Requests that begin, end and wait in any order, at two deployments."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = Worker(snapshot(alias("m", SUN, RAIN)), lambda one, now: WORKED)
        self.running: list[tuple[Request, str, bool]] = []

    @rule(jitter=st.floats(0, 1))
    def begin(self, jitter: float) -> None:
        """A request arrives; what it gets is a probe when the circuit was not closed."""
        self.worker.draw = lambda: jitter
        request = self.worker.start()
        before = self.worker.health
        one = request.begin()
        if one is not None:
            state = before.states.get(one.slug, State())
            self.running.append((request, one.slug, state.open_until is not None))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=outcomes)
    def end(self, data: st.DataObject, outcome: Outcome) -> None:
        """Any of those under way comes back, however it went."""
        request, _, _ = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        request.end(outcome)

    @rule(pause=pauses)
    def wait(self, pause: float) -> None:
        """Time passes; no attempt outlives its time limit."""
        until = self.worker.now + pause
        for entry in [one for one in self.running if one[0].began + LONGEST <= until]:
            self.running.remove(entry)
            self.worker.now = entry[0].began + LONGEST
            entry[0].end(Outcome(Fault.UNHEALTHY, "timeout"))
        self.worker.now = until

    @invariant()
    def one_probe_at_a_time(self) -> None:
        """Of each deployment, at most one attempt that began as a probe is under way."""
        for slug in ("sun", "rain"):
            assert sum(probe for _, running, probe in self.running if running == slug) <= 1

    @invariant()
    def no_more_at_once_than_the_provider_allows(self) -> None:
        """And the count of those under way is right."""
        running = sum(slug == "sun" for _, slug, _ in self.running)
        assert self.worker.health.in_flight.get("sun", 0) == running <= 6

    def teardown(self) -> None:
        """When all have come back and worked, nobody holds a probe."""
        while self.running:
            self.running.pop()[0].end(WORKED)
        assert not any(state.probe_until for state in self.worker.health.states.values())


Interleavings.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestInterleavings = Interleavings.TestCase

faults = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 30.0]), outcomes), max_size=25)
operators_word = st.sampled_from(["hold", "half_open", "nothing"])


@given(faults, operators_word)
def test_a_hold_is_never_shortened_by_what_comes_after_it(history, word):
    health, now = Health(), 0.0
    for pause, outcome in history:
        before = max(
            health.states.get("sun", State()).held_until,
            health.holds["sun"].until if "sun" in health.holds else 0.0,
        )
        now += pause
        health = health.after(SUN, outcome, now=now)
        health = health.held_by_operator(SUN, now + 2) if word == "hold" else health
        health = health.half_open(SUN, now) if word == "half_open" else health

        reason, wait = health.skip_reason(SUN, now)
        assert now >= before or (reason == "held" and now + wait >= before)


@given(faults)
def test_a_circuit_that_an_operator_opened_stays_open_until_then_unless_it_is_probed(history):
    health, now = Health(), 0.0
    for pause, outcome in history:
        health = health.after(SUN, outcome, now=(now := now + pause))
    health = health.opened_by_operator(SUN, now + 100)
    for pause, outcome in history:
        moment = now + min(pause, 1.0)
        health = health.after(SUN, outcome, now=moment)

        assert health.skip_reason(SUN, moment)[0] in ("circuit_open", "held")


@given(st.lists(st.booleans(), min_size=12, max_size=60), st.integers(1, 20))
def test_whatever_fails_at_least_every_second_call_is_out_within_fifteen(fails, open_after):
    rules = BreakerRules(open_after=open_after, judge_from=10)
    one = deployment("sun", at=provider("sun", breaker=rules))
    health, calls, failures = Health(), 0, 0
    for failing in fails:
        health = health.after(one, DOWN if failing else WORKED, now=0.0)
        if failures or failing:
            calls, failures = calls + 1, failures + failing
        if health.skip_reason(one, 0.0)[0]:
            return
        assert not (failing and fails_too_often(((0, calls - failures, failures),), rules))
        assert not (failing and calls >= max(15, open_after) and failures * 2 >= calls)
