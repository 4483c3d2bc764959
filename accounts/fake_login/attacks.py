"""What a hostile, broken or impersonated provider can send, by name.

    claims       wrong_aud wrong_iss wrong_azp other_client expired issued_in_future no_sub no_email no_role
    signature    wrong_signature alg_none hs256_public_key
    redirect     replayed_state no_state error_page
    token        not_json no_id_token huge redirecting_token

Attacks on claims and signature concern every token made while they last, access tokens included.
"""

from typing import Any

CLAIM_ATTACKS = (
    *("wrong_aud", "wrong_iss", "wrong_azp", "other_client"),
    *("expired", "issued_in_future", "no_sub", "no_email", "no_role"),
)
SIGNATURE_ATTACKS = ("wrong_signature", "alg_none", "hs256_public_key")
REDIRECT_ATTACKS = ("replayed_state", "no_state", "error_page")
TOKEN_ATTACKS = ("not_json", "no_id_token", "huge", "redirecting_token")
ATTACKS = (*CLAIM_ATTACKS, *SIGNATURE_ATTACKS, *REDIRECT_ATTACKS, *TOKEN_ATTACKS)

OTHER_CLIENT = "other"
OTHER_ISSUER = "https://login.example"
ERROR_TEXT = "<script>document.title='owned'</script>"
UNSEEN_STATE = "state-of-an-earlier-login"
HUGE_BYTES = 20 * 1024 * 1024
HOUR = 3600


def check_attack(name: str | None) -> str | None:
    """The name itself. Raises ValueError for one that is not on the list."""
    if name is not None and name not in ATTACKS:
        raise ValueError(f"There is no attack {name!r}; there are {', '.join(ATTACKS)}.")
    return name


def tampered(claims: dict[str, Any], attack: str | None, now: int) -> dict[str, Any]:
    """The claims as the attack changes them; a claim that it takes away is None. Other attacks change nothing."""
    changes: dict[str, dict[str, Any]] = {
        "wrong_aud": {"aud": "somebody-else"},
        "wrong_iss": {"iss": OTHER_ISSUER},
        "wrong_azp": {"azp": OTHER_CLIENT},
        "other_client": {"aud": OTHER_CLIENT, "azp": OTHER_CLIENT},
        "expired": {"iat": now - 2 * HOUR, "exp": now - HOUR},
        "issued_in_future": {"iat": now + HOUR, "exp": now + 2 * HOUR},
        "no_sub": {"sub": None},
        "no_email": {"email": None},
        "no_role": {"role": None},
    }
    return {**claims, **changes.get(attack or "", {})}


def state_sent_back(given: str, earlier: list[str], attack: str | None) -> str | None:
    """The state in the redirect: as given, of an earlier login, or None for none."""
    if attack == "no_state":
        return None
    if attack == "replayed_state":
        return next((state for state in earlier if state != given), UNSEEN_STATE)
    return given
