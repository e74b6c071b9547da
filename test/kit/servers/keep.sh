#!/bin/sh
# Starts one server, and again on the same data whenever it has ended: for tests that kill servers and want them back.
# DIRECTORY/kept.pid holds its process id while it runs; while DIRECTORY/hold exists it is not started again.
# It stands alone because the server must be the child of something that outlives it. It runs under guard.sh, which ends
# it; it must not be used where the end of a server has to be noticed.
#
# usage: keep.sh DIRECTORY COMMAND [ARGUMENT...]
set -u
directory=$1
shift

while :; do
  "$@" &
  server=$!
  echo "$server" >"$directory/kept.new"
  mv "$directory/kept.new" "$directory/kept.pid"
  wait "$server"
  rm -f "$directory/kept.pid"
  # A server that cannot start must not keep a core busy.
  sleep 0.05
  while [ -e "$directory/hold" ]; do sleep 0.05; done
done
