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

class IssueX509SvidRequest(_message.Message):
    __slots__ = ("step_id", "csr")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    csr: bytes
    def __init__(self, step_id: _Optional[str] = ..., csr: _Optional[bytes] = ...) -> None: ...

class IssueX509SvidResponse(_message.Message):
    __slots__ = ("svid",)
    SVID_FIELD_NUMBER: _ClassVar[int]
    svid: X509Svid
    def __init__(self, svid: _Optional[_Union[X509Svid, _Mapping]] = ...) -> None: ...

class IssueJwtSvidRequest(_message.Message):
    __slots__ = ("step_id", "wanted")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    wanted: JwtSvidWanted
    def __init__(self, step_id: _Optional[str] = ..., wanted: _Optional[_Union[JwtSvidWanted, _Mapping]] = ...) -> None: ...

class IssueJwtSvidResponse(_message.Message):
    __slots__ = ("svid",)
    SVID_FIELD_NUMBER: _ClassVar[int]
    svid: JwtSvid
    def __init__(self, svid: _Optional[_Union[JwtSvid, _Mapping]] = ...) -> None: ...

class IssueJwtSvidsRequest(_message.Message):
    __slots__ = ("step_id", "wanted")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    wanted: _containers.RepeatedCompositeFieldContainer[JwtSvidWanted]
    def __init__(self, step_id: _Optional[str] = ..., wanted: _Optional[_Iterable[_Union[JwtSvidWanted, _Mapping]]] = ...) -> None: ...

class IssueJwtSvidsResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[JwtSvidOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[JwtSvidOutcome, _Mapping]]] = ...) -> None: ...

class IssueWitSvidRequest(_message.Message):
    __slots__ = ("step_id", "jwk")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    JWK_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    jwk: str
    def __init__(self, step_id: _Optional[str] = ..., jwk: _Optional[str] = ...) -> None: ...

class IssueWitSvidResponse(_message.Message):
    __slots__ = ("svid",)
    SVID_FIELD_NUMBER: _ClassVar[int]
    svid: WitSvid
    def __init__(self, svid: _Optional[_Union[WitSvid, _Mapping]] = ...) -> None: ...

class IssueTxnTokenRequest(_message.Message):
    __slots__ = ("step_id", "location", "grant")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    location: str
    grant: _types_pb2.Grant
    def __init__(self, step_id: _Optional[str] = ..., location: _Optional[str] = ..., grant: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ...) -> None: ...

class IssueTxnTokenResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: TxnToken
    def __init__(self, token: _Optional[_Union[TxnToken, _Mapping]] = ...) -> None: ...

class IssueDelegationTokenRequest(_message.Message):
    __slots__ = ("step_id", "runtime", "grant", "uses", "ttl")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    runtime: str
    grant: _types_pb2.Grant
    uses: int
    ttl: _duration_pb2.Duration
    def __init__(self, step_id: _Optional[str] = ..., runtime: _Optional[str] = ..., grant: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., uses: _Optional[int] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class IssueDelegationTokenResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: DelegationToken
    def __init__(self, token: _Optional[_Union[DelegationToken, _Mapping]] = ...) -> None: ...

class JwtSvidOutcome(_message.Message):
    __slots__ = ("svid", "refusal")
    SVID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    svid: JwtSvid
    refusal: Refusal
    def __init__(self, svid: _Optional[_Union[JwtSvid, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class JwtSvidWanted(_message.Message):
    __slots__ = ("audiences", "grant", "cnf")
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    CNF_FIELD_NUMBER: _ClassVar[int]
    audiences: _containers.RepeatedScalarFieldContainer[str]
    grant: _types_pb2.Grant
    cnf: Confirmation
    def __init__(self, audiences: _Optional[_Iterable[str]] = ..., grant: _Optional[_Union[_types_pb2.Grant, _Mapping]] = ..., cnf: _Optional[_Union[Confirmation, _Mapping]] = ...) -> None: ...

class Confirmation(_message.Message):
    __slots__ = ("x5t_s256", "jkt")
    X5T_S256_FIELD_NUMBER: _ClassVar[int]
    JKT_FIELD_NUMBER: _ClassVar[int]
    x5t_s256: bytes
    jkt: bytes
    def __init__(self, x5t_s256: _Optional[bytes] = ..., jkt: _Optional[bytes] = ...) -> None: ...

class X509Svid(_message.Message):
    __slots__ = ("issuance_id", "spiffe_id", "x509_svid", "bundle", "expires_at")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    X509_SVID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    spiffe_id: str
    x509_svid: _containers.RepeatedScalarFieldContainer[bytes]
    bundle: _containers.RepeatedScalarFieldContainer[bytes]
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, issuance_id: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., x509_svid: _Optional[_Iterable[bytes]] = ..., bundle: _Optional[_Iterable[bytes]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JwtSvid(_message.Message):
    __slots__ = ("issuance_id", "spiffe_id", "svid", "expires_at")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    SVID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    spiffe_id: str
    svid: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, issuance_id: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., svid: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WitSvid(_message.Message):
    __slots__ = ("issuance_id", "spiffe_id", "svid", "expires_at")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    SVID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    spiffe_id: str
    svid: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, issuance_id: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., svid: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TxnToken(_message.Message):
    __slots__ = ("issuance_id", "spiffe_id", "token", "expires_at")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    spiffe_id: str
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, issuance_id: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DelegationToken(_message.Message):
    __slots__ = ("issuance_id", "spiffe_id", "token", "expires_at")
    ISSUANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    issuance_id: str
    spiffe_id: str
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, issuance_id: _Optional[str] = ..., spiffe_id: _Optional[str] = ..., token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExchangeRequest(_message.Message):
    __slots__ = ("step_id", "target", "request_id")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    target: str
    request_id: str
    def __init__(self, step_id: _Optional[str] = ..., target: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExchangeResponse(_message.Message):
    __slots__ = ("exchange_id", "target", "kind", "secret", "expires_at", "ends_with_step")
    class SecretEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_WITH_STEP_FIELD_NUMBER: _ClassVar[int]
    exchange_id: str
    target: str
    kind: str
    secret: _containers.ScalarMap[str, str]
    expires_at: _timestamp_pb2.Timestamp
    ends_with_step: bool
    def __init__(self, exchange_id: _Optional[str] = ..., target: _Optional[str] = ..., kind: _Optional[str] = ..., secret: _Optional[_Mapping[str, str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_with_step: _Optional[bool] = ...) -> None: ...
