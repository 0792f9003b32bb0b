#!/usr/bin/env bash
# The cost guard: deletes the slice when its hours are over.
#
#   guard.sh           on each start of a host, as its startup script: arms it
#   guard.sh delete    when time is over: asks the job to save, then deletes
#
# It lives on the hosts, so it does not matter what becomes of the terminal, or
# of the machine, that requested the slice. The slice's name and its seconds are
# in the metadata that create.sh gave; the token stays off command lines.
set -euo pipefail
state=${GUARD_STATE:-/var/lib/biobert-guard}  # Another one only in tests.
readonly GRACE=120  # Seconds that the job has to save.

say() { printf 'cost guard: %s\n' "$*" | tee -a "$state/log" >&2; }

metadata() {
  curl -fsS -H 'Metadata-Flavor: Google' \
    "http://metadata.google.internal/computeMetadata/v1/$1"
}

api() {  # api METHOD URL [BODY]: prints the answer, then its HTTP code.
  metadata instance/service-accounts/default/token |
    sed -E 's/.*"access_token" *: *"([^"]*)".*/Authorization: Bearer \1/' |
    curl -sS -X "$1" -H @- -H 'Content-Type: application/json' \
      -w '\n%{http_code}' ${3:+--data "$3"} "$2" || echo 0
}

arm() {
  local seconds now deadline project answer
  # A slice without a guard has no such key.
  seconds=$(metadata instance/attributes/slice-seconds) || exit 0
  mkdir -p "$state"
  chmod 755 "$state"
  now=$(date +%s)
  # Once, so that a host that starts again gets no more time.
  [[ -f "$state/deadline" ]] || echo $((now + seconds)) >"$state/deadline"
  deadline=$(<"$state/deadline")
  [[ "$0" -ef "$state/guard.sh" ]] || cp "$0" "$state/guard.sh"
  project=$(metadata project/project-id)
  answer=$(api POST "https://cloudresourcemanager.googleapis.com/v1/projects/\
$project:testIamPermissions" '{"permissions": ["tpu.nodes.delete"]}')
  case "$answer" in
    *'"tpu.nodes.delete"'*200) echo yes ;;
    *) echo "no (HTTP ${answer##*$'\n'})" ;;
  esac >"$state/permitted"
  systemd-run --unit=biobert-guard --timer-property=AccuracySec=1s \
    --on-active="$((deadline > now ? deadline - now : 1))" \
    bash "$state/guard.sh" delete
  say "this slice is deleted in $((deadline - now)) s; permitted:" \
    "$(<"$state/permitted")"
}

delete() {
  local name project zone pid answer
  name=$(metadata instance/attributes/slice-name)
  project=$(metadata project/project-id)
  zone=$(metadata instance/zone)  # projects/NUMBER/zones/ZONE
  say "time is over: $name is deleted"
  for pid in "${GUARD_JOBS:-/opt/biobert/jobs}"/*/pid; do
    [[ -f "$pid" ]] && kill -TERM "$(<"$pid")" 2>/dev/null && sleep "$GRACE"
  done
  until answer=$(api DELETE "https://tpu.googleapis.com/v2/projects/$project/\
locations/${zone##*/}/queuedResources/$name?force=true") &&
    [[ "${answer##*$'\n'}" =~ ^(200|404)$ ]]; do
    say "refused (HTTP ${answer##*$'\n'}); tried again in 5 minutes"
    sleep "${GUARD_RETRY:-300}"
  done
  say "$name is being deleted"
}

case "${1:-arm}" in
  delete) delete ;;
  *) arm ;;
esac
