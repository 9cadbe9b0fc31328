set -eu
#region apply
skopeo copy oci-archive:dist/image/stint.oci.tar docker://registry.example.org/stint:0.2.0
kubectl apply -f deploy/kubernetes/stint.yaml
kubectl get --raw /openid/v1/jwks > jwks.json
kubectl -n stint create configmap stint-cluster-keys --from-file=jwks.json
kubectl label namespace agents stint.example.org/client=true
#endregion
#region look
stint() {
  kubectl -n stint exec stint-0 -c stintd -- stint --operator-socket /run/stint/sockets/operator.sock "$@"
}
stint status
stint history steps
#endregion
#region bundle
stint federation bundles | jq '.trust_domains["example.org"]' > bundle.json
kubectl -n agents create configmap stint-bundle --from-file=bundle.json
#endregion
#region nodes
kubectl apply -f deploy/kubernetes/node.yaml
kubectl -n stint-node create configmap stint-bundle --from-file=bundle.json
kubectl -n stint-node rollout status daemonset/stint-node
#endregion
