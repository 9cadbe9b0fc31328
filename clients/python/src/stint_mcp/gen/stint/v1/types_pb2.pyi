import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StepState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STEP_STATE_UNSPECIFIED: _ClassVar[StepState]
    STEP_STATE_PENDING_APPROVAL: _ClassVar[StepState]
    STEP_STATE_OPEN: _ClassVar[StepState]
    STEP_STATE_COMPLETED: _ClassVar[StepState]
    STEP_STATE_FAILED: _ClassVar[StepState]
    STEP_STATE_CANCELLED: _ClassVar[StepState]
    STEP_STATE_EXPIRED: _ClassVar[StepState]
    STEP_STATE_ABANDONED: _ClassVar[StepState]
    STEP_STATE_SUPERSEDED: _ClassVar[StepState]
    STEP_STATE_REVOKED: _ClassVar[StepState]
    STEP_STATE_REFUSED: _ClassVar[StepState]

class ExecutorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTOR_KIND_UNSPECIFIED: _ClassVar[ExecutorKind]
    EXECUTOR_KIND_PROCESS: _ClassVar[ExecutorKind]
    EXECUTOR_KIND_ANY: _ClassVar[ExecutorKind]
    EXECUTOR_KIND_TREE: _ClassVar[ExecutorKind]

class SvidKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SVID_KIND_UNSPECIFIED: _ClassVar[SvidKind]
    SVID_KIND_X509: _ClassVar[SvidKind]
    SVID_KIND_JWT: _ClassVar[SvidKind]
    SVID_KIND_WIT: _ClassVar[SvidKind]
    SVID_KIND_TXN_TOKEN: _ClassVar[SvidKind]

class IssuanceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ISSUANCE_STATE_UNSPECIFIED: _ClassVar[IssuanceState]
    ISSUANCE_STATE_LIVE: _ClassVar[IssuanceState]
    ISSUANCE_STATE_EXPIRED: _ClassVar[IssuanceState]
    ISSUANCE_STATE_REVOKED: _ClassVar[IssuanceState]
    ISSUANCE_STATE_UNDELIVERED: _ClassVar[IssuanceState]

class ReceiptState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEIPT_STATE_UNSPECIFIED: _ClassVar[ReceiptState]
    RECEIPT_STATE_APPLIED: _ClassVar[ReceiptState]
    RECEIPT_STATE_PENDING: _ClassVar[ReceiptState]
    RECEIPT_STATE_DISCONNECTED: _ClassVar[ReceiptState]
    RECEIPT_STATE_LAPSED: _ClassVar[ReceiptState]

class ClosureState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOSURE_STATE_UNSPECIFIED: _ClassVar[ClosureState]
    CLOSURE_STATE_CLOSED: _ClassVar[ClosureState]
    CLOSURE_STATE_PARTIAL: _ClassVar[ClosureState]
    CLOSURE_STATE_UNKNOWN: _ClassVar[ClosureState]

class ExchangeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXCHANGE_STATE_UNSPECIFIED: _ClassVar[ExchangeState]
    EXCHANGE_STATE_INTENDED: _ClassVar[ExchangeState]
    EXCHANGE_STATE_ISSUED: _ClassVar[ExchangeState]
    EXCHANGE_STATE_UNKNOWN: _ClassVar[ExchangeState]
    EXCHANGE_STATE_FAILED: _ClassVar[ExchangeState]
    EXCHANGE_STATE_ENDED: _ClassVar[ExchangeState]
    EXCHANGE_STATE_LAPSED: _ClassVar[ExchangeState]

class Standing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STANDING_UNSPECIFIED: _ClassVar[Standing]
    STANDING_HELD: _ClassVar[Standing]
    STANDING_ENDING: _ClassVar[Standing]
    STANDING_LAPSING: _ClassVar[Standing]
STEP_STATE_UNSPECIFIED: StepState
STEP_STATE_PENDING_APPROVAL: StepState
STEP_STATE_OPEN: StepState
STEP_STATE_COMPLETED: StepState
STEP_STATE_FAILED: StepState
STEP_STATE_CANCELLED: StepState
STEP_STATE_EXPIRED: StepState
STEP_STATE_ABANDONED: StepState
STEP_STATE_SUPERSEDED: StepState
STEP_STATE_REVOKED: StepState
STEP_STATE_REFUSED: StepState
EXECUTOR_KIND_UNSPECIFIED: ExecutorKind
EXECUTOR_KIND_PROCESS: ExecutorKind
EXECUTOR_KIND_ANY: ExecutorKind
EXECUTOR_KIND_TREE: ExecutorKind
SVID_KIND_UNSPECIFIED: SvidKind
SVID_KIND_X509: SvidKind
SVID_KIND_JWT: SvidKind
SVID_KIND_WIT: SvidKind
SVID_KIND_TXN_TOKEN: SvidKind
ISSUANCE_STATE_UNSPECIFIED: IssuanceState
ISSUANCE_STATE_LIVE: IssuanceState
ISSUANCE_STATE_EXPIRED: IssuanceState
ISSUANCE_STATE_REVOKED: IssuanceState
ISSUANCE_STATE_UNDELIVERED: IssuanceState
RECEIPT_STATE_UNSPECIFIED: ReceiptState
RECEIPT_STATE_APPLIED: ReceiptState
RECEIPT_STATE_PENDING: ReceiptState
RECEIPT_STATE_DISCONNECTED: ReceiptState
RECEIPT_STATE_LAPSED: ReceiptState
CLOSURE_STATE_UNSPECIFIED: ClosureState
CLOSURE_STATE_CLOSED: ClosureState
CLOSURE_STATE_PARTIAL: ClosureState
CLOSURE_STATE_UNKNOWN: ClosureState
EXCHANGE_STATE_UNSPECIFIED: ExchangeState
EXCHANGE_STATE_INTENDED: ExchangeState
EXCHANGE_STATE_ISSUED: ExchangeState
EXCHANGE_STATE_UNKNOWN: ExchangeState
EXCHANGE_STATE_FAILED: ExchangeState
EXCHANGE_STATE_ENDED: ExchangeState
EXCHANGE_STATE_LAPSED: ExchangeState
STANDING_UNSPECIFIED: Standing
STANDING_HELD: Standing
STANDING_ENDING: Standing
STANDING_LAPSING: Standing

class GrantElement(_message.Message):
    __slots__ = ("type", "locations", "identifier", "actions", "datatypes", "max_calls", "definition_sha256")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LOCATIONS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DATATYPES_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_SHA256_FIELD_NUMBER: _ClassVar[int]
    type: str
    locations: _containers.RepeatedScalarFieldContainer[str]
    identifier: str
    actions: _containers.RepeatedScalarFieldContainer[str]
    datatypes: _containers.RepeatedScalarFieldContainer[str]
    max_calls: int
    definition_sha256: str
    def __init__(self, type: _Optional[str] = ..., locations: _Optional[_Iterable[str]] = ..., identifier: _Optional[str] = ..., actions: _Optional[_Iterable[str]] = ..., datatypes: _Optional[_Iterable[str]] = ..., max_calls: _Optional[int] = ..., definition_sha256: _Optional[str] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("elements",)
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    elements: _containers.RepeatedCompositeFieldContainer[GrantElement]
    def __init__(self, elements: _Optional[_Iterable[_Union[GrantElement, _Mapping]]] = ...) -> None: ...

class StepName(_message.Message):
    __slots__ = ("run_id", "step", "attempt")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: str
    attempt: int
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class Process(_message.Message):
    __slots__ = ("boot_id", "pid_namespace", "pid", "start_time_ticks")
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    PID_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_TICKS_FIELD_NUMBER: _ClassVar[int]
    boot_id: str
    pid_namespace: str
    pid: int
    start_time_ticks: int
    def __init__(self, boot_id: _Optional[str] = ..., pid_namespace: _Optional[str] = ..., pid: _Optional[int] = ..., start_time_ticks: _Optional[int] = ...) -> None: ...

class Executor(_message.Message):
    __slots__ = ("self", "pid", "any", "tree")
    class Self(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Any(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Tree(_message.Message):
        __slots__ = ("pid",)
        PID_FIELD_NUMBER: _ClassVar[int]
        pid: int
        def __init__(self, pid: _Optional[int] = ...) -> None: ...
    SELF_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    ANY_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    self: Executor.Self
    pid: int
    any: Executor.Any
    tree: Executor.Tree
    def __init__(self_, self: _Optional[_Union[Executor.Self, _Mapping]] = ..., pid: _Optional[int] = ..., any: _Optional[_Union[Executor.Any, _Mapping]] = ..., tree: _Optional[_Union[Executor.Tree, _Mapping]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("step_id", "name", "agent", "spiffe_id", "state", "workflow", "purpose", "grant", "audiences", "opened_at", "expires_at", "lease", "lease_expires_at", "parent_step_id", "closed_at", "close_reason", "decision_id", "opener", "executor", "opened_sequence", "closed_sequence", "executor_kind", "principal", "delegation_jti", "close_decision_id", "approval")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PARENT_STEP_ID_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSE_REASON_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    OPENER_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    OPENED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOSED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_KIND_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    DELEGATION_JTI_FIELD_NUMBER: _ClassVar[int]
    CLOSE_DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    name: StepName
    agent: str
    spiffe_id: str
    state: StepState
    workflow: str
    purpose: str
    grant: Grant
    audiences: _containers.RepeatedScalarFieldContainer[str]
    opened_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    lease: _duration_pb2.Duration
    lease_expires_at: _timestamp_pb2.Timestamp
    parent_step_id: str
    closed_at: _timestamp_pb2.Timestamp
    close_reason: str
    decision_id: str
    opener: Process
    executor: Process
    opened_sequence: int
    closed_sequence: int
    executor_kind: ExecutorKind
    principal: StepPrincipal
    delegation_jti: str
    close_decision_id: str
    approval: StepApproval
    def __init__(self, step_id: _Optional[str] = ..., name: _Optional[_Union[StepName, _Mapping]] = ..., agent: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., state: _Optional[_Union[StepState, str]] = ..., workflow: _Optional[str] = ..., purpose: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., audiences: _Optional[_Iterable[str]] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parent_step_id: _Optional[str] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_reason: _Optional[str] = ..., decision_id: _Optional[str] = ..., opener: _Optional[_Union[Process, _Mapping]] = ..., executor: _Optional[_Union[Process, _Mapping]] = ..., opened_sequence: _Optional[int] = ..., closed_sequence: _Optional[int] = ..., executor_kind: _Optional[_Union[ExecutorKind, str]] = ..., principal: _Optional[_Union[StepPrincipal, _Mapping]] = ..., delegation_jti: _Optional[str] = ..., close_decision_id: _Optional[str] = ..., approval: _Optional[_Union[StepApproval, _Mapping]] = ...) -> None: ...

class StepApproval(_message.Message):
    __slots__ = ("role", "policies", "until", "step_duration", "request_digest", "requester_uids", "answer")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    STEP_DURATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_UIDS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    role: str
    policies: _containers.RepeatedScalarFieldContainer[str]
    until: _timestamp_pb2.Timestamp
    step_duration: _duration_pb2.Duration
    request_digest: str
    requester_uids: _containers.RepeatedScalarFieldContainer[int]
    answer: ApprovalAnswer
    def __init__(self, role: _Optional[str] = ..., policies: _Optional[_Iterable[str]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_digest: _Optional[str] = ..., requester_uids: _Optional[_Iterable[int]] = ..., answer: _Optional[_Union[ApprovalAnswer, _Mapping]] = ...) -> None: ...

class ApprovalAnswer(_message.Message):
    __slots__ = ("approved", "entry_id", "reason", "answered_at", "uid")
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    approved: bool
    entry_id: str
    reason: str
    answered_at: _timestamp_pb2.Timestamp
    uid: int
    def __init__(self, approved: _Optional[bool] = ..., entry_id: _Optional[str] = ..., reason: _Optional[str] = ..., answered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uid: _Optional[int] = ...) -> None: ...

class StepPrincipal(_message.Message):
    __slots__ = ("principal_id", "issuer", "subject")
    PRINCIPAL_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    principal_id: str
    issuer: str
    subject: str
    def __init__(self, principal_id: _Optional[str] = ..., issuer: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class Issuance(_message.Message):
    __slots__ = ("issuance_id", "kind", "spiffe_id", "step_id", "step_name", "entry_id", "serial_number", "jti", "audiences", "grant", "not_before", "expires_at", "to_be_signed_sha256", "authority_id", "issued_at", "state", "revoked_at", "revocation_reason", "sequence", "agent")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    JTI_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    TO_BE_SIGNED_SHA256_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_REASON_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    kind: SvidKind
    spiffe_id: str
    step_id: str
    step_name: StepName
    entry_id: str
    serial_number: str
    jti: str
    audiences: _containers.RepeatedScalarFieldContainer[str]
    grant: Grant
    not_before: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    to_be_signed_sha256: bytes
    authority_id: str
    issued_at: _timestamp_pb2.Timestamp
    state: IssuanceState
    revoked_at: _timestamp_pb2.Timestamp
    revocation_reason: str
    sequence: int
    agent: str
    def __init__(self, issuance_id: _Optional[str] = ..., kind: _Optional[_Union[SvidKind, str]] = ..., spiffe_id: _Optional[str] = ..., step_id: _Optional[str] = ..., step_name: _Optional[_Union[StepName, _Mapping]] = ..., entry_id: _Optional[str] = ..., serial_number: _Optional[str] = ..., jti: _Optional[str] = ..., audiences: _Optional[_Iterable[str]] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_be_signed_sha256: _Optional[bytes] = ..., authority_id: _Optional[str] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[IssuanceState, str]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revocation_reason: _Optional[str] = ..., sequence: _Optional[int] = ..., agent: _Optional[str] = ...) -> None: ...

class Receipts(_message.Message):
    __slots__ = ("expected", "applied", "verifiers", "latest_possible_acceptance")
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    VERIFIERS_FIELD_NUMBER: _ClassVar[int]
    LATEST_POSSIBLE_ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    expected: int
    applied: int
    verifiers: _containers.RepeatedCompositeFieldContainer[Receipt]
    latest_possible_acceptance: _timestamp_pb2.Timestamp
    def __init__(self, expected: _Optional[int] = ..., applied: _Optional[int] = ..., verifiers: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., latest_possible_acceptance: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("verifier", "state", "applied_at", "lapses_at", "signed")
    VERIFIER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    APPLIED_AT_FIELD_NUMBER: _ClassVar[int]
    LAPSES_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    verifier: str
    state: ReceiptState
    applied_at: _timestamp_pb2.Timestamp
    lapses_at: _timestamp_pb2.Timestamp
    signed: SignedReceipt
    def __init__(self, verifier: _Optional[str] = ..., state: _Optional[_Union[ReceiptState, str]] = ..., applied_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lapses_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signed: _Optional[_Union[SignedReceipt, _Mapping]] = ...) -> None: ...

class SignedReceipt(_message.Message):
    __slots__ = ("verifier", "epoch", "sequence", "at", "key", "signature")
    VERIFIER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    verifier: str
    epoch: str
    sequence: int
    at: _timestamp_pb2.Timestamp
    key: str
    signature: bytes
    def __init__(self, verifier: _Optional[str] = ..., epoch: _Optional[str] = ..., sequence: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., key: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Closure(_message.Message):
    __slots__ = ("state", "closed_sequence", "places", "verifiers", "exchanges", "latest_possible_acceptance", "reached_at")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CLOSED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    VERIFIERS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    LATEST_POSSIBLE_ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    REACHED_AT_FIELD_NUMBER: _ClassVar[int]
    state: ClosureState
    closed_sequence: int
    places: _containers.RepeatedCompositeFieldContainer[ClosurePlace]
    verifiers: _containers.RepeatedCompositeFieldContainer[Receipt]
    exchanges: _containers.RepeatedCompositeFieldContainer[UnconfirmedExchange]
    latest_possible_acceptance: _timestamp_pb2.Timestamp
    reached_at: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[ClosureState, str]] = ..., closed_sequence: _Optional[int] = ..., places: _Optional[_Iterable[_Union[ClosurePlace, _Mapping]]] = ..., verifiers: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., exchanges: _Optional[_Iterable[_Union[UnconfirmedExchange, _Mapping]]] = ..., latest_possible_acceptance: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reached_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ClosurePlace(_message.Message):
    __slots__ = ("audience", "credentials", "latest_expiry", "leeway", "state", "until")
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    LATEST_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    LEEWAY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    audience: str
    credentials: int
    latest_expiry: _timestamp_pb2.Timestamp
    leeway: _duration_pb2.Duration
    state: ClosureState
    until: _timestamp_pb2.Timestamp
    def __init__(self, audience: _Optional[str] = ..., credentials: _Optional[int] = ..., latest_expiry: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., leeway: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[ClosureState, str]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UnconfirmedExchange(_message.Message):
    __slots__ = ("exchange_id", "target")
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    exchange_id: str
    target: str
    def __init__(self, exchange_id: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class Exchange(_message.Message):
    __slots__ = ("exchange_id", "step_id", "step_name", "agent", "target", "kind", "state", "intended_at", "expires_at", "ended_at", "reference", "failure", "endable", "issuance_id", "sequence")
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INTENDED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENDABLE_FIELD_NUMBER: _ClassVar[int]
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    exchange_id: str
    step_id: str
    step_name: StepName
    agent: str
    target: str
    kind: str
    state: ExchangeState
    intended_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    reference: str
    failure: str
    endable: bool
    issuance_id: str
    sequence: int
    def __init__(self, exchange_id: _Optional[str] = ..., step_id: _Optional[str] = ..., step_name: _Optional[_Union[StepName, _Mapping]] = ..., agent: _Optional[str] = ..., target: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[ExchangeState, str]] = ..., intended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reference: _Optional[str] = ..., failure: _Optional[str] = ..., endable: _Optional[bool] = ..., issuance_id: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class StandingExchange(_message.Message):
    __slots__ = ("exchange_id", "step_id", "target", "kind", "expires_at", "standing", "failure")
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    exchange_id: str
    step_id: str
    target: str
    kind: str
    expires_at: _timestamp_pb2.Timestamp
    standing: Standing
    failure: str
    def __init__(self, exchange_id: _Optional[str] = ..., step_id: _Optional[str] = ..., target: _Optional[str] = ..., kind: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., standing: _Optional[_Union[Standing, str]] = ..., failure: _Optional[str] = ...) -> None: ...
