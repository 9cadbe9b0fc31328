# Runs the installed broker as stintd.service has it started, as far as that can be had without systemd: its user and groups, no
# capability, nothing to be gained by a program that is started, its umask and directories. Prints what users see, and then each system
# call that was made. Its arguments: the package, the configuration.
set -e
dpkg --install "$1" > /dev/null
useradd alice
useradd flow
adduser --quiet alice stint-operators
install --mode=0644 "$2" /etc/stint/stint.yaml
install --directory --owner=stint --group=stint --mode=0700 /var/lib/stint /var/cache/stint
install --directory --owner=stint --group=stint --mode=0755 /run/stint

unit=/lib/systemd/system/stintd.service
umask "$(sed -n 's/^UMask=//p' $unit)"
HOME=/var/lib/stint XDG_CACHE_HOME=/var/cache \
  setpriv --reuid=stint --regid=stint --init-groups --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all \
  strace --follow-forks --quiet=all --output=/var/cache/stint/calls \
  $(sed -n 's/^ExecStart=//p' $unit) 2> /tmp/log &
broker=$!
umask 022
until runuser --user alice -- stint status > /dev/null 2>&1; do
  [ -e /proc/$broker ] || { cat /tmp/log; exit 1; }
  sleep 0.1
done

stat --format='%A %U:%G %n' /run/stint/*.sock
runuser --user flow -- stint step open --agent researcher --run r --step s --executor any --output json --grant \
  '[{"type":"mcp_tool","locations":["https://mcp.example.org/mcp"],"identifier":"search","actions":["read"],"datatypes":["public"]}]'
runuser --user alice -- stint history steps --output jsonl
kill -TERM $(cat /proc/$broker/task/$broker/children)
wait $broker
sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/call \1/p' /var/cache/stint/calls | sort --unique
