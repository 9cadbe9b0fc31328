from stint_mcp.gen.stint.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_NO_IDENTITY: _ClassVar[Reason]
    REASON_NOT_ENTITLED: _ClassVar[Reason]
    REASON_POLICY_DENIED: _ClassVar[Reason]
    REASON_GRANT_EXCEEDED: _ClassVar[Reason]
    REASON_STEP_NOT_FOUND: _ClassVar[Reason]
    REASON_STEP_CLOSED: _ClassVar[Reason]
    REASON_STEP_EXPIRING: _ClassVar[Reason]
    REASON_STALE_ATTEMPT: _ClassVar[Reason]
    REASON_STEP_EXISTS: _ClassVar[Reason]
    REASON_EXECUTOR_GONE: _ClassVar[Reason]
    REASON_ENTRY_NOT_FOUND: _ClassVar[Reason]
    REASON_DELEGATION_REFUSED: _ClassVar[Reason]
    REASON_CSR_INVALID: _ClassVar[Reason]
    REASON_KEY_REFUSED: _ClassVar[Reason]
    REASON_AUDIENCE_INVALID: _ClassVar[Reason]
    REASON_INVALID_FIELD: _ClassVar[Reason]
    REASON_REQUEST_ID_REUSED: _ClassVar[Reason]
    REASON_LIMIT_EXCEEDED: _ClassVar[Reason]
    REASON_LEDGER_UNAVAILABLE: _ClassVar[Reason]
    REASON_AUTHORITY_UNAVAILABLE: _ClassVar[Reason]
    REASON_NOT_SERVING: _ClassVar[Reason]
    REASON_DECISION_OUTDATED: _ClassVar[Reason]
    REASON_TOOL_NOT_ACCEPTED: _ClassVar[Reason]
    REASON_PRUNED: _ClassVar[Reason]

class DenialLayer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DENIAL_LAYER_UNSPECIFIED: _ClassVar[DenialLayer]
    DENIAL_LAYER_CEILING: _ClassVar[DenialLayer]
    DENIAL_LAYER_PARENT: _ClassVar[DenialLayer]
    DENIAL_LAYER_POLICY: _ClassVar[DenialLayer]
REASON_UNSPECIFIED: Reason
REASON_NO_IDENTITY: Reason
REASON_NOT_ENTITLED: Reason
REASON_POLICY_DENIED: Reason
REASON_GRANT_EXCEEDED: Reason
REASON_STEP_NOT_FOUND: Reason
REASON_STEP_CLOSED: Reason
REASON_STEP_EXPIRING: Reason
REASON_STALE_ATTEMPT: Reason
REASON_STEP_EXISTS: Reason
REASON_EXECUTOR_GONE: Reason
REASON_ENTRY_NOT_FOUND: Reason
REASON_DELEGATION_REFUSED: Reason
REASON_CSR_INVALID: Reason
REASON_KEY_REFUSED: Reason
REASON_AUDIENCE_INVALID: Reason
REASON_INVALID_FIELD: Reason
REASON_REQUEST_ID_REUSED: Reason
REASON_LIMIT_EXCEEDED: Reason
REASON_LEDGER_UNAVAILABLE: Reason
REASON_AUTHORITY_UNAVAILABLE: Reason
REASON_NOT_SERVING: Reason
REASON_DECISION_OUTDATED: Reason
REASON_TOOL_NOT_ACCEPTED: Reason
REASON_PRUNED: Reason
DENIAL_LAYER_UNSPECIFIED: DenialLayer
DENIAL_LAYER_CEILING: DenialLayer
DENIAL_LAYER_PARENT: DenialLayer
DENIAL_LAYER_POLICY: DenialLayer

class DenialDetails(_message.Message):
    __slots__ = ("decision_id", "refused", "refused_omitted", "refuses_whole", "approval")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_OMITTED_FIELD_NUMBER: _ClassVar[int]
    REFUSES_WHOLE_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    refused: _containers.RepeatedCompositeFieldContainer[RefusedElement]
    refused_omitted: int
    refuses_whole: bool
    approval: str
    def __init__(self, decision_id: _Optional[str] = ..., refused: _Optional[_Iterable[_Union[RefusedElement, _Mapping]]] = ..., refused_omitted: _Optional[int] = ..., refuses_whole: _Optional[bool] = ..., approval: _Optional[str] = ...) -> None: ...

class RefusedElement(_message.Message):
    __slots__ = ("element", "layer")
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    element: _types_pb2.GrantElement
    layer: DenialLayer
    def __init__(self, element: _Optional[_Union[_types_pb2.GrantElement, _Mapping]] = ..., layer: _Optional[_Union[DenialLayer, str]] = ...) -> None: ...
