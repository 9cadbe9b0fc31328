"""What a guard is made with, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from stint_mcp.errors import StintError, invalid_field
from stint_mcp.grant import Action, GrantElement, ToolUse, parse_grant
from stint_mcp.resource_uri import check_resource_uri

CALL: Final = "tools/call"
LIST: Final = "tools/list"

OTHER_METHODS: Final = ("initialize", "ping", "server/discover", "tools/list", "notifications/*")
"""What every MCP client does before and beside calling tools; nothing of it reads the server's data or changes it."""

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""The MCP SDK's own bound."""

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
"""RFC 9728 section 3.1: put between host and path."""


@dataclass(frozen=True, slots=True)
class ToolNeeds:
    """What a call of one tool does, so that it can be compared with what a step was granted."""

    actions: Sequence[Action]
    """All of them must be granted."""
    datatypes: Sequence[str]
    """The classes of data that it touches; all must be granted."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Checked, so that a tool map with a mistake in it stops the server and not its callers."""

    resource: str
    issuer: str
    uses: Mapping[str, ToolUse]
    elements: Mapping[str, GrantElement]
    other_methods: Sequence[str]
    resource_name: str | None
    max_body_bytes: int
    dpop: bool
    metadata_path: str
    metadata_url: str


def guard_settings_of(
    resource: str,
    issuer: str,
    tools: Mapping[str, ToolNeeds],
    other_methods: Sequence[str],
    resource_name: str | None,
    max_body_bytes: int,
    dpop: bool,
) -> GuardSettings:
    """Raises StintError INVALID_FIELD."""
    check_resource_uri(resource, "resource")
    check_resource_uri(issuer, "issuer")
    check_other_methods(other_methods)
    if not max_body_bytes > 0:
        raise invalid_field("max_body_bytes", "more than 0")
    elements = tool_elements_of(resource, tools)
    url = urlsplit(resource)
    path = f"{_WELL_KNOWN}{url.path}"
    query = f"?{url.query}" if url.query != "" else ""
    return GuardSettings(
        resource=resource,
        issuer=issuer,
        uses={name: ToolUse(name, element.actions, element.datatypes) for name, element in elements.items()},
        elements=elements,
        other_methods=tuple(other_methods),
        resource_name=resource_name,
        max_body_bytes=max_body_bytes,
        dpop=dpop,
        metadata_path=path,
        metadata_url=f"{url.scheme}://{url.netloc}{path}{query}",
    )


def check_other_methods(other_methods: Sequence[str]) -> None:
    """Raises StintError INVALID_FIELD for one that would let through what the tool map decides."""
    for method in other_methods:
        if method in (CALL, "*") or method.startswith("tools/*"):
            raise invalid_field("other_methods", "methods other than tools/call, which the tool map decides")


def check_asked_tools(asked_tools: Sequence[str], tools: Mapping[str, ToolNeeds]) -> None:
    """A name with a typing error in it would let through what was meant to be asked about; raises StintError INVALID_FIELD."""
    if not all(name in tools for name in asked_tools):
        raise invalid_field("asked_tools", "names of the tools above")


def tool_elements_of(resource: str, tools: Mapping[str, ToolNeeds]) -> Mapping[str, GrantElement]:
    """A tool's needs as the grant that would permit it, since that is what they are compared with.

    Raises StintError INVALID_FIELD.
    """
    elements = {}
    for name, needs in tools.items():
        if name == "*":
            raise invalid_field("tools", "the name of each tool; what is not named is refused")
        element = {
            "type": "mcp_tool",
            "locations": [resource],
            "identifier": name,
            "actions": list(needs.actions),
            "datatypes": list(needs.datatypes),
        }
        try:
            [elements[name]] = parse_grant([element])
        except StintError as error:
            raise invalid_field(f"tools.{name}", error.message.removeprefix("grant[0]").removeprefix(".")) from None
    return elements


def scope_of_tool(tool: str) -> str:
    """The scope that a call of a tool takes."""
    return f"mcp:tool:{tool}"


def is_other_method(other_methods: Sequence[str], method: str) -> bool:
    """Whether a list of methods, in which ``x/*`` stands for all that begin with ``x/``, has this one."""
    return any(method.startswith(one[:-1]) if one.endswith("/*") else one == method for one in other_methods)
