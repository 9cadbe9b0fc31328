import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stint_mcp.gen.stint.v1 import history_pb2 as _history_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UsageOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_OUTCOME_UNSPECIFIED: _ClassVar[UsageOutcome]
    USAGE_OUTCOME_SERVED: _ClassVar[UsageOutcome]
    USAGE_OUTCOME_REFUSED: _ClassVar[UsageOutcome]
    USAGE_OUTCOME_FAILED: _ClassVar[UsageOutcome]
    USAGE_OUTCOME_STOPPED: _ClassVar[UsageOutcome]
USAGE_OUTCOME_UNSPECIFIED: UsageOutcome
USAGE_OUTCOME_SERVED: UsageOutcome
USAGE_OUTCOME_REFUSED: UsageOutcome
USAGE_OUTCOME_FAILED: UsageOutcome
USAGE_OUTCOME_STOPPED: UsageOutcome

class ReportUsageRequest(_message.Message):
    __slots__ = ("report_id", "usages", "gap")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    USAGES_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    report_id: str
    usages: _containers.RepeatedCompositeFieldContainer[Usage]
    gap: int
    def __init__(self, report_id: _Optional[str] = ..., usages: _Optional[_Iterable[_Union[Usage, _Mapping]]] = ..., gap: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("jti", "tool", "action", "outcome", "calls")
    JTI_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    jti: str
    tool: str
    action: str
    outcome: UsageOutcome
    calls: int
    def __init__(self, jti: _Optional[str] = ..., tool: _Optional[str] = ..., action: _Optional[str] = ..., outcome: _Optional[_Union[UsageOutcome, str]] = ..., calls: _Optional[int] = ...) -> None: ...

class ReportUsageResponse(_message.Message):
    __slots__ = ("refused",)
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    refused: int
    def __init__(self, refused: _Optional[int] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("jwt_svid", "wit_svid", "location", "tool", "actions", "datatypes", "arguments_sha256", "accept_pending", "definition_sha256")
    class WitSvidWithGrant(_message.Message):
        __slots__ = ("wit_svid", "txn_token")
        WIT_SVID_FIELD_NUMBER: _ClassVar[int]
        TXN_TOKEN_FIELD_NUMBER: _ClassVar[int]
        wit_svid: str
        txn_token: str
        def __init__(self, wit_svid: _Optional[str] = ..., txn_token: _Optional[str] = ...) -> None: ...
    JWT_SVID_FIELD_NUMBER: _ClassVar[int]
    WIT_SVID_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DATATYPES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PENDING_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_SHA256_FIELD_NUMBER: _ClassVar[int]
    jwt_svid: str
    wit_svid: CheckRequest.WitSvidWithGrant
    location: str
    tool: str
    actions: _containers.RepeatedScalarFieldContainer[str]
    datatypes: _containers.RepeatedScalarFieldContainer[str]
    arguments_sha256: bytes
    accept_pending: bool
    definition_sha256: bytes
    def __init__(self, jwt_svid: _Optional[str] = ..., wit_svid: _Optional[_Union[CheckRequest.WitSvidWithGrant, _Mapping]] = ..., location: _Optional[str] = ..., tool: _Optional[str] = ..., actions: _Optional[_Iterable[str]] = ..., datatypes: _Optional[_Iterable[str]] = ..., arguments_sha256: _Optional[bytes] = ..., accept_pending: _Optional[bool] = ..., definition_sha256: _Optional[bytes] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("decision_id", "effect", "reason", "message", "metadata", "calls_left", "pending")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CALLS_LEFT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    effect: _history_pb2.Effect
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    calls_left: int
    pending: PendingCall
    def __init__(self, decision_id: _Optional[str] = ..., effect: _Optional[_Union[_history_pb2.Effect, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., calls_left: _Optional[int] = ..., pending: _Optional[_Union[PendingCall, _Mapping]] = ...) -> None: ...

class PendingCall(_message.Message):
    __slots__ = ("approval_id", "until")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    until: _timestamp_pb2.Timestamp
    def __init__(self, approval_id: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
