"""What a step may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeGuard, get_args

from stint_mcp.errors import invalid_field
from stint_mcp.limits import GRANT_CALLS_MAX, GRANT_ELEMENTS_MAX, GRANT_LIST_MAX
from stint_mcp.resource_uri import check_resource_uri

Action = Literal["read", "write", "execute", "retrieve_secret", "move_data"]
"""What a tool call does to its data."""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

ANY: Final = "*"

_MEMBERS: Final = ("type", "locations", "identifier", "actions", "datatypes", "max_calls", "definition_sha256")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9._/-]{1,128}")
_DATATYPE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class GrantElement:
    """One element of a grant, in the member names of RFC 9396; ``*`` as identifier stands for every tool."""

    locations: tuple[str, ...]
    identifier: str
    actions: tuple[Action, ...]
    datatypes: tuple[str, ...]
    max_calls: int | None = None
    """How many calls the element allows, all in all. ``None``: any number. Only the broker counts."""
    definition_sha256: str | None = None
    """Digest of the tool's definition for which alone the element holds. ``None``: whichever definition the server shows."""

    def as_json(self) -> dict[str, Any]:
        """As ``authorization_details`` has it."""
        element: dict[str, Any] = {
            "type": "mcp_tool",
            "locations": list(self.locations),
            "identifier": self.identifier,
            "actions": list(self.actions),
            "datatypes": list(self.datatypes),
        }
        if self.max_calls is not None:
            element["max_calls"] = self.max_calls
        if self.definition_sha256 is not None:
            element["definition_sha256"] = self.definition_sha256
        return element


Grant = tuple[GrantElement, ...]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One use of a tool."""

    tool: str
    actions: tuple[Action, ...]
    """What it does; all of it must be granted. At least one."""
    datatypes: tuple[str, ...]
    """The classes of data that it touches; all must be granted. At least one."""
    definition_sha256: str | None = None
    """Digest of the tool's definition as its server shows it. ``None``: not known, so that no grant for one definition covers the use."""

    def __post_init__(self) -> None:
        # Every grant would cover a use that says nothing of what is done, or to what.
        if len(self.actions) == 0:
            raise invalid_field("actions", "at least one")
        if len(self.datatypes) == 0:
            raise invalid_field("datatypes", "at least one")


def parse_grant(value: object, field: str = "grant") -> Grant:
    """Accepts a grant as it comes from outside: five members are needed, none may be unknown, URIs are canonical.

    Raises StintError INVALID_FIELD. See RFC 9396 section 2.
    """
    if not isinstance(value, list):
        raise invalid_field(field, "a list of elements of type mcp_tool")
    if len(value) > GRANT_ELEMENTS_MAX:
        raise invalid_field(field, f"at most {GRANT_ELEMENTS_MAX} elements")
    return tuple(_element_of(element, f"{field}[{index}]") for index, element in enumerate(value))


def _element_of(value: object, field: str) -> GrantElement:
    if not isinstance(value, dict):
        raise invalid_field(field, "an object")
    if not all(name in _MEMBERS for name in value):
        raise invalid_field(field, f"only the members {', '.join(_MEMBERS)}")
    if value.get("type") != "mcp_tool":
        raise invalid_field(f"{field}.type", "mcp_tool")
    identifier = value.get("identifier")
    if not isinstance(identifier, str) or (identifier != ANY and _IDENTIFIER.fullmatch(identifier) is None):
        expected = "a tool name of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '/', '-', or '*'"
        raise invalid_field(f"{field}.identifier", expected)
    locations = _strings_of(value, "locations", field)
    for location in locations:
        check_resource_uri(location, f"{field}.locations")
    actions = tuple(action for action in _strings_of(value, "actions", field) if is_action(action))
    if len(actions) != len(value["actions"]):
        raise invalid_field(f"{field}.actions", f"of {', '.join(ACTIONS)}")
    datatypes = _strings_of(value, "datatypes", field)
    if not all(is_datatype(datatype) for datatype in datatypes):
        raise invalid_field(f"{field}.datatypes", "names of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'")
    max_calls, definition = _call_count_of(value, field), _definition_of(value, identifier, field)
    return GrantElement(locations, identifier, actions, datatypes, max_calls, definition)


def _strings_of(members: Mapping[str, object], name: str, field: str) -> tuple[str, ...]:
    value = members.get(name)
    if not isinstance(value, list) or len(value) == 0 or not all(isinstance(one, str) for one in value):
        raise invalid_field(f"{field}.{name}", "a non-empty list of strings")
    if len(value) > GRANT_LIST_MAX:
        raise invalid_field(f"{field}.{name}", f"at most {GRANT_LIST_MAX} elements")
    if len(set(value)) != len(value):
        raise invalid_field(f"{field}.{name}", "no element twice")
    return tuple(value)


def _call_count_of(members: Mapping[str, object], field: str) -> int | None:
    if "max_calls" not in members:
        return None
    count = whole_number_of(members["max_calls"])
    if count is None or not 1 <= count <= GRANT_CALLS_MAX:
        raise invalid_field(f"{field}.max_calls", f"a whole number from 1 to {GRANT_CALLS_MAX}")
    return count


def _definition_of(members: Mapping[str, object], identifier: str, field: str) -> str | None:
    if "definition_sha256" not in members:
        return None
    definition = members["definition_sha256"]
    if identifier == ANY or not isinstance(definition, str) or _SHA256.fullmatch(definition) is None:
        raise invalid_field(f"{field}.definition_sha256", "64 digits 0-9 and a-f, with the name of one tool")
    return definition


def whole_number_of(value: object) -> int | None:
    """A whole number off JSON, in whatever way it is written; ``None`` for anything else.

    ``1``, ``1.0`` and ``1e0`` are one number in JSON, and `bool` is none, though Python counts it among them.
    """
    if type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def is_action(text: str) -> TypeGuard[Action]:
    """Whether this is the name of an action."""
    return text in ACTIONS


def is_datatype(text: str) -> bool:
    """Whether a text can be the name of a class of data."""
    return _DATATYPE.fullmatch(text) is not None


def is_tool_name(text: str) -> bool:
    """Whether this is the name of one tool."""
    return _IDENTIFIER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a grant covers one use."""

    is_covered: bool
    is_counted: bool
    """Whether every element that covers the use allows so many calls only, which the broker counts."""
    is_of_other_definition: bool
    """Whether an element covers the use only for another definition of the tool, or for one where the use does not say of which it is."""


def coverage_of(grant: Grant, audience: str, use: ToolUse) -> Coverage:
    """How one element of a grant covers all of a use at an audience, however often."""
    covering = [element for element in grant if _covers(element, audience, use)]
    is_counted = len(covering) > 0 and all(element.max_calls is not None for element in covering)
    is_covered = len(covering) > 0
    is_other = not is_covered and any(_covers(replace(element, definition_sha256=None), audience, use) for element in grant)
    return Coverage(is_covered, is_counted, is_other)


def _covers(element: GrantElement, audience: str, use: ToolUse) -> bool:
    return (
        element.identifier in (ANY, use.tool)
        and element.definition_sha256 in (None, use.definition_sha256)
        and audience in element.locations
        and all(action in element.actions for action in use.actions)
        and all(datatype in element.datatypes for datatype in use.datatypes)
    )
