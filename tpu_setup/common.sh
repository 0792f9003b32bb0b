# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share; they source it. Names come from flags,
# or from the environment as SLICE_NAME, SLICE_ZONE, …; DRY_RUN=1 prints the
# commands that would run, word for word, and runs none of them.
set -euo pipefail

# Exit codes of `python -m biobert_jax`, and of these scripts.
readonly EXIT_FAILED=1 EXIT_BAD_INPUT=3 EXIT_DIVERGED=4 EXIT_PREEMPTED=42
readonly EXIT_INTERRUPTED=130
readonly TIERS='on-demand spot reserved'
readonly SCOPE=https://www.googleapis.com/auth/cloud-platform
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# Where code, environment and jobs lie on a host, and where a bucket is mounted
# if it is.
readonly FOLDER=/opt/biobert MOUNT=/mnt/biobert
readonly SELF=${0##*/}
exec 3>&1  # Where a dry run prints, also from within $(…).
declare -A FLAG=()
declare -a REST=()

say() { printf '%s: %s\n' "$SELF" "$*" >&2; }

fail() {  # fail MESSAGE...: one line, and nothing of ours is left behind.
  say "$@"
  exit "$EXIT_BAD_INPUT"
}

usage() {  # The comment at the head of the script is its manual.
  awk 'NR > 1 { if (!/^#/ || /^# shellcheck/) exit; sub(/^# ?/, ""); print }' \
    "$0"
}

dry() { [[ "${DRY_RUN:-0}" == 1 ]]; }

quoted() {  # POSIX shell that means exactly these words: to run, and to read.
  local word line='' quote="'\\''"
  for word in "$@"; do
    if [[ "$word" =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
      line+="$word "
    else
      line+="'${word//\'/"$quote"}' "
    fi
  done
  printf '%s' "${line% }"
}

read_flags() {  # read_flags 'NAME ... SWITCH? ...' ARGUMENT...
  # Values into FLAG, words after -- into REST. --name=x and --name x are one.
  local known=" ${1//$'\n'/ } " flag variable
  shift
  for flag in ${known//\?/}; do
    variable=${flag^^}
    variable=SLICE_${variable//-/_}
    FLAG[$flag]=${!variable:-}
  done
  while (($#)); do
    flag=${1#--}
    flag=${flag%%=*}
    case "$1" in
      -h | --help) usage; exit 0 ;;
      --) shift; REST=("$@"); return ;;
      --*) ;;
      *) fail "unexpected argument '$1'; did you mean --$1? --help shows the flags" ;;
    esac
    if [[ "$known" == *" $flag? "* && "$1" == "--$flag" ]]; then
      FLAG[$flag]=true
    elif [[ "$known" != *" $flag "* ]]; then
      fail "no flag --$flag; --help shows those there are"
    elif [[ "$1" == *=* ]]; then
      FLAG[$flag]=${1#*=}
    else
      (($# > 1)) || fail "--$flag needs a value"
      FLAG[$flag]=$2
      shift
    fi
    shift
  done
}

need() {  # need FLAG...: those that must have a value.
  local flag variable
  for flag in "$@"; do
    variable=${flag^^}
    [[ -n "${FLAG[$flag]}" ]] ||
      fail "--$flag is missing (or SLICE_${variable//-/_} in the environment)"
  done
}

need_names() {  # Checks what becomes part of commands and paths.
  need name project zone
  [[ "${FLAG[name]}" =~ ^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$ ]] ||
    fail "--name=${FLAG[name]}: up to 40 of a-z, 0-9 and -, a letter first"
  [[ "${FLAG[zone]}" =~ ^[a-z]+-[a-z]+[0-9]+-[a-z]$ ]] ||
    fail "--zone=${FLAG[zone]}: a zone looks like us-central2-b"
  [[ "${FLAG[project]}" =~ ^[a-z][a-z0-9.:-]{4,}[a-z0-9]$ ]] ||
    fail "--project=${FLAG[project]}: give the project's id, not its title"
}

is_number() { [[ "$1" =~ ^[0-9]+(\.[0-9]+)?$ ]]; }

seconds_of() {  # seconds_of HOURS, which may have a fraction.
  awk -v hours="$1" 'BEGIN { printf "%d", hours * 3600 }'
}

minutes() {  # minutes M: as seconds.
  awk -v m="$1" 'BEGIN { printf "%d", m * 60 }'
}

need_waiting() {  # Checks and completes the flags of await_slice.
  local flag
  : "${FLAG[wait-minutes]:=60}" "${FLAG[poll-seconds]:=15}"
  for flag in wait-minutes poll-seconds; do
    is_number "${FLAG[$flag]}" || fail "--$flag=${FLAG[$flag]}: give a number"
  done
}

need_topology() {  # Sets ACCELERATOR, RUNTIME, CHIPS, ON_ONE of --topology.
  local topology=${FLAG[topology]} size
  need topology
  topology=${topology/#v5litepod-/v5e-}  # Google Cloud's own name of it.
  size=${topology#*-}
  [[ "$topology" =~ ^v([2-4]|5e|5p|6e)-[1-9][0-9]*$ ]] ||
    fail "--topology=$topology: v2-N, v3-N, v4-N, v5e-N (v5litepod-N)," \
      'v5p-N or v6e-N, such as v5e-16'
  case "$topology" in
    v[2-4]-*) ACCELERATOR=$topology RUNTIME=tpu-ubuntu2204-base ;;
    v5e-*) ACCELERATOR=v5litepod-$size RUNTIME=v2-alpha-tpuv5-lite ;;
    v5p-*) ACCELERATOR=$topology RUNTIME=v2-alpha-tpuv5 ;;
    v6e-*) ACCELERATOR=$topology RUNTIME=v2-alpha-tpuv6e ;;
  esac
  case "$topology" in  # ON_ONE: the most chips that one host has.
    # These are named by their cores, two a chip.
    v[2-4]-* | v5p-*) CHIPS=$((size / 2)) ON_ONE=4 ;;
    *) CHIPS=$size ON_ONE=8 ;;
  esac
  RUNTIME=${FLAG[runtime-version]:-$RUNTIME}
  export ACCELERATOR RUNTIME CHIPS ON_ONE
}

need_gcloud() {
  dry && return
  command -v gcloud >/dev/null || fail 'gcloud was not found; install it' \
    'from https://cloud.google.com/sdk/docs/install'
  [[ -n "$(gcloud auth list --filter=status:ACTIVE \
    --format='value(account)' 2>/dev/null)" ]] ||
    fail 'gcloud is not logged in; run: gcloud auth login'
}

scratch() {  # A folder of this process alone, gone when it ends.
  SCRATCH=$(mktemp -d)
  trap 'rm -rf -- "$SCRATCH"' EXIT
}

run() {  # run COMMAND...: runs it, or prints it where this is a dry run.
  if dry; then
    printf '%s\n' "$(quoted "$@")" >&3
  else
    "$@"
  fi
}

queued() {  # queued VERB NAME [FLAG...]: gcloud on the queued resource.
  local verb=$1
  shift
  run gcloud compute tpus queued-resources "$verb" "${FLAG[name]}" \
    "--project=${FLAG[project]}" "--zone=${FLAG[zone]}" --quiet "$@"
}

reason() {  # reason FILE: what gcloud said, in one line with the remedy.
  local said
  said=$(grep -m 1 '^ERROR: ' "$1" || tail -n 1 "$1")
  case "$(tr '\n' ' ' <"$1")" in
    *ALREADY_EXISTS* | *'already exists'*)
      said="the name ${FLAG[name]} is taken; choose another --name" ;;
    *RESOURCE_EXHAUSTED* | *[Qq]uota*)
      said="quota refused: ${said#ERROR: }; ask for more (IAM & Admin,\
 Quotas), take another --zone or --tier, or a smaller --topology" ;;
    *PERMISSION_DENIED*)
      said="not permitted: ${said#ERROR: }; your account needs\
 roles/tpu.admin in ${FLAG[project]}" ;;
  esac
  printf '%s' "${said:-gcloud gave no reason}"
}

slice_state() {  # Prints the state; NONE where there is no such slice.
  if dry; then
    queued describe '--format=value(state.state)'
    echo "${DRY_STATE:-ACTIVE}"
  elif queued describe '--format=value(state.state)' 2>"$SCRATCH/describe"; then
    :
  elif grep -qi 'NOT_FOUND\|was not found' "$SCRATCH/describe"; then
    echo NONE
  else
    echo UNKNOWN  # `reason "$SCRATCH/describe"` says why.
  fi
}

is_queued() {
  [[ "$1" =~ ^(ACCEPTED|CREATING|PROVISIONING|WAITING_FOR_RESOURCES)$ ]]
}

await_slice() {  # Waits --wait-minutes. 0: it is ready, 1: not yet, 2: gone.
  # Sets state; says what it waits for, at once and every five minutes.
  local until last='' said=0
  until=$((SECONDS + $(minutes "${FLAG[wait-minutes]}")))
  while :; do
    state=$(slice_state)
    if [[ "$state" != "$last" ]] || ((SECONDS - said >= 300)); then
      say "${FLAG[name]}: $state$(is_queued "$state" && echo ', still queued')"
      last=$state said=$SECONDS
    fi
    [[ "$state" == ACTIVE ]] && return
    is_gone "$state" && return 2
    ((SECONDS < until)) || return 1
    sleep "${FLAG[poll-seconds]}" >/dev/null 2>&1 3>&- &
    wait $!  # A signal is heard at once.
  done
}

still_queued() {  # Ends with what to do about a slice that is not ready yet.
  say "${FLAG[name]} is still queued ($state) after ${FLAG[wait-minutes]}" \
    'minutes; the same command goes on waiting, status.sh shows its state'
  exit "$EXIT_FAILED"
}

is_gone() { [[ "$1" =~ ^(SUSPENDING|SUSPENDED|FAILED|DELETING|NONE)$ ]]; }

delete_slice() {  # Deletes it with all its hosts, and waits until it is gone.
  local state
  queued delete --force 2>"$SCRATCH/delete" ||
    { state=$(slice_state); [[ "$state" == NONE ]]; } || {
    say "cannot delete ${FLAG[name]}: $(reason "$SCRATCH/delete");" \
      'IT MAY STILL COST MONEY: look at' \
      "https://console.cloud.google.com/compute/tpus?project=${FLAG[project]}"
    return "$EXIT_FAILED"
  }
}

ssh_hosts() {  # ssh_hosts WORKERS WORD...: runs these words on the hosts.
  local workers=$1
  shift
  # Dead connections end, so that the state of the slice is looked at again.
  run gcloud compute tpus tpu-vm ssh "${FLAG[name]}" \
    "--project=${FLAG[project]}" "--zone=${FLAG[zone]}" --quiet \
    "--worker=$workers" --ssh-flag=-oServerAliveInterval=30 \
    --ssh-flag=-oServerAliveCountMax=4 "--command=$(quoted "$@")"
}

JOB=$FOLDER/code/tpu_setup/on_host/job.sh
readonly JOB
