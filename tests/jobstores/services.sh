#!/usr/bin/env bash
# Installs from Debian's packages what tests use and no wheel brings: the servers of job stores, and the cron that judges
# the triggers in the time of libfaketime. Starts none: `make services` goes on to do that, on free ports of the loopback.
# What cannot be had is said, and is no failure.
set -uo pipefail
declare -A package=(
  [mariadb]="mariadb-server"
  [zookeeper]="zookeeper default-jre-headless"
  [etcd]="etcd-server"
  [cron]="cron"
  [libfaketime]="libfaketime"
)
names="mariadb zookeeper etcd cron libfaketime"
there() {
  case $1 in
    mariadb) PATH="$PATH:/usr/sbin" command -v mariadbd ;;
    zookeeper) [ -e /usr/share/java/zookeeper.jar ] && command -v java ;;
    etcd) command -v etcd ;;
    cron) PATH="$PATH:/usr/sbin" command -v cron ;;
    libfaketime) ls /usr/lib/*/faketime/libfaketime.so.1 ;;
  esac >/dev/null 2>&1
}
missing=()
for name in $names; do there "$name" || missing+=("$name"); done
why=""
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then why="there is no apt-get here"
  elif [ "$(id -u)" != 0 ]; then why="only root installs packages; try: sudo tests/jobstores/services.sh"
  else
    apt="apt-get -qq -o DPkg::Lock::Timeout=300"
    # RUNLEVEL=1: Debian's scripts install the servers without starting them.
    export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
    if $apt update >/dev/null 2>&1; then
      for name in "${missing[@]}"; do
        # shellcheck disable=SC2086
        $apt install -y --no-install-recommends ${package[$name]} >/dev/null 2>/tmp/services.$$ ||
          why="apt-get: $(tail -1 /tmp/services.$$)"
        rm -f /tmp/services.$$
      done
    else why="apt-get update fails: no package index can be reached"; fi
  fi
fi
for name in $names; do
  if there "$name"; then echo "$name: there"
  else echo "$name: not there, its tests are skipped (${why:-${package[$name]} did not bring it})"; fi
done
echo "postgresql, redis, two servers that speak MongoDB's protocol: wheels, installed with the tests"
echo "rethinkdb: no package; a stand-in in tests/ speaks its protocol, RUNNER_TEST_RETHINKDB=host:port names a real one"
