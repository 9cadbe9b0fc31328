"""By which another runtime opens children of a step."""


class DelegationToken:
    """For the one runtime that it names. No print of it shows the token, which no server takes."""

    __slots__ = ("__text", "expires_at", "issuance_id", "runtime", "spiffe_id")

    def __init__(self, text: str, *, issuance_id: str, spiffe_id: str, runtime: str, expires_at: int) -> None:
        self.issuance_id, self.runtime = issuance_id, runtime
        self.spiffe_id = spiffe_id
        """Of the step."""
        self.expires_at = expires_at
        """Unix seconds, exclusive."""
        self.__text = text

    def token(self) -> str:
        """The token itself, for the receiver's ``parent_token``."""
        return self.__text

    def __repr__(self) -> str:
        return f"DelegationToken({self.runtime!r})"

    def __reduce__(self) -> str:
        raise TypeError("a DelegationToken is not for storing: a copy would outlive its step")
