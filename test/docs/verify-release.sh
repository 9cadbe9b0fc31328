# Was this list of digests signed by the key?
ssh-keygen -Y verify -f stint-release.allowed -I release -n stint-release -s SHA256SUMS.sig < SHA256SUMS
# Are the files that are here those of the list?
sha256sum --check --ignore-missing SHA256SUMS
