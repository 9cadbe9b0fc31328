"""Verifiers that hear of revocations where the broker's socket is not, for the documentation; run by clients/python/tests/test_docs.py."""

from stint_mcp import PollRevocation, StatusListRevocation, Verifier


def by_status_lists(resource: str, issuer: str) -> Verifier:
    # #region lists
    revocation = StatusListRevocation(issuer=issuer, trust_domain="example.org")
    verifier = Verifier([resource], revocation=revocation)
    # #endregion
    return verifier


def by_events(resource: str, issuer: str) -> Verifier:
    # #region poll
    revocation = PollRevocation(
        issuer=issuer,
        trust_domain="example.org",
        # The verifier's own X.509-SVID and key, PEM, as spiffe-helper keeps them; they are read anew when they have changed.
        certificate_file="svid.pem",
        key_file="svid_key.pem",
    )
    verifier = Verifier([resource], revocation=revocation)
    # #endregion
    return verifier
