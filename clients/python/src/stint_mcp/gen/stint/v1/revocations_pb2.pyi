import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stint_mcp.gen.stint.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchRequest(_message.Message):
    __slots__ = ("hello", "ping", "acknowledge")
    class Hello(_message.Message):
        __slots__ = ("cursor", "audiences", "max_staleness", "signs_receipts")
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        AUDIENCES_FIELD_NUMBER: _ClassVar[int]
        MAX_STALENESS_FIELD_NUMBER: _ClassVar[int]
        SIGNS_RECEIPTS_FIELD_NUMBER: _ClassVar[int]
        cursor: bytes
        audiences: _containers.RepeatedScalarFieldContainer[str]
        max_staleness: _duration_pb2.Duration
        signs_receipts: bool
        def __init__(self, cursor: _Optional[bytes] = ..., audiences: _Optional[_Iterable[str]] = ..., max_staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., signs_receipts: _Optional[bool] = ...) -> None: ...
    class Ping(_message.Message):
        __slots__ = ("nonce",)
        NONCE_FIELD_NUMBER: _ClassVar[int]
        nonce: bytes
        def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...
    class Acknowledge(_message.Message):
        __slots__ = ("cursor", "signature")
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        SIGNATURE_FIELD_NUMBER: _ClassVar[int]
        cursor: bytes
        signature: WatchRequest.Signature
        def __init__(self, cursor: _Optional[bytes] = ..., signature: _Optional[_Union[WatchRequest.Signature, _Mapping]] = ...) -> None: ...
    class Signature(_message.Message):
        __slots__ = ("sequence", "at", "signature")
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        AT_FIELD_NUMBER: _ClassVar[int]
        SIGNATURE_FIELD_NUMBER: _ClassVar[int]
        sequence: int
        at: _timestamp_pb2.Timestamp
        signature: bytes
        def __init__(self, sequence: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signature: _Optional[bytes] = ...) -> None: ...
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    hello: WatchRequest.Hello
    ping: WatchRequest.Ping
    acknowledge: WatchRequest.Acknowledge
    def __init__(self, hello: _Optional[_Union[WatchRequest.Hello, _Mapping]] = ..., ping: _Optional[_Union[WatchRequest.Ping, _Mapping]] = ..., acknowledge: _Optional[_Union[WatchRequest.Acknowledge, _Mapping]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("snapshot", "denied", "pong", "bundle", "welcome")
    class Welcome(_message.Message):
        __slots__ = ("verifier", "epoch")
        VERIFIER_FIELD_NUMBER: _ClassVar[int]
        EPOCH_FIELD_NUMBER: _ClassVar[int]
        verifier: str
        epoch: str
        def __init__(self, verifier: _Optional[str] = ..., epoch: _Optional[str] = ...) -> None: ...
    class Snapshot(_message.Message):
        __slots__ = ("denials", "last", "cursor")
        DENIALS_FIELD_NUMBER: _ClassVar[int]
        LAST_FIELD_NUMBER: _ClassVar[int]
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        denials: _containers.RepeatedCompositeFieldContainer[Denial]
        last: bool
        cursor: bytes
        def __init__(self, denials: _Optional[_Iterable[_Union[Denial, _Mapping]]] = ..., last: _Optional[bool] = ..., cursor: _Optional[bytes] = ...) -> None: ...
    class Denied(_message.Message):
        __slots__ = ("denials", "cursor")
        DENIALS_FIELD_NUMBER: _ClassVar[int]
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        denials: _containers.RepeatedCompositeFieldContainer[Denial]
        cursor: bytes
        def __init__(self, denials: _Optional[_Iterable[_Union[Denial, _Mapping]]] = ..., cursor: _Optional[bytes] = ...) -> None: ...
    class Pong(_message.Message):
        __slots__ = ("nonce", "broker_time", "sequence", "cursor")
        NONCE_FIELD_NUMBER: _ClassVar[int]
        BROKER_TIME_FIELD_NUMBER: _ClassVar[int]
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        nonce: bytes
        broker_time: _timestamp_pb2.Timestamp
        sequence: int
        cursor: bytes
        def __init__(self, nonce: _Optional[bytes] = ..., broker_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ..., cursor: _Optional[bytes] = ...) -> None: ...
    class Bundle(_message.Message):
        __slots__ = ("trust_domain", "jwks", "issuer", "development", "federated", "txn_token_jwks")
        TRUST_DOMAIN_FIELD_NUMBER: _ClassVar[int]
        JWKS_FIELD_NUMBER: _ClassVar[int]
        ISSUER_FIELD_NUMBER: _ClassVar[int]
        DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
        FEDERATED_FIELD_NUMBER: _ClassVar[int]
        TXN_TOKEN_JWKS_FIELD_NUMBER: _ClassVar[int]
        trust_domain: str
        jwks: bytes
        issuer: str
        development: bool
        federated: bool
        txn_token_jwks: bytes
        def __init__(self, trust_domain: _Optional[str] = ..., jwks: _Optional[bytes] = ..., issuer: _Optional[str] = ..., development: _Optional[bool] = ..., federated: _Optional[bool] = ..., txn_token_jwks: _Optional[bytes] = ...) -> None: ...
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    snapshot: WatchResponse.Snapshot
    denied: WatchResponse.Denied
    pong: WatchResponse.Pong
    bundle: WatchResponse.Bundle
    welcome: WatchResponse.Welcome
    def __init__(self, snapshot: _Optional[_Union[WatchResponse.Snapshot, _Mapping]] = ..., denied: _Optional[_Union[WatchResponse.Denied, _Mapping]] = ..., pong: _Optional[_Union[WatchResponse.Pong, _Mapping]] = ..., bundle: _Optional[_Union[WatchResponse.Bundle, _Mapping]] = ..., welcome: _Optional[_Union[WatchResponse.Welcome, _Mapping]] = ...) -> None: ...

class Denial(_message.Message):
    __slots__ = ("step", "jwt", "certificate", "reason", "state", "sequence", "forget_after")
    STEP_FIELD_NUMBER: _ClassVar[int]
    JWT_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FORGET_AFTER_FIELD_NUMBER: _ClassVar[int]
    step: DeniedStep
    jwt: DeniedJwt
    certificate: DeniedCertificate
    reason: str
    state: _types_pb2.StepState
    sequence: int
    forget_after: _timestamp_pb2.Timestamp
    def __init__(self, step: _Optional[_Union[DeniedStep, _Mapping]] = ..., jwt: _Optional[_Union[DeniedJwt, _Mapping]] = ..., certificate: _Optional[_Union[DeniedCertificate, _Mapping]] = ..., reason: _Optional[str] = ..., state: _Optional[_Union[_types_pb2.StepState, str]] = ..., sequence: _Optional[int] = ..., forget_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeniedStep(_message.Message):
    __slots__ = ("step_id", "spiffe_id_sha256")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_SHA256_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    spiffe_id_sha256: bytes
    def __init__(self, step_id: _Optional[str] = ..., spiffe_id_sha256: _Optional[bytes] = ...) -> None: ...

class DeniedJwt(_message.Message):
    __slots__ = ("issuer", "jti")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    JTI_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    jti: str
    def __init__(self, issuer: _Optional[str] = ..., jti: _Optional[str] = ...) -> None: ...

class DeniedCertificate(_message.Message):
    __slots__ = ("issuer", "serial_number")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    issuer: bytes
    serial_number: str
    def __init__(self, issuer: _Optional[bytes] = ..., serial_number: _Optional[str] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("jti", "serial_number", "step_id", "run_id", "agent", "process", "principal", "entry", "decision_id", "key", "principal_id", "reason", "dry_run")
    JTI_FIELD_NUMBER: _ClassVar[int]
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    jti: str
    serial_number: str
    step_id: str
    run_id: str
    agent: str
    process: _types_pb2.Process
    principal: Principal
    entry: str
    decision_id: str
    key: str
    principal_id: str
    reason: str
    dry_run: bool
    def __init__(self, jti: _Optional[str] = ..., serial_number: _Optional[str] = ..., step_id: _Optional[str] = ..., run_id: _Optional[str] = ..., agent: _Optional[str] = ..., process: _Optional[_Union[_types_pb2.Process, _Mapping]] = ..., principal: _Optional[_Union[Principal, _Mapping]] = ..., entry: _Optional[str] = ..., decision_id: _Optional[str] = ..., key: _Optional[str] = ..., principal_id: _Optional[str] = ..., reason: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class Principal(_message.Message):
    __slots__ = ("issuer", "subject")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    subject: str
    def __init__(self, issuer: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("sequence", "steps_closed", "credentials_revoked", "truncated", "steps_closed_count", "credentials_revoked_count", "exchanges")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STEPS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_REVOKED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    STEPS_CLOSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_REVOKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    steps_closed: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    credentials_revoked: _containers.RepeatedCompositeFieldContainer[_types_pb2.Issuance]
    truncated: bool
    steps_closed_count: int
    credentials_revoked_count: int
    exchanges: _containers.RepeatedCompositeFieldContainer[_types_pb2.Exchange]
    def __init__(self, sequence: _Optional[int] = ..., steps_closed: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., credentials_revoked: _Optional[_Iterable[_Union[_types_pb2.Issuance, _Mapping]]] = ..., truncated: _Optional[bool] = ..., steps_closed_count: _Optional[int] = ..., credentials_revoked_count: _Optional[int] = ..., exchanges: _Optional[_Iterable[_Union[_types_pb2.Exchange, _Mapping]]] = ...) -> None: ...
