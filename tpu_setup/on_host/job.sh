#!/usr/bin/env bash
# One job on one host. launch.sh calls it, over ssh or on this machine.
#
#   job.sh start JOB ATTEMPT -- COMMAND ARGUMENT...   in the background
#   job.sh follow JOB ATTEMPT N    prints its log after N lines, until it ends
#   job.sh code JOB                prints `biobert-code HOST ATTEMPT CODE`
#   job.sh stop JOB                SIGTERM: it saves, and is not started again
#   job.sh show JOB LINES          the end of its log
#   job.sh guard                   how long this slice may live
#   job.sh version                 the commit that lies here
#   job.sh mount                   mounts the bucket that setup_hosts.sh --mount
#                                  named
#
# Where launch.sh keeps all hosts on one machine, it says so in the environment:
# JOB_FOLDER, JOB_MOUNT, JOB_PYTHON, JOB_HOST, JOB_HOSTS, JOB_COORDINATOR.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${JOB_FOLDER:-/opt/biobert}
python=${JOB_PYTHON:-/opt/biobert/venv/bin/python}
mount=${JOB_MOUNT:-/mnt/biobert}
guard=${GUARD_STATE:-/var/lib/biobert-guard}
host=${JOB_HOST:-$(hostname)}
verb=$1 name=${2:-}
job=$root/jobs/$name${JOB_HOST:+/$JOB_HOST}
readonly GRACE=60  # Seconds that a job that is asked to stop has to save.

boot() { cat /proc/sys/kernel/random/boot_id; }

alive() {  # alive [FILE]: the process of that number, by default the program.
  # After a restart of the host, a number is another process's.
  [[ -f "$job/${1:-pid}" && "$(cat "$job/boot")" == "$(boot)" ]] &&
    kill -0 "$(<"$job/${1:-pid}")" 2>/dev/null
}

end() {  # Ends what an earlier attempt left running.
  local pid until=$((SECONDS + GRACE))
  alive || return 0
  pid=$(<"$job/pid")
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && ((SECONDS < until)); do sleep 0.2; done
  kill -KILL "$pid" 2>/dev/null || true
}

start() {  # start ATTEMPT -- COMMAND...
  local attempt=$1
  shift 2
  # A host that started again would write below an empty mount point.
  [[ ! -f "$root/mounted" ]] || mount_bucket
  [[ ! -f "$root/cache_folder" ]] ||
    export BIOBERT_CACHE=${BIOBERT_CACHE:-$(<"$root/cache_folder")}
  # ssh that lost its connection is tried again by gcloud: start once.
  mkdir -p "$job"
  mkdir "$job/$attempt" 2>/dev/null || return 0
  end
  # A run that was killed leaves it; libtpu would refuse to start.
  [[ -n "${JOB_FOLDER:-}" ]] || rm -f /tmp/libtpu_lockfile
  rm -f "$job/stopped" "$job/pid" "$job/parent"
  echo "$attempt" >"$job/attempt"
  boot >"$job/boot"
  if [[ -n "${JOB_COORDINATOR:-}" ]]; then
    set -- "$@" "--coordinator=$JOB_COORDINATOR" \
      "--num_hosts=${JOB_HOSTS:?}" "--host=$JOB_HOST"
  fi
  setsid bash "${BASH_SOURCE[0]}" attend "$name" "$attempt" -- "$@" \
    </dev/null >/dev/null 2>&1 &
  until [[ -f "$job/pid" || -f "$job/$attempt/code" ]]; do sleep 0.05; done
}

mount_bucket() {
  local bucket
  bucket=$(cat "$root/mounted" 2>/dev/null) || {
    echo "$host: nothing is mounted at $mount; give gs:// paths, or run" \
      'setup_hosts.sh with --mount' >&2
    exit 3
  }
  ! mountpoint -q "$mount" || return 0
  # No cached metadata: hosts must see at once what another has written.
  gcsfuse --implicit-dirs --metadata-cache-ttl-secs=0 --rename-dir-limit=0 \
    "$bucket" "$mount" >&2 && return
  echo "$host: gs://$bucket could not be mounted; may the service account of" \
    'the slice read and write it?' >&2
  exit 3
}

copy_log() {  # Into the bucket, where it outlives the slice.
  local to=logs/$name/$attempt bucket
  if [[ -n "${JOB_HOST:-}" ]]; then
    mkdir -p "$mount/$to" && cp "$job/$attempt/log" "$mount/$to/$host.log"
  elif bucket=$(cat "$root/bucket" 2>/dev/null); then
    "$python" -c 'import pathlib, sys
from biobert_jax.io import storage
log = pathlib.Path(sys.argv[1]).read_bytes()
storage.write(storage.path(sys.argv[2]), log)' \
      "$job/$attempt/log" "gs://$bucket/$to/$host.log"
  fi
}

attend() {  # attend ATTEMPT -- COMMAND...: the parent of the program.
  attempt=$1
  local code=0 pid
  shift 2
  echo $$ >"$job/parent"
  cd "$here/../.."
  "$python" -m biobert_jax "$@" >"$job/$attempt/log" 2>&1 &
  pid=$!
  echo "$pid" >"$job/pid.new"
  mv "$job/pid.new" "$job/pid"
  while kill -0 "$pid" 2>/dev/null; do
    copy_log 2>/dev/null || true
    # Ends when the program does, or after a minute.
    timeout 60 tail --pid="$pid" -s 0.2 -f /dev/null || true
  done
  wait "$pid" || code=$?
  echo "$code" >"$job/$attempt/code.new"
  mv "$job/$attempt/code.new" "$job/$attempt/code"
  # Another attempt may have begun since.
  [[ "$(cat "$job/pid" 2>/dev/null)" != "$pid" ]] || rm -f "$job/pid"
  copy_log 2>/dev/null || true
}

follow() {  # follow ATTEMPT LINES
  local pid from=$(($2 + 1))
  [[ -d "$job/$1" ]] || return 0
  until [[ -f "$job/$1/log" ]]; do sleep 0.1; done
  pid=$(cat "$job/pid" 2>/dev/null || echo 0)
  if [[ -f "$job/$1/code" || "$pid" == 0 ]]; then
    tail -n "+$from" "$job/$1/log"
  else
    tail -n "+$from" --pid="$pid" -s 0.2 -f "$job/$1/log"
  fi
}

code() {
  local attempt code=none
  attempt=$(cat "$job/attempt" 2>/dev/null || echo none)
  # Each is looked at once, or a program that ends between two looks is lost.
  until [[ -f "$job/$attempt/code" || "$attempt" == none ]]; do
    if alive; then
      code=running
      break
    elif ! alive parent; then
      code=lost  # The host started again, or somebody killed the parent too.
      break
    fi
    sleep 0.1  # Until the parent has noted how it ended.
  done
  # Its last act, perhaps since the look at its file.
  [[ ! -f "$job/$attempt/code" ]] || code=$(<"$job/$attempt/code")
  [[ ! -f "$job/stopped" ]] || code=stopped:$code
  echo "biobert-code $host $attempt $code"
}

case "$verb" in
  start | attend | follow) "$verb" "${@:3}" ;;
  code) code ;;
  stop)
    [[ ! -d "$job" ]] || touch "$job/stopped"
    end
    code
    ;;
  show)
    attempt=$(cat "$job/attempt" 2>/dev/null) ||
      { echo "$host: no job $name" >&2; exit 3; }
    tail -n "$3" "$job/$attempt/log" | sed "s/^/$host: /"
    ;;
  guard)
    [[ -f "$guard/deadline" ]] ||
      { echo "$host: no cost guard (--max-hours)" >&2; exit 3; }
    [[ "$(cat "$guard/permitted" 2>/dev/null)" == yes ]] || {
      echo "$host: the cost guard may not delete the slice:" \
        "permitted: $(cat "$guard/permitted" 2>/dev/null)" >&2
      exit 3
    }
    echo "biobert-left $host $(($(<"$guard/deadline") - $(date +%s)))"
    ;;
  version) echo "biobert-version $host $(basename "$(readlink "$root/code")")" ;;
  mount) mount_bucket ;;
  *) echo "job.sh: no such verb: $verb" >&2; exit 3 ;;
esac
