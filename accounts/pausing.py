"""When the keys of people pause: the sign-in provider tells nobody that somebody has left, so it has to be shown."""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Pausing:
    """Keys pause so many `days` after their owner's last sign-in; 0 is never.

    `sso` tells whether single sign-on is configured: without it, people who never came by it cannot be asked to.
    `address` is where to sign in.
    """

    days: int = 0
    sso: bool = False
    address: str = ""

    def concerns(self, role: str, by_sso: bool) -> bool:
        """Whether keys of such an owner pause at all; those of services never do."""
        return self.days > 0 and role != "service" and (by_sso or self.sso)

    def has_begun(self, role: str, by_sso: bool, seen_at: float, now: float) -> bool:
        """Whether the keys of an owner rest who was last seen then; both are seconds since 1970."""
        return self.concerns(role, by_sso) and now - seen_at >= self.days * DAY


NEVER = Pausing()
