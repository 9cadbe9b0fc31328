import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stint_mcp.gen.stint.v1 import errors_pb2 as _errors_pb2
from stint_mcp.gen.stint.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HistoryField(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HISTORY_FIELD_UNSPECIFIED: _ClassVar[HistoryField]
    HISTORY_FIELD_RUN: _ClassVar[HistoryField]
    HISTORY_FIELD_STEP: _ClassVar[HistoryField]
    HISTORY_FIELD_STEP_ID: _ClassVar[HistoryField]
    HISTORY_FIELD_ATTEMPT: _ClassVar[HistoryField]
    HISTORY_FIELD_AGENT: _ClassVar[HistoryField]
    HISTORY_FIELD_RUNTIME: _ClassVar[HistoryField]
    HISTORY_FIELD_PRINCIPAL: _ClassVar[HistoryField]
    HISTORY_FIELD_WORKFLOW: _ClassVar[HistoryField]
    HISTORY_FIELD_TOOL: _ClassVar[HistoryField]
    HISTORY_FIELD_ACTION: _ClassVar[HistoryField]
    HISTORY_FIELD_DATA_CLASS: _ClassVar[HistoryField]
    HISTORY_FIELD_AUDIENCE: _ClassVar[HistoryField]
    HISTORY_FIELD_SPIFFE_ID: _ClassVar[HistoryField]
    HISTORY_FIELD_KIND: _ClassVar[HistoryField]
    HISTORY_FIELD_OUTCOME: _ClassVar[HistoryField]
    HISTORY_FIELD_REASON: _ClassVar[HistoryField]
    HISTORY_FIELD_DECISION: _ClassVar[HistoryField]
    HISTORY_FIELD_POLICY_DIGEST: _ClassVar[HistoryField]
    HISTORY_FIELD_POLICY: _ClassVar[HistoryField]
    HISTORY_FIELD_ACT: _ClassVar[HistoryField]
    HISTORY_FIELD_ENTRY: _ClassVar[HistoryField]
    HISTORY_FIELD_ISSUANCE: _ClassVar[HistoryField]
    HISTORY_FIELD_JTI: _ClassVar[HistoryField]
    HISTORY_FIELD_SERIAL: _ClassVar[HistoryField]
    HISTORY_FIELD_AUTHORITY: _ClassVar[HistoryField]
    HISTORY_FIELD_KEY: _ClassVar[HistoryField]
    HISTORY_FIELD_EXCHANGE: _ClassVar[HistoryField]
    HISTORY_FIELD_TARGET: _ClassVar[HistoryField]
    HISTORY_FIELD_VERIFIER: _ClassVar[HistoryField]
    HISTORY_FIELD_TYPE: _ClassVar[HistoryField]
    HISTORY_FIELD_PROCESS: _ClassVar[HistoryField]
    HISTORY_FIELD_TEXT: _ClassVar[HistoryField]

class HistoryList(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HISTORY_LIST_UNSPECIFIED: _ClassVar[HistoryList]
    HISTORY_LIST_ISSUANCES: _ClassVar[HistoryList]
    HISTORY_LIST_STEPS: _ClassVar[HistoryList]
    HISTORY_LIST_DECISIONS: _ClassVar[HistoryList]
    HISTORY_LIST_EVENTS: _ClassVar[HistoryList]
    HISTORY_LIST_EXCHANGES: _ClassVar[HistoryList]
    HISTORY_LIST_USAGE: _ClassVar[HistoryList]

class HistorySpan(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HISTORY_SPAN_UNSPECIFIED: _ClassVar[HistorySpan]
    HISTORY_SPAN_VALIDITY: _ClassVar[HistorySpan]
    HISTORY_SPAN_USABLE: _ClassVar[HistorySpan]
    HISTORY_SPAN_OPEN: _ClassVar[HistorySpan]
    HISTORY_SPAN_CLOSURE: _ClassVar[HistorySpan]

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_ALLOW: _ClassVar[Effect]
    EFFECT_DENY: _ClassVar[Effect]

class ExportedRows(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORTED_ROWS_UNSPECIFIED: _ClassVar[ExportedRows]
    EXPORTED_ROWS_ISSUANCES: _ClassVar[ExportedRows]
    EXPORTED_ROWS_DECISIONS: _ClassVar[ExportedRows]
    EXPORTED_ROWS_EVENTS: _ClassVar[ExportedRows]
    EXPORTED_ROWS_RECORDS: _ClassVar[ExportedRows]
HISTORY_FIELD_UNSPECIFIED: HistoryField
HISTORY_FIELD_RUN: HistoryField
HISTORY_FIELD_STEP: HistoryField
HISTORY_FIELD_STEP_ID: HistoryField
HISTORY_FIELD_ATTEMPT: HistoryField
HISTORY_FIELD_AGENT: HistoryField
HISTORY_FIELD_RUNTIME: HistoryField
HISTORY_FIELD_PRINCIPAL: HistoryField
HISTORY_FIELD_WORKFLOW: HistoryField
HISTORY_FIELD_TOOL: HistoryField
HISTORY_FIELD_ACTION: HistoryField
HISTORY_FIELD_DATA_CLASS: HistoryField
HISTORY_FIELD_AUDIENCE: HistoryField
HISTORY_FIELD_SPIFFE_ID: HistoryField
HISTORY_FIELD_KIND: HistoryField
HISTORY_FIELD_OUTCOME: HistoryField
HISTORY_FIELD_REASON: HistoryField
HISTORY_FIELD_DECISION: HistoryField
HISTORY_FIELD_POLICY_DIGEST: HistoryField
HISTORY_FIELD_POLICY: HistoryField
HISTORY_FIELD_ACT: HistoryField
HISTORY_FIELD_ENTRY: HistoryField
HISTORY_FIELD_ISSUANCE: HistoryField
HISTORY_FIELD_JTI: HistoryField
HISTORY_FIELD_SERIAL: HistoryField
HISTORY_FIELD_AUTHORITY: HistoryField
HISTORY_FIELD_KEY: HistoryField
HISTORY_FIELD_EXCHANGE: HistoryField
HISTORY_FIELD_TARGET: HistoryField
HISTORY_FIELD_VERIFIER: HistoryField
HISTORY_FIELD_TYPE: HistoryField
HISTORY_FIELD_PROCESS: HistoryField
HISTORY_FIELD_TEXT: HistoryField
HISTORY_LIST_UNSPECIFIED: HistoryList
HISTORY_LIST_ISSUANCES: HistoryList
HISTORY_LIST_STEPS: HistoryList
HISTORY_LIST_DECISIONS: HistoryList
HISTORY_LIST_EVENTS: HistoryList
HISTORY_LIST_EXCHANGES: HistoryList
HISTORY_LIST_USAGE: HistoryList
HISTORY_SPAN_UNSPECIFIED: HistorySpan
HISTORY_SPAN_VALIDITY: HistorySpan
HISTORY_SPAN_USABLE: HistorySpan
HISTORY_SPAN_OPEN: HistorySpan
HISTORY_SPAN_CLOSURE: HistorySpan
EFFECT_UNSPECIFIED: Effect
EFFECT_ALLOW: Effect
EFFECT_DENY: Effect
EXPORTED_ROWS_UNSPECIFIED: ExportedRows
EXPORTED_ROWS_ISSUANCES: ExportedRows
EXPORTED_ROWS_DECISIONS: ExportedRows
EXPORTED_ROWS_EVENTS: ExportedRows
EXPORTED_ROWS_RECORDS: ExportedRows

class HistoryFilter(_message.Message):
    __slots__ = ("run_id", "step", "step_id", "agent", "since", "until", "page_size", "page_token", "terms", "live_at", "descendants_of", "oldest_first")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    LIVE_AT_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_OF_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: str
    step_id: str
    agent: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    terms: _containers.RepeatedCompositeFieldContainer[HistoryTerm]
    live_at: _timestamp_pb2.Timestamp
    descendants_of: _containers.RepeatedScalarFieldContainer[str]
    oldest_first: bool
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[str] = ..., step_id: _Optional[str] = ..., agent: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., terms: _Optional[_Iterable[_Union[HistoryTerm, _Mapping]]] = ..., live_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., descendants_of: _Optional[_Iterable[str]] = ..., oldest_first: _Optional[bool] = ...) -> None: ...

class HistoryTerm(_message.Message):
    __slots__ = ("field", "values", "excluded")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    field: HistoryField
    values: _containers.RepeatedScalarFieldContainer[str]
    excluded: bool
    def __init__(self, field: _Optional[_Union[HistoryField, str]] = ..., values: _Optional[_Iterable[str]] = ..., excluded: _Optional[bool] = ...) -> None: ...

class CountRowsRequest(_message.Message):
    __slots__ = ("list", "filter", "group_by", "top", "span")
    LIST_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    list: HistoryList
    filter: HistoryFilter
    group_by: HistoryField
    top: int
    span: HistorySpan
    def __init__(self, list: _Optional[_Union[HistoryList, str]] = ..., filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., group_by: _Optional[_Union[HistoryField, str]] = ..., top: _Optional[int] = ..., span: _Optional[_Union[HistorySpan, str]] = ...) -> None: ...

class CountRowsResponse(_message.Message):
    __slots__ = ("count", "groups", "groups_left_out", "count_left_out", "spans")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    COUNT_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    count: int
    groups: _containers.RepeatedCompositeFieldContainer[HistoryGroup]
    groups_left_out: int
    count_left_out: int
    spans: HistorySpans
    def __init__(self, count: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[HistoryGroup, _Mapping]]] = ..., groups_left_out: _Optional[int] = ..., count_left_out: _Optional[int] = ..., spans: _Optional[_Union[HistorySpans, _Mapping]] = ...) -> None: ...

class HistorySpans(_message.Message):
    __slots__ = ("count", "least", "mean", "most")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    count: int
    least: _duration_pb2.Duration
    mean: _duration_pb2.Duration
    most: _duration_pb2.Duration
    def __init__(self, count: _Optional[int] = ..., least: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., mean: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., most: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HistoryGroup(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: str
    count: int
    def __init__(self, value: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class ListIssuancesRequest(_message.Message):
    __slots__ = ("filter", "kind", "live", "serial_number", "jti", "state")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    JTI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    kind: _types_pb2.SvidKind
    live: bool
    serial_number: str
    jti: str
    state: _types_pb2.IssuanceState
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., kind: _Optional[_Union[_types_pb2.SvidKind, str]] = ..., live: _Optional[bool] = ..., serial_number: _Optional[str] = ..., jti: _Optional[str] = ..., state: _Optional[_Union[_types_pb2.IssuanceState, str]] = ...) -> None: ...

class ListIssuancesResponse(_message.Message):
    __slots__ = ("issuances", "next_page_token", "resume_token")
    ISSUANCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    issuances: _containers.RepeatedCompositeFieldContainer[_types_pb2.Issuance]
    next_page_token: str
    resume_token: str
    def __init__(self, issuances: _Optional[_Iterable[_Union[_types_pb2.Issuance, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ListStepsRequest(_message.Message):
    __slots__ = ("filter", "states")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    states: _containers.RepeatedScalarFieldContainer[_types_pb2.StepState]
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_types_pb2.StepState, str]]] = ...) -> None: ...

class ListStepsResponse(_message.Message):
    __slots__ = ("steps", "next_page_token", "resume_token")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    next_page_token: str
    resume_token: str
    def __init__(self, steps: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("filter", "effect", "decision_id")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    effect: Effect
    decision_id: str
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., effect: _Optional[_Union[Effect, str]] = ..., decision_id: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token", "resume_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    next_page_token: str
    resume_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("decision_id", "effect", "reason", "decided_at", "step_name", "step_id", "agent", "caller_entry_id", "requested", "granted", "refused", "determining_policies", "policy_digest", "sequence", "count", "message", "caller", "policy_version", "policy_errors", "situation", "closes", "act", "approval", "opening", "call")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CALLER_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DETERMINING_POLICIES_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    POLICY_ERRORS_FIELD_NUMBER: _ClassVar[int]
    SITUATION_FIELD_NUMBER: _ClassVar[int]
    CLOSES_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    effect: Effect
    reason: str
    decided_at: _timestamp_pb2.Timestamp
    step_name: _types_pb2.StepName
    step_id: str
    agent: str
    caller_entry_id: str
    requested: _types_pb2.Grant
    granted: _types_pb2.Grant
    refused: _types_pb2.Grant
    determining_policies: _containers.RepeatedScalarFieldContainer[str]
    policy_digest: str
    sequence: int
    count: int
    message: str
    caller: RefusedCaller
    policy_version: int
    policy_errors: _containers.RepeatedScalarFieldContainer[str]
    situation: Situation
    closes: _containers.RepeatedScalarFieldContainer[str]
    act: str
    approval: str
    opening: OpenerFacts
    call: ToolCall
    def __init__(self, decision_id: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ..., reason: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step_name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ..., step_id: _Optional[str] = ..., agent: _Optional[str] = ..., caller_entry_id: _Optional[str] = ..., requested: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., granted: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., refused: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., determining_policies: _Optional[_Iterable[str]] = ..., policy_digest: _Optional[str] = ..., sequence: _Optional[int] = ..., count: _Optional[int] = ..., message: _Optional[str] = ..., caller: _Optional[_Union[RefusedCaller, _Mapping]] = ..., policy_version: _Optional[int] = ..., policy_errors: _Optional[_Iterable[str]] = ..., situation: _Optional[_Union[Situation, _Mapping]] = ..., closes: _Optional[_Iterable[str]] = ..., act: _Optional[str] = ..., approval: _Optional[str] = ..., opening: _Optional[_Union[OpenerFacts, _Mapping]] = ..., call: _Optional[_Union[ToolCall, _Mapping]] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("location", "tool", "actions", "datatypes", "arguments_sha256", "jti", "counted", "approval_id", "definition_sha256")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DATATYPES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    JTI_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_SHA256_FIELD_NUMBER: _ClassVar[int]
    location: str
    tool: str
    actions: _containers.RepeatedScalarFieldContainer[str]
    datatypes: _containers.RepeatedScalarFieldContainer[str]
    arguments_sha256: bytes
    jti: str
    counted: _containers.RepeatedCompositeFieldContainer[CountedBudget]
    approval_id: str
    definition_sha256: bytes
    def __init__(self, location: _Optional[str] = ..., tool: _Optional[str] = ..., actions: _Optional[_Iterable[str]] = ..., datatypes: _Optional[_Iterable[str]] = ..., arguments_sha256: _Optional[bytes] = ..., jti: _Optional[str] = ..., counted: _Optional[_Iterable[_Union[CountedBudget, _Mapping]]] = ..., approval_id: _Optional[str] = ..., definition_sha256: _Optional[bytes] = ...) -> None: ...

class CountedBudget(_message.Message):
    __slots__ = ("holder", "element")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    holder: str
    element: int
    def __init__(self, holder: _Optional[str] = ..., element: _Optional[int] = ...) -> None: ...

class Situation(_message.Message):
    __slots__ = ("runtime", "principal_id", "workflow", "parent_agent", "parent", "classes", "actions", "steps_open", "steps", "risk_domain", "risk_agent", "risk_run", "depth", "selectors", "approved", "approved_policies", "fewer_calls")
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    PARENT_AGENT_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STEPS_OPEN_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    RISK_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    RISK_AGENT_FIELD_NUMBER: _ClassVar[int]
    RISK_RUN_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    APPROVED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    FEWER_CALLS_FIELD_NUMBER: _ClassVar[int]
    runtime: str
    principal_id: str
    workflow: str
    parent_agent: str
    parent: _types_pb2.StepName
    classes: _containers.RepeatedScalarFieldContainer[str]
    actions: _containers.RepeatedScalarFieldContainer[str]
    steps_open: int
    steps: int
    risk_domain: str
    risk_agent: str
    risk_run: str
    depth: int
    selectors: _containers.RepeatedScalarFieldContainer[str]
    approved: str
    approved_policies: _containers.RepeatedScalarFieldContainer[str]
    fewer_calls: _containers.RepeatedCompositeFieldContainer[FewerCalls]
    def __init__(self, runtime: _Optional[str] = ..., principal_id: _Optional[str] = ..., workflow: _Optional[str] = ..., parent_agent: _Optional[str] = ..., parent: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ..., classes: _Optional[_Iterable[str]] = ..., actions: _Optional[_Iterable[str]] = ..., steps_open: _Optional[int] = ..., steps: _Optional[int] = ..., risk_domain: _Optional[str] = ..., risk_agent: _Optional[str] = ..., risk_run: _Optional[str] = ..., depth: _Optional[int] = ..., selectors: _Optional[_Iterable[str]] = ..., approved: _Optional[str] = ..., approved_policies: _Optional[_Iterable[str]] = ..., fewer_calls: _Optional[_Iterable[_Union[FewerCalls, _Mapping]]] = ...) -> None: ...

class FewerCalls(_message.Message):
    __slots__ = ("element", "calls")
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    element: int
    calls: int
    def __init__(self, element: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...

class OpenerFacts(_message.Message):
    __slots__ = ("runtime", "parent_agent", "parent", "selectors")
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PARENT_AGENT_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    runtime: str
    parent_agent: str
    parent: _types_pb2.StepName
    selectors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runtime: _Optional[str] = ..., parent_agent: _Optional[str] = ..., parent: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ..., selectors: _Optional[_Iterable[str]] = ...) -> None: ...

class RefusedCaller(_message.Message):
    __slots__ = ("uid", "executable", "executable_sha256", "selectors")
    UID_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_SHA256_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    uid: int
    executable: str
    executable_sha256: bytes
    selectors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uid: _Optional[int] = ..., executable: _Optional[str] = ..., executable_sha256: _Optional[bytes] = ..., selectors: _Optional[_Iterable[str]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("filter", "type")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    type: str
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., type: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "resume_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_page_token: str
    resume_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class TailEventsRequest(_message.Message):
    __slots__ = ("after_sequence", "resume_token", "filter")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    resume_token: str
    filter: HistoryFilter
    def __init__(self, after_sequence: _Optional[int] = ..., resume_token: _Optional[str] = ..., filter: _Optional[_Union[HistoryFilter, _Mapping]] = ...) -> None: ...

class TailEventsResponse(_message.Message):
    __slots__ = ("event", "resume_token")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    event: Event
    resume_token: str
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "recorded_at", "type", "canonical", "leaf_hash")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_FIELD_NUMBER: _ClassVar[int]
    LEAF_HASH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    recorded_at: _timestamp_pb2.Timestamp
    type: str
    canonical: bytes
    leaf_hash: bytes
    def __init__(self, sequence: _Optional[int] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[str] = ..., canonical: _Optional[bytes] = ..., leaf_hash: _Optional[bytes] = ...) -> None: ...

class LookUpRequest(_message.Message):
    __slots__ = ("to_be_signed_sha256",)
    TO_BE_SIGNED_SHA256_FIELD_NUMBER: _ClassVar[int]
    to_be_signed_sha256: bytes
    def __init__(self, to_be_signed_sha256: _Optional[bytes] = ...) -> None: ...

class LookUpResponse(_message.Message):
    __slots__ = ("issuance", "step")
    ISSUANCE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    issuance: _types_pb2.Issuance
    step: _types_pb2.Step
    def __init__(self, issuance: _Optional[_Union[_types_pb2.Issuance, _Mapping]] = ..., step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ...) -> None: ...

class TellDescendantsRequest(_message.Message):
    __slots__ = ("step_id", "run_id", "entry", "process", "principal_id", "decision_id", "key", "since", "until")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    run_id: str
    entry: str
    process: _types_pb2.Process
    principal_id: str
    decision_id: str
    key: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, step_id: _Optional[str] = ..., run_id: _Optional[str] = ..., entry: _Optional[str] = ..., process: _Optional[_Union[_types_pb2.Process, _Mapping]] = ..., principal_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., key: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TellDescendantsResponse(_message.Message):
    __slots__ = ("step", "issuance", "exchange", "reach", "summary")
    STEP_FIELD_NUMBER: _ClassVar[int]
    ISSUANCE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    REACH_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    issuance: _types_pb2.Issuance
    exchange: _types_pb2.Exchange
    reach: Reach
    summary: DescendantsSummary
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ..., issuance: _Optional[_Union[_types_pb2.Issuance, _Mapping]] = ..., exchange: _Optional[_Union[_types_pb2.Exchange, _Mapping]] = ..., reach: _Optional[_Union[Reach, _Mapping]] = ..., summary: _Optional[_Union[DescendantsSummary, _Mapping]] = ...) -> None: ...

class Reach(_message.Message):
    __slots__ = ("location", "tool", "actions", "datatypes", "steps", "calls")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DATATYPES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    location: str
    tool: str
    actions: _containers.RepeatedScalarFieldContainer[str]
    datatypes: _containers.RepeatedScalarFieldContainer[str]
    steps: int
    calls: int
    def __init__(self, location: _Optional[str] = ..., tool: _Optional[str] = ..., actions: _Optional[_Iterable[str]] = ..., datatypes: _Optional[_Iterable[str]] = ..., steps: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...

class DescendantsSummary(_message.Message):
    __slots__ = ("steps", "steps_open", "credentials", "credentials_live", "exchanges", "exchanges_alive", "last_dies_at", "audiences", "calls")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEPS_OPEN_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_LIVE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_ALIVE_FIELD_NUMBER: _ClassVar[int]
    LAST_DIES_AT_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    steps: int
    steps_open: int
    credentials: int
    credentials_live: int
    exchanges: int
    exchanges_alive: int
    last_dies_at: _timestamp_pb2.Timestamp
    audiences: _containers.RepeatedScalarFieldContainer[str]
    calls: int
    def __init__(self, steps: _Optional[int] = ..., steps_open: _Optional[int] = ..., credentials: _Optional[int] = ..., credentials_live: _Optional[int] = ..., exchanges: _Optional[int] = ..., exchanges_alive: _Optional[int] = ..., last_dies_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., audiences: _Optional[_Iterable[str]] = ..., calls: _Optional[int] = ...) -> None: ...

class ListGrantUseRequest(_message.Message):
    __slots__ = ("filter", "by_agent")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    BY_AGENT_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    by_agent: bool
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., by_agent: _Optional[bool] = ...) -> None: ...

class ListGrantUseResponse(_message.Message):
    __slots__ = ("uses", "next_page_token")
    USES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    uses: _containers.RepeatedCompositeFieldContainer[GrantUse]
    next_page_token: str
    def __init__(self, uses: _Optional[_Iterable[_Union[GrantUse, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GrantUse(_message.Message):
    __slots__ = ("agent", "step_name", "step_id", "tool", "granted_actions", "used_actions", "calls", "calls_in_vain", "steps_granted", "steps_used")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    GRANTED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    USED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CALLS_IN_VAIN_FIELD_NUMBER: _ClassVar[int]
    STEPS_GRANTED_FIELD_NUMBER: _ClassVar[int]
    STEPS_USED_FIELD_NUMBER: _ClassVar[int]
    agent: str
    step_name: _types_pb2.StepName
    step_id: str
    tool: str
    granted_actions: _containers.RepeatedScalarFieldContainer[str]
    used_actions: _containers.RepeatedScalarFieldContainer[str]
    calls: int
    calls_in_vain: int
    steps_granted: int
    steps_used: int
    def __init__(self, agent: _Optional[str] = ..., step_name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ..., step_id: _Optional[str] = ..., tool: _Optional[str] = ..., granted_actions: _Optional[_Iterable[str]] = ..., used_actions: _Optional[_Iterable[str]] = ..., calls: _Optional[int] = ..., calls_in_vain: _Optional[int] = ..., steps_granted: _Optional[int] = ..., steps_used: _Optional[int] = ...) -> None: ...

class ListUsageRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ...) -> None: ...

class ListUsageResponse(_message.Message):
    __slots__ = ("usage", "next_page_token")
    USAGE_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    usage: _containers.RepeatedCompositeFieldContainer[UsageCount]
    next_page_token: str
    def __init__(self, usage: _Optional[_Iterable[_Union[UsageCount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListExchangesRequest(_message.Message):
    __slots__ = ("filter", "target", "alive")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    filter: HistoryFilter
    target: str
    alive: bool
    def __init__(self, filter: _Optional[_Union[HistoryFilter, _Mapping]] = ..., target: _Optional[str] = ..., alive: _Optional[bool] = ...) -> None: ...

class ListExchangesResponse(_message.Message):
    __slots__ = ("exchanges", "next_page_token", "resume_token")
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    exchanges: _containers.RepeatedCompositeFieldContainer[_types_pb2.Exchange]
    next_page_token: str
    resume_token: str
    def __init__(self, exchanges: _Optional[_Iterable[_Union[_types_pb2.Exchange, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class UsageCount(_message.Message):
    __slots__ = ("step_name", "step_id", "agent", "verifier", "tool", "action", "outcome", "calls", "reported_at", "gap")
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    VERIFIER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    REPORTED_AT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    step_name: _types_pb2.StepName
    step_id: str
    agent: str
    verifier: str
    tool: str
    action: str
    outcome: str
    calls: int
    reported_at: _timestamp_pb2.Timestamp
    gap: int
    def __init__(self, step_name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ..., step_id: _Optional[str] = ..., agent: _Optional[str] = ..., verifier: _Optional[str] = ..., tool: _Optional[str] = ..., action: _Optional[str] = ..., outcome: _Optional[str] = ..., calls: _Optional[int] = ..., reported_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gap: _Optional[int] = ...) -> None: ...

class ListVerifiersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVerifiersResponse(_message.Message):
    __slots__ = ("verifiers",)
    VERIFIERS_FIELD_NUMBER: _ClassVar[int]
    verifiers: _containers.RepeatedCompositeFieldContainer[VerifierStatus]
    def __init__(self, verifiers: _Optional[_Iterable[_Union[VerifierStatus, _Mapping]]] = ...) -> None: ...

class VerifierStatus(_message.Message):
    __slots__ = ("name", "connected", "connected_since", "audiences", "max_staleness", "acknowledged_sequence", "lag", "last_seen", "process")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_SINCE_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    MAX_STALENESS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    connected: bool
    connected_since: _timestamp_pb2.Timestamp
    audiences: _containers.RepeatedScalarFieldContainer[str]
    max_staleness: _duration_pb2.Duration
    acknowledged_sequence: int
    lag: int
    last_seen: _timestamp_pb2.Timestamp
    process: _types_pb2.Process
    def __init__(self, name: _Optional[str] = ..., connected: _Optional[bool] = ..., connected_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., audiences: _Optional[_Iterable[str]] = ..., max_staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., acknowledged_sequence: _Optional[int] = ..., lag: _Optional[int] = ..., last_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., process: _Optional[_Union[_types_pb2.Process, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "request", "not_asked", "whole", "elements", "policies", "closes", "ends_parent", "changes", "unsearched")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NOT_ASKED_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    CLOSES_FIELD_NUMBER: _ClassVar[int]
    ENDS_PARENT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UNSEARCHED_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    request: EvaluatedRequest
    not_asked: str
    whole: PolicyEffect
    elements: _containers.RepeatedCompositeFieldContainer[ExplainedElement]
    policies: _containers.RepeatedCompositeFieldContainer[ExplainedPolicy]
    closes: _containers.RepeatedCompositeFieldContainer[ExplainedStep]
    ends_parent: bool
    changes: _containers.RepeatedCompositeFieldContainer[PassingChange]
    unsearched: str
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., request: _Optional[_Union[EvaluatedRequest, _Mapping]] = ..., not_asked: _Optional[str] = ..., whole: _Optional[_Union[PolicyEffect, _Mapping]] = ..., elements: _Optional[_Iterable[_Union[ExplainedElement, _Mapping]]] = ..., policies: _Optional[_Iterable[_Union[ExplainedPolicy, _Mapping]]] = ..., closes: _Optional[_Iterable[_Union[ExplainedStep, _Mapping]]] = ..., ends_parent: _Optional[bool] = ..., changes: _Optional[_Iterable[_Union[PassingChange, _Mapping]]] = ..., unsearched: _Optional[str] = ...) -> None: ...

class EvaluatedRequest(_message.Message):
    __slots__ = ("policy_version", "policy_root", "act", "runtime", "principal", "workflow", "parent", "depth", "granted_classes", "granted_actions", "steps_open", "steps", "domain_risk", "agent_risk", "run_risk", "selectors", "confined", "confined_to", "at", "approved", "approved_policies")
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    POLICY_ROOT_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    GRANTED_CLASSES_FIELD_NUMBER: _ClassVar[int]
    GRANTED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STEPS_OPEN_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_RISK_FIELD_NUMBER: _ClassVar[int]
    AGENT_RISK_FIELD_NUMBER: _ClassVar[int]
    RUN_RISK_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    CONFINED_FIELD_NUMBER: _ClassVar[int]
    CONFINED_TO_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    APPROVED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    policy_version: int
    policy_root: str
    act: str
    runtime: str
    principal: _types_pb2.StepPrincipal
    workflow: str
    parent: ExplainedStep
    depth: int
    granted_classes: _containers.RepeatedScalarFieldContainer[str]
    granted_actions: _containers.RepeatedScalarFieldContainer[str]
    steps_open: int
    steps: int
    domain_risk: str
    agent_risk: str
    run_risk: str
    selectors: _containers.RepeatedScalarFieldContainer[str]
    confined: bool
    confined_to: _containers.RepeatedScalarFieldContainer[str]
    at: _timestamp_pb2.Timestamp
    approved: str
    approved_policies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, policy_version: _Optional[int] = ..., policy_root: _Optional[str] = ..., act: _Optional[str] = ..., runtime: _Optional[str] = ..., principal: _Optional[_Union[_types_pb2.StepPrincipal, _Mapping]] = ..., workflow: _Optional[str] = ..., parent: _Optional[_Union[ExplainedStep, _Mapping]] = ..., depth: _Optional[int] = ..., granted_classes: _Optional[_Iterable[str]] = ..., granted_actions: _Optional[_Iterable[str]] = ..., steps_open: _Optional[int] = ..., steps: _Optional[int] = ..., domain_risk: _Optional[str] = ..., agent_risk: _Optional[str] = ..., run_risk: _Optional[str] = ..., selectors: _Optional[_Iterable[str]] = ..., confined: _Optional[bool] = ..., confined_to: _Optional[_Iterable[str]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., approved: _Optional[str] = ..., approved_policies: _Optional[_Iterable[str]] = ...) -> None: ...

class PolicyEffect(_message.Message):
    __slots__ = ("effect", "policies", "errors", "approval")
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    effect: Effect
    policies: _containers.RepeatedScalarFieldContainer[str]
    errors: _containers.RepeatedScalarFieldContainer[str]
    approval: str
    def __init__(self, effect: _Optional[_Union[Effect, str]] = ..., policies: _Optional[_Iterable[str]] = ..., errors: _Optional[_Iterable[str]] = ..., approval: _Optional[str] = ...) -> None: ...

class ExplainedElement(_message.Message):
    __slots__ = ("element", "refused", "refused_by", "effect")
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_BY_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    element: _types_pb2.GrantElement
    refused: bool
    refused_by: _errors_pb2.DenialLayer
    effect: PolicyEffect
    def __init__(self, element: _Optional[_Union[_types_pb2.GrantElement, _Mapping]] = ..., refused: _Optional[bool] = ..., refused_by: _Optional[_Union[_errors_pb2.DenialLayer, str]] = ..., effect: _Optional[_Union[PolicyEffect, _Mapping]] = ...) -> None: ...

class ExplainedPolicy(_message.Message):
    __slots__ = ("policy_id", "file", "line", "text")
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    policy_id: str
    file: str
    line: int
    text: str
    def __init__(self, policy_id: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ExplainedStep(_message.Message):
    __slots__ = ("step_id", "agent", "step_name")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    agent: str
    step_name: _types_pb2.StepName
    def __init__(self, step_id: _Optional[str] = ..., agent: _Optional[str] = ..., step_name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ...) -> None: ...

class PassingChange(_message.Message):
    __slots__ = ("grant", "without", "without_parent", "risk_at_most", "approval")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_PARENT_FIELD_NUMBER: _ClassVar[int]
    RISK_AT_MOST_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    grant: _types_pb2.Grant
    without: _containers.RepeatedCompositeFieldContainer[LeftOut]
    without_parent: bool
    risk_at_most: str
    approval: str
    def __init__(self, grant: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., without: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., without_parent: _Optional[bool] = ..., risk_at_most: _Optional[str] = ..., approval: _Optional[str] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("element", "actions", "locations", "datatypes", "max_calls")
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    LOCATIONS_FIELD_NUMBER: _ClassVar[int]
    DATATYPES_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    element: _types_pb2.GrantElement
    actions: _containers.RepeatedScalarFieldContainer[str]
    locations: _containers.RepeatedScalarFieldContainer[str]
    datatypes: _containers.RepeatedScalarFieldContainer[str]
    max_calls: int
    def __init__(self, element: _Optional[_Union[_types_pb2.GrantElement, _Mapping]] = ..., actions: _Optional[_Iterable[str]] = ..., locations: _Optional[_Iterable[str]] = ..., datatypes: _Optional[_Iterable[str]] = ..., max_calls: _Optional[int] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("rows", "run_id", "step", "step_id", "agent", "since", "until", "after_sequence", "through_sequence", "as_of", "epoch", "terms", "descendants_of", "live_at")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_OF_FIELD_NUMBER: _ClassVar[int]
    LIVE_AT_FIELD_NUMBER: _ClassVar[int]
    rows: ExportedRows
    run_id: str
    step: str
    step_id: str
    agent: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    after_sequence: int
    through_sequence: int
    as_of: _timestamp_pb2.Timestamp
    epoch: str
    terms: _containers.RepeatedCompositeFieldContainer[HistoryTerm]
    descendants_of: _containers.RepeatedScalarFieldContainer[str]
    live_at: _timestamp_pb2.Timestamp
    def __init__(self, rows: _Optional[_Union[ExportedRows, str]] = ..., run_id: _Optional[str] = ..., step: _Optional[str] = ..., step_id: _Optional[str] = ..., agent: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., after_sequence: _Optional[int] = ..., through_sequence: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., epoch: _Optional[str] = ..., terms: _Optional[_Iterable[_Union[HistoryTerm, _Mapping]]] = ..., descendants_of: _Optional[_Iterable[str]] = ..., live_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("begun", "sequence", "issuances", "decisions", "events", "records")
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ISSUANCES_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    begun: ExportBegun
    sequence: int
    issuances: _containers.RepeatedCompositeFieldContainer[ExportedIssuance]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    def __init__(self, begun: _Optional[_Union[ExportBegun, _Mapping]] = ..., sequence: _Optional[int] = ..., issuances: _Optional[_Iterable[_Union[ExportedIssuance, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("sequence", "envelope")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    envelope: str
    def __init__(self, sequence: _Optional[int] = ..., envelope: _Optional[str] = ...) -> None: ...

class ExportBegun(_message.Message):
    __slots__ = ("epoch", "through_sequence", "as_of", "record_key")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    RECORD_KEY_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    through_sequence: int
    as_of: _timestamp_pb2.Timestamp
    record_key: bytes
    def __init__(self, epoch: _Optional[str] = ..., through_sequence: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_key: _Optional[bytes] = ...) -> None: ...

class ExportedIssuance(_message.Message):
    __slots__ = ("issuance", "step_state", "decision_id", "principal_id")
    ISSUANCE_FIELD_NUMBER: _ClassVar[int]
    STEP_STATE_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ID_FIELD_NUMBER: _ClassVar[int]
    issuance: _types_pb2.Issuance
    step_state: _types_pb2.StepState
    decision_id: str
    principal_id: str
    def __init__(self, issuance: _Optional[_Union[_types_pb2.Issuance, _Mapping]] = ..., step_state: _Optional[_Union[_types_pb2.StepState, str]] = ..., decision_id: _Optional[str] = ..., principal_id: _Optional[str] = ...) -> None: ...
