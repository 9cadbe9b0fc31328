import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stint_mcp.gen.stint.v1 import credentials_pb2 as _credentials_pb2
from stint_mcp.gen.stint.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_COMPLETED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_CANCELLED: _ClassVar[Outcome]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_COMPLETED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_CANCELLED: Outcome

class OpenRequest(_message.Message):
    __slots__ = ("run_id", "step", "attempt", "agent", "workflow", "purpose", "grant", "audiences", "expires_at", "lease", "parent_step_id", "principal_token", "executor", "request_id", "allow_partial", "credentials", "parent_token", "accept_pending")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PARENT_STEP_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    PARENT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PENDING_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: str
    attempt: int
    agent: str
    workflow: str
    purpose: str
    grant: _types_pb2.Grant
    audiences: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    lease: _duration_pb2.Duration
    parent_step_id: str
    principal_token: str
    executor: _types_pb2.Executor
    request_id: str
    allow_partial: bool
    credentials: InitialCredentials
    parent_token: str
    accept_pending: bool
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[str] = ..., attempt: _Optional[int] = ..., agent: _Optional[str] = ..., workflow: _Optional[str] = ..., purpose: _Optional[str] = ..., grant: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., audiences: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., parent_step_id: _Optional[str] = ..., principal_token: _Optional[str] = ..., executor: _Optional[_Union[_types_pb2.Executor, _Mapping]] = ..., request_id: _Optional[str] = ..., allow_partial: _Optional[bool] = ..., credentials: _Optional[_Union[InitialCredentials, _Mapping]] = ..., parent_token: _Optional[str] = ..., accept_pending: _Optional[bool] = ...) -> None: ...

class InitialCredentials(_message.Message):
    __slots__ = ("csr", "jwt_svids")
    CSR_FIELD_NUMBER: _ClassVar[int]
    JWT_SVIDS_FIELD_NUMBER: _ClassVar[int]
    csr: bytes
    jwt_svids: _containers.RepeatedCompositeFieldContainer[_credentials_pb2.JwtSvidWanted]
    def __init__(self, csr: _Optional[bytes] = ..., jwt_svids: _Optional[_Iterable[_Union[_credentials_pb2.JwtSvidWanted, _Mapping]]] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("step", "x509_svid", "jwt_svids", "refused")
    STEP_FIELD_NUMBER: _ClassVar[int]
    X509_SVID_FIELD_NUMBER: _ClassVar[int]
    JWT_SVIDS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    x509_svid: _credentials_pb2.X509Svid
    jwt_svids: _containers.RepeatedCompositeFieldContainer[_credentials_pb2.JwtSvidOutcome]
    refused: _types_pb2.Grant
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ..., x509_svid: _Optional[_Union[_credentials_pb2.X509Svid, _Mapping]] = ..., jwt_svids: _Optional[_Iterable[_Union[_credentials_pb2.JwtSvidOutcome, _Mapping]]] = ..., refused: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("step_id",)
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    def __init__(self, step_id: _Optional[str] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("step", "expiring")
    STEP_FIELD_NUMBER: _ClassVar[int]
    EXPIRING_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    expiring: bool
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ..., expiring: _Optional[bool] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("step_id",)
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    def __init__(self, step_id: _Optional[str] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ...) -> None: ...

class CloseRequest(_message.Message):
    __slots__ = ("step_id", "outcome", "await_receipts")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AWAIT_RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    outcome: Outcome
    await_receipts: _duration_pb2.Duration
    def __init__(self, step_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., await_receipts: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CloseResponse(_message.Message):
    __slots__ = ("step", "sequence", "credentials_revoked", "descendants_closed", "receipts", "still_alive")
    STEP_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_REVOKED_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    STILL_ALIVE_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    sequence: int
    credentials_revoked: int
    descendants_closed: int
    receipts: _types_pb2.Receipts
    still_alive: _containers.RepeatedCompositeFieldContainer[_types_pb2.StandingExchange]
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ..., sequence: _Optional[int] = ..., credentials_revoked: _Optional[int] = ..., descendants_closed: _Optional[int] = ..., receipts: _Optional[_Union[_types_pb2.Receipts, _Mapping]] = ..., still_alive: _Optional[_Iterable[_Union[_types_pb2.StandingExchange, _Mapping]]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("step_id", "name")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    name: _types_pb2.StepName
    def __init__(self, step_id: _Optional[str] = ..., name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("step", "receipts", "exchanges", "closure")
    STEP_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    CLOSURE_FIELD_NUMBER: _ClassVar[int]
    step: _types_pb2.Step
    receipts: _types_pb2.Receipts
    exchanges: _containers.RepeatedCompositeFieldContainer[_types_pb2.StandingExchange]
    closure: _types_pb2.Closure
    def __init__(self, step: _Optional[_Union[_types_pb2.Step, _Mapping]] = ..., receipts: _Optional[_Union[_types_pb2.Receipts, _Mapping]] = ..., exchanges: _Optional[_Iterable[_Union[_types_pb2.StandingExchange, _Mapping]]] = ..., closure: _Optional[_Union[_types_pb2.Closure, _Mapping]] = ...) -> None: ...

class GetClosureReceiptRequest(_message.Message):
    __slots__ = ("step_id", "name")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    name: _types_pb2.StepName
    def __init__(self, step_id: _Optional[str] = ..., name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ...) -> None: ...

class GetClosureReceiptResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: str
    def __init__(self, receipt: _Optional[str] = ...) -> None: ...

class WatchClosureRequest(_message.Message):
    __slots__ = ("step_id",)
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    def __init__(self, step_id: _Optional[str] = ...) -> None: ...

class WatchClosureResponse(_message.Message):
    __slots__ = ("closure",)
    CLOSURE_FIELD_NUMBER: _ClassVar[int]
    closure: _types_pb2.Closure
    def __init__(self, closure: _Optional[_Union[_types_pb2.Closure, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("run_id", "agent", "states", "page_size", "page_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    agent: str
    states: _containers.RepeatedScalarFieldContainer[_types_pb2.StepState]
    page_size: int
    page_token: str
    def __init__(self, run_id: _Optional[str] = ..., agent: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_types_pb2.StepState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("steps", "next_page_token")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    next_page_token: str
    def __init__(self, steps: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class EnrollRequest(_message.Message):
    __slots__ = ("pid",)
    PID_FIELD_NUMBER: _ClassVar[int]
    pid: int
    def __init__(self, pid: _Optional[int] = ...) -> None: ...

class EnrollResponse(_message.Message):
    __slots__ = ("process", "sequence")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    process: _types_pb2.Process
    sequence: int
    def __init__(self, process: _Optional[_Union[_types_pb2.Process, _Mapping]] = ..., sequence: _Optional[int] = ...) -> None: ...

class GetTreeRequest(_message.Message):
    __slots__ = ("step_id", "name")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    name: _types_pb2.StepName
    def __init__(self, step_id: _Optional[str] = ..., name: _Optional[_Union[_types_pb2.StepName, _Mapping]] = ...) -> None: ...

class GetTreeResponse(_message.Message):
    __slots__ = ("step_id", "steps", "hidden", "truncated")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    steps: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    hidden: int
    truncated: bool
    def __init__(self, step_id: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., hidden: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...
