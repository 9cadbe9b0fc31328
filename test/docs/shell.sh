# Credentials in a shell; run by examples.test.ts with `$grant` and `$resource` of a broker where the agent `researcher` may read.
set -eu

# region jwt
stint step run --run nightly --step print --agent researcher --grant "$grant" -- \
  stint svid jwt --audience "$resource"
# endregion

# region x509
stint step run --run nightly --step write --agent researcher -- \
  sh -c 'exec stint svid x509 --out ./svid' # svid.pem, svid_key.pem, svid_bundle.pem
# endregion

# region pkcs12
stint step run --run nightly --step java --agent researcher -- \
  stint svid x509 --out ./svid --format pkcs12 --password-file ./password # svid.p12
# endregion
