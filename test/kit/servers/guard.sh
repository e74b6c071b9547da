#!/bin/sh
# Runs one server (or a script that starts several) for as long as the process that started this script lives, then kills the server and removes
# its directory. The starter holds our stdin open and sends nothing: end of file means that it stopped us or that
# it died, by whatever signal. A handler inside the starter could not tell: SIGKILL runs none.
# It stands alone because only another process can outlive its starter. It must not be given a directory that
# holds anything worth keeping.
#
# usage: guard.sh DIRECTORY COMMAND [ARGUMENT...]   (started in a session of its own, so Ctrl-C does not reach it)
set -u
directory=$1
shift

# A process group of its own, so that one kill reaches whatever it starts; without setsid (macOS) only itself.
own_group=$(command -v setsid)
stop() { kill -s KILL -- "-$server" || kill -s KILL "$server"; }

exec 3<&0
$own_group "$@" </dev/null 3<&- &
server=$!
# The starter may die first, and the shell's own "Killed" on a broken pipe would end us before the clean-up.
exec >/dev/null 2>&1
# SIGKILL, not SIGTERM: the data is thrown away, and a server that a test has stopped (SIGSTOP) dies as well.
trap stop TERM INT HUP
(
  while read -r _; do :; done
  stop
) <&3 3<&- &
watcher=$!
exec 3<&-

wait "$server"
code=$?
kill -s KILL "$watcher"
stop
# A killed process may still be inside its last write.
rm -rf -- "$directory" || { sleep 1; rm -rf -- "$directory"; }
exit "$code"
