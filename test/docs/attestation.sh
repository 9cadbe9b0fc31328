set -eu
#region ca
openssl x509 -in machines-ca.pem -outform der | sha256sum
#endregion
#region jwks
kubectl get --raw /.well-known/openid-configuration # "issuer"
kubectl get --raw /openid/v1/jwks > kubernetes-jwks.json
#endregion
#region join-token
stint join-token create worker --ttl 10m > worker.token # shown once: the broker keeps its digest
stint join-token list
stint join-token revoke worker # those that nobody has used
#endregion
