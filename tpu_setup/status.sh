#!/usr/bin/env bash
# Shows a slice, how long it may live, and what its job does.
#
#   bash tpu_setup/status.sh --name=NAME --project=PROJECT --zone=ZONE [--job=J]
#
# Each flag may stand in the environment (SLICE_NAME, …); DRY_RUN=1 prints the
# gcloud commands.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone job' "$@"
need_names
need_gcloud
scratch
state=$(slice_state)
dry || echo "${FLAG[name]}: $state"
[[ "$state" == ACTIVE ]] || exit 0
run gcloud compute tpus tpu-vm describe "${FLAG[name]}" \
  "--project=${FLAG[project]}" "--zone=${FLAG[zone]}" --quiet \
  '--format=value(state,health,acceleratorType,createTime)'
ssh_hosts all bash "$JOB" code "${FLAG[job]:-${FLAG[name]}}" 2>/dev/null ||
  say 'the hosts do not answer, or are not set up'
ssh_hosts 0 bash "$JOB" guard || true
