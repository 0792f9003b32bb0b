#!/usr/bin/env bash
# Runs a command of biobert_jax on all hosts of a slice, until it is done.
#
#   bash tpu_setup/launch.sh --name=NAME --project=PROJECT --zone=ZONE \
#     --topology=v5e-16 -- train --config=configs/X.py:base --workdir=DIR
#
#   --job=J               the name of its logs; default: the slice's name
#   --max-restarts=N      10: after a preemption, of the job (exit code 42) or
#                         of the slice, and after a crash (two in a row at most).
#                         Exit codes 3 (wrong input), 4 (diverged) and 130
#                         (Ctrl-C, or SIGINT, on a host) end it
#   --tier, --max-hours, … as create.sh: for a slice that is made anew when it was
#                         preempted. What is left of its hours goes with it
#   --wait-minutes=M      60; a slice in the queue is waited for, then set up
#   --bucket=gs://B       as setup_hosts.sh; logs are kept in its logs/JOB
#   --cache=DIR           as setup_hosts.sh, for a slice that is made anew
#   --delete-when-done    deletes the slice when the job ends for good
#   --attach              watches what runs already
#   --force               launches what preflight says does not fit
#   --local-processes=N   on this machine, N processes instead of a slice
#   --local-folder=F      their logs; default: runs/launch
#
# What follows -- is given to `python -m biobert_jax`, word for word. `train` gets
# --multihost and runs on all hosts, other commands run on the first one alone.
# The log of the first host comes here, all logs to the bucket. Close the terminal
# or press Ctrl-C, and the job goes on; --attach finds it again, stop.sh ends it.
# Each flag may stand in the environment: SLICE_NAME, …; DRY_RUN=1 prints the
# commands. Exit code: that of the job.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone topology tier max-hours wait-minutes
  service-account network subnetwork internal-ips? runtime-version price
  poll-seconds bucket mount? cache job max-restarts delete-when-done? attach? force?
  local-processes local-folder' "$@"
need_waiting
: "${FLAG[max-restarts]:=10}"
: "${FLAG[local-folder]:=$PWD/runs/launch}"
local_processes=${FLAG[local-processes]}
if [[ -n "$local_processes" ]]; then
  [[ "$local_processes" =~ ^[1-9][0-9]?$ ]] ||
    fail "--local-processes=$local_processes: 1 to 99"
  : "${FLAG[name]:=local}"
else
  need_names
  need_topology
  # Not hours later, when the slice has to be made anew.
  need tier max-hours
fi
[[ "${FLAG[max-restarts]}" =~ ^[0-9]+$ ]] ||
  fail "--max-restarts=${FLAG[max-restarts]}: give a number"
: "${FLAG[job]:=${FLAG[name]}}"
[[ "${FLAG[job]}" =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
  fail "--job=${FLAG[job]}: letters, digits, dots, - and _"
[[ "${FLAG[attach]}" == true ]] || ((${#REST[@]})) ||
  fail 'nothing to run; write -- and a command, such as: -- train --config=…'
for word in "${REST[@]}"; do
  # A command line is seen by all who may look at processes, logs, history.
  [[ ! "${word,,}" =~ (secret|passw(or)?d|api_?key|(access|auth|hf)_?token)[a-z_]*= ]] ||
    fail "${word%%=*} looks like a secret, and command lines are public; put" \
      'it in a file that only the hosts read'
done

job=${FLAG[job]} hosts=0 alone=()
command=("${REST[@]}")
if [[ "${REST[0]:-}" == train ]]; then
  hosts=all
  [[ -n "$local_processes" ]] || command+=(--multihost)
elif [[ -z "$local_processes" ]] && ((CHIPS > ON_ONE)); then
  # One host of several, with its own four chips.
  alone=(env "TPU_PROCESS_BOUNDS=1,1,1" "TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1")
fi
for word in "${REST[@]}"; do
  [[ -z "$local_processes" && "$word" == --*=* ]] || continue
  [[ ! "$word" =~ ^--(workdir|continue[-_]as)= ||
    "${word#*=}" =~ ^(gs:/)?/[^/] ]] ||
    fail "$word: all hosts share the folder; give gs://BUCKET/FOLDER"
  [[ "${word#*=}/" != "$MOUNT"/* ]] || FLAG[mount]=true
done
[[ "${FLAG[mount]}" != true || -n "${FLAG[bucket]}" ]] ||
  fail "--bucket is missing, which is mounted at $MOUNT; or give gs:// paths"

on_hosts() {  # on_hosts WORKERS WORD...: job.sh with these words.
  local workers=$1 index last running=() code=0
  shift
  if [[ -z "$local_processes" ]]; then
    ssh_hosts "$workers" "${alone[@]}" bash "$JOB" "$@"
    return
  fi
  last=$([[ "$workers" == all ]] && echo $((local_processes - 1)) || echo 0)
  for ((index = 0; index <= last; index++)); do
    # By way of a shell, as over ssh.
    run env "JOB_HOST=$index" "JOB_HOSTS=$local_processes" \
      "JOB_COORDINATOR=${coordinator:-}" "JOB_FOLDER=${FLAG[local-folder]}" \
      "JOB_MOUNT=${FLAG[local-folder]}" "JOB_PYTHON=$(python)" \
      sh -c "$(quoted bash "$HERE/on_host/job.sh" "$@")" &
    running+=($!)
  done
  for index in "${running[@]}"; do
    wait "$index" || code=$?
  done
  return "$code"
}

python() {
  local here=$HERE/../.venv/bin/python
  if [[ -x "$here" ]]; then echo "$here"; else command -v python3; fi
}

preflight() {
  local index word next code=0 flags=()
  if [[ "${FLAG[topology]}" == v[23]-* ]]; then
    say "no preflight: it knows v4 and newer, not ${FLAG[topology]}"
    return
  fi
  for ((index = 1; index < ${#REST[@]}; index++)); do
    word=${REST[index]} next=${REST[index + 1]:-}
    [[ "$word" =~ ^--config([.=].*)?$ ]] || continue
    if [[ "$word" != *=* && "$next" != --* ]]; then
      word+="=$next"
    fi
    # Weights lie on the hosts, not here; then the config gives the sizes.
    [[ "$word" =~ ^--config\.(init_from(_step)?|vocab\.path|data\.dir)= &&
      ! -e "${word#*=}" ]] || flags+=("$word")
  done
  # The TPU's compiler, where `scripts/setup_env.sh tpu` has put it.
  (
    cd "$HERE/.."
    libtpu=$(echo .venv/tpu/lib/python3*/site-packages)
    [[ ! -d "$libtpu" ]] || export PYTHONPATH=$PWD/$libtpu
    run "$(python)" -m biobert_jax preflight "${flags[@]}" \
      "--topology=${FLAG[topology]}"
  ) || code=$?
  ((code == 0)) && return
  if [[ "${FLAG[force]}" == true ]]; then
    say "preflight refuses (exit code $code); launched all the same (--force)"
  elif ((code == EXIT_BAD_INPUT)); then
    fail "preflight refuses this on ${FLAG[topology]} (its reason stands" \
      'above); --force launches it all the same'
  else
    fail "preflight itself failed (exit code $code); --force goes without it"
  fi
}

free_port() {  # Where nobody listens on this machine.
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# What the hosts run: a slice made anew gets it again, whatever HEAD is then.
commit=''
read_commit() {
  commit=$(on_hosts 0 version 2>"$SCRATCH/ssh" |
    sed -n 's/^biobert-version [^ ]* code-//p') || true
  dry || [[ -n "$commit" ]] || fail "${FLAG[name]} is not set up, or does not" \
    'answer; run: bash tpu_setup/setup_hosts.sh'
}

# Seconds since 1970 when the cost guard of the slice will strike; 0 for never.
deadline=0
read_deadline() {
  local left
  [[ -z "$local_processes" && "${FLAG[max-hours]}" != none ]] || return 0
  left=$(on_hosts 0 guard | sed -n 's/^biobert-left [^ ]* //p') || true
  dry && return
  [[ "$left" =~ ^-?[0-9]+$ ]] || fail 'this slice has no cost guard; say' \
    '--max-hours=none if that is meant'
  deadline=$(($(date +%s) + left))
}

create_again() {  # The slice was preempted: as it was, for the hours left.
  local began hours=none
  began=$(date +%s)
  if ((deadline)); then
    ((deadline - began > 300)) || {
      delete_slice
      say "--max-hours are used up; what was saved lies in the work folder"
      exit "$EXIT_PREEMPTED"
    }
    hours=$(awk -v s=$((deadline - began)) 'BEGIN { printf "%.3f", s / 3600 }')
  fi
  state=$(slice_state)
  # One that waits in the queue is what is wanted.
  [[ "$state" == NONE ]] || is_queued "$state" || delete_slice
  { with_flags create.sh "$hours" && with_flags setup_hosts.sh "$hours"; } || {
    say 'the slice could not be made anew (see above); what was saved lies in' \
      'the work folder, and the same command goes on'
    exit "$EXIT_PREEMPTED"
  }
  # Waiting in the queue costs nothing.
  ((deadline == 0)) || deadline=$((deadline + $(date +%s) - began))
}

with_flags() {  # with_flags SCRIPT HOURS: another script, with our flags.
  local flag variable
  (
    for flag in name project zone topology tier wait-minutes service-account \
      network subnetwork internal-ips runtime-version poll-seconds bucket \
      mount cache; do
      variable=${flag^^}
      export "SLICE_${variable//-/_}=${FLAG[$flag]}"
    done
    export SLICE_MAX_HOURS=$2 SLICE_NO_WAIT='' SLICE_PRICE=''
    export SLICE_COMMIT=$commit
    bash "$HERE/$1" >&2
  )
}

look() {  # look ATTEMPT: sets code, the job's one end, and first, host 0's.
  local codes
  if ! on_hosts "$hosts" code "$job" >"$SCRATCH/codes" 2>"$SCRATCH/ssh"; then
    code=unreachable
    return
  fi
  codes=$(awk -v attempt="$1" '$1 == "biobert-code" {
    print (index($4, "stopped:") || $3 == attempt ? $4 : "none") }' \
    "$SCRATCH/codes")
  case $'\n'"$codes"$'\n' in
    $'\n\n') code=unreachable ;;
    *$'\n'stopped:*) code=stopped ;;
    # The host that knows why ends so; the others die of its absence.
    *$'\n'"$EXIT_BAD_INPUT"$'\n'*) code=$EXIT_BAD_INPUT ;;
    *$'\n'"$EXIT_DIVERGED"$'\n'*) code=$EXIT_DIVERGED ;;
    *$'\n'"$EXIT_INTERRUPTED"$'\n'*) code=$EXIT_INTERRUPTED ;;
    *$'\n'running$'\n'*) code=running ;;
    *$'\n'"$EXIT_PREEMPTED"$'\n'*) code=$EXIT_PREEMPTED ;;
    *$'\n'lost$'\n'* | *$'\n'none$'\n'*) code=lost ;;
    *) code=$(sort -rn <<<"$codes" | head -n 1) ;;
  esac
}

counted() {  # Passes lines on at once, which awk does not; notes how many.
  local line lines=0
  while IFS= read -r line; do
    printf '%s\n' "$line"
    lines=$((lines + 1))
  done
  echo "$lines" >"$SCRATCH/lines"
}

watch_job() {  # watch_job ATTEMPT: to its end, or to that of the slice.
  local attempt=$1 silent=0 seen=0 ended=0 running
  while :; do
    on_hosts 0 follow "$job" "$attempt" "$seen" | counted || true
    seen=$((seen + $(<"$SCRATCH/lines")))
    if dry; then
      on_hosts "$hosts" code "$job"
      code=0
      return
    fi
    look "$attempt"
    case "$code" in
      unreachable)
        state=LOCAL
        [[ -n "$local_processes" ]] || state=$(slice_state)
        if is_gone "$state" || is_queued "$state" || ((++silent >= 20)); then
          code=gone
          return
        fi
        say "the hosts do not answer ($state); trying again"
        ;;
      running)
        # Whose connection was cut goes on following; whose first host has
        # ended waits until heartbeats have ended the others too.
        silent=0
        on_hosts 0 code "$job" >"$SCRATCH/first" 2>/dev/null || continue
        running=$(grep -c ' running$' "$SCRATCH/first") || true
        if ((running)); then ended=0; elif ((!ended)); then ended=$SECONDS; fi
        if ((!running && SECONDS - ended > 180)); then
          say 'the first host has ended and others hang; they are stopped'
          on_hosts "$hosts" stop "$job" >/dev/null || true
          code=lost
          return
        fi
        ;;
      *) return ;;
    esac
    sleep "$(awk -v p="${FLAG[poll-seconds]}" 'BEGIN { print p / 5 }')"
  done
}

finish() {  # finish CODE MESSAGE...
  local code=$1
  shift
  dry || say "$@"
  if [[ "${FLAG[delete-when-done]}" == true && -z "$local_processes" ]]; then
    delete_slice && say "deleted ${FLAG[name]}"
  fi
  exit "$code"
}

scratch
trap 'say "the job goes on; --attach watches it, stop.sh ends it"; exit 130' INT
if [[ -z "$local_processes" ]]; then
  need_gcloud
  [[ "${REST[0]:-}" != train ]] || preflight
  state=$(slice_state)
  if is_queued "$state"; then
    await_slice || { is_queued "$state" && still_queued; } || true
    # It was never ready, so nobody has set it up.
    [[ "$state" != ACTIVE ]] || with_flags setup_hosts.sh "${FLAG[max-hours]}" ||
      fail "${FLAG[name]} could not be set up, see above"
  fi
  is_gone "$state" && [[ "$state" != NONE ]] && create_again
  [[ "$state" != NONE ]] ||
    fail "there is no ${FLAG[name]}; make it first: bash tpu_setup/create.sh"
  read_commit
  read_deadline
  [[ "${FLAG[mount]}" != true ]] || on_hosts all mount ||
    fail "$MOUNT is not mounted on all hosts (see above)"
fi

attempt=''
if [[ "${FLAG[attach]}" == true ]]; then
  attempt=$(on_hosts 0 code "$job" |
    sed -n 's/^biobert-code [^ ]* \([^ ]*\) .*/\1/p')
  dry && attempt=ATTEMPT
  [[ -n "$attempt" && "$attempt" != none ]] ||
    fail "no job $job was started on ${FLAG[name]}"
  hosts=all
  on_hosts all code "$job" >"$SCRATCH/codes" || true
  (($(grep -c " $attempt " "$SCRATCH/codes") > 1)) || hosts=0
fi
crashes=0
for ((restarts = 0; ; restarts++)); do
  if [[ -z "$attempt" ]]; then
    ((${#REST[@]})) || fail "$job has to start again: give its command after --"
    # Milliseconds: a job that ended at once may be launched again in its second.
    attempt=$(date +%Y%m%d-%H%M%S-%3N)-$restarts
    dry && attempt=ATTEMPT
    [[ -z "$local_processes" || "$hosts" != all ]] ||
      coordinator=127.0.0.1:$(free_port)
    on_hosts "$hosts" start "$job" "$attempt" -- "${command[@]}" ||
      say "attempt $attempt did not start everywhere"
  fi
  watch_job "$attempt"
  attempt=''
  case "$code" in
    0) finish 0 "$job is done" ;;
    stopped) say "$job was stopped"; exit "$EXIT_PREEMPTED" ;;
    "$EXIT_BAD_INPUT" | "$EXIT_DIVERGED" | "$EXIT_INTERRUPTED")
      finish "$code" "$job ended with exit code $code; it is not started again" ;;
    "$EXIT_PREEMPTED" | gone) crashes=0 ;;
    *) ((++crashes < 3)) ||
      finish "$EXIT_FAILED" "$job crashed three times in a row ($code)" ;;
  esac
  ((restarts < FLAG[max-restarts])) ||
    finish "$EXIT_PREEMPTED" "$job ended ($code) after $restarts restarts," \
      'which is what --max-restarts allows; the same command goes on'
  if [[ "$code" == gone ]]; then
    say "the slice is gone; made anew (restart $((restarts + 1)))"
    create_again
  else
    say "$job ended with $code; started again (restart $((restarts + 1)))"
  fi
done
