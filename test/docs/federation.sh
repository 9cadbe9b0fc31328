# Commands of the documentation; run by federation-example.test.ts at a broker, beside the bundles of supplier.example.
set -eu

# region create
# By a certificate of the web.
stint federation create partner.example --profile https_web --url https://stint.partner.example:8443/spiffe-bundle.json

# By an X.509-SVID. The first bundle comes by another way: it is what the endpoint is recognised by.
stint federation create supplier.example --profile https_spiffe --url https://stint.supplier.example:8443/spiffe-bundle.json \
  --endpoint-spiffe-id spiffe://supplier.example/stint/server --bundle supplier-bundles.json
# endregion

# region look
stint federation list
stint federation show supplier.example               # which bundle is in force, and why the last attempt brought nothing
stint federation delete partner.example              # from now on nobody of it is believed
# endregion
