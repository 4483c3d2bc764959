"""How long a stop may take, read in one place: the supervisor waits for what the workers were promised."""

from dataclasses import dataclass

from rainymodel_site import env

NOTICE, DRAIN = 3.0, 60.0
DEVELOPMENT_NOTICE, DEVELOPMENT_DRAIN = 0.0, 10.0
LAST_WORDS = 5.0  # after the drain: error frames, the last log rows, closing connections


@dataclass(frozen=True, slots=True)
class StopTiming:
    """Seconds: requests are taken for `notice` more, then streams may finish within `drain`."""

    notice: float
    drain: float

    @property
    def patience(self) -> float:
        """How long a worker may take in all before it is killed."""
        return self.notice + self.drain + LAST_WORDS


def read_stop_timing() -> StopTiming:
    """RAINYMODEL_NOTICE_SECONDS and RAINYMODEL_DRAIN_SECONDS, or what suits the mode."""
    developing = env.mode() == env.DEVELOPMENT
    return StopTiming(
        env.seconds("RAINYMODEL_NOTICE_SECONDS", DEVELOPMENT_NOTICE if developing else NOTICE),
        env.seconds("RAINYMODEL_DRAIN_SECONDS", DEVELOPMENT_DRAIN if developing else DRAIN),
    )
