#!/bin/sh
# What an operator does with the Debian package on a machine with systemd, as root on one of which nothing is kept: `under-systemd.sh PACKAGE`. Says
# what came of it, a line each; what goes wrong ends it.
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive NO_COLOR=1

# The broker serves once its sockets answer: it says so to nobody but its log.
ready() {
  for _ in $(seq 300); do
    if runuser --user alice -- stint status > /dev/null 2>&1; then
      echo "$1 ready, restarts $(systemctl show stintd --property NRestarts --value)"
      return
    fi
    sleep 0.2
  done
  systemctl status stintd --no-pager --lines 40
  exit 1
}
pid() { systemctl show stintd --property MainPID --value; }

dpkg --install "$1"
for user in flow alice; do adduser --quiet --disabled-password --gecos "" "$user"; done
adduser --quiet alice stint-operators
cat > /etc/stint/stint.yaml <<'EOF'
trust_domain: example.org
issuer: https://stint.example.org:8443
data_directory: /var/lib/stint
workload: { socket: /run/stint/workload.sock, mode: "0666" }
operator: { socket: /run/stint/operator.sock, group: stint-operators }
http: { listen: "127.0.0.1:0", plain_on_loopback: true }
operations: { listen: "127.0.0.1:0", plain_on_loopback: true }
entries:
  - { kind: operator, name: alice, selectors: ["unix:user:alice"], role: admin }
  - { kind: runtime, name: flow, selectors: ["unix:user:flow"], agents: [researcher] }
  - { kind: agent, name: researcher, selectors: ["unix:user:flow"], ceiling: [] }
EOF
runuser --user stint -- stintd validate --config /etc/stint/stint.yaml
systemctl enable --now stintd
ready started
grep --extended-regexp '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(pid)/status"
runuser --user flow -- sh -c 'stint step open --agent researcher --run r --step s --executor $$ --output json'

before=$(pid)
systemctl reload stintd
ready reloaded
[ "$(pid)" = "$before" ] && echo "reloaded in place"

kill -KILL "$(pid)"
while [ "$(pid)" = "$before" ] || [ "$(pid)" = 0 ]; do sleep 0.2; done
ready killed

before=$(pid)
dpkg --install "$1"
ready upgraded
[ "$(pid)" != "$before" ] && echo "upgraded by a new process"
runuser --user alice -- stint history steps --output csv

dpkg --purge stint
systemctl is-active stintd || true
pgrep --list-full --uid stint || echo "purged, and nothing runs"
ls --directory /var/lib/stint/ledger
