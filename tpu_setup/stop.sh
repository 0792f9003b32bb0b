#!/usr/bin/env bash
# Asks a job to save and stop; the slice stays, and goes on costing money.
#
#   bash tpu_setup/stop.sh --name=NAME --project=PROJECT --zone=ZONE [--job=J]
#   bash tpu_setup/stop.sh --local-processes=N [--local-folder=F] [--job=J]
#
# launch.sh does not start it again; the same launch command later resumes from
# what was saved. Each flag may stand in the environment (SLICE_NAME, …);
# DRY_RUN=1 prints the gcloud commands.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone job local-processes local-folder' "$@"
if [[ -n "${FLAG[local-processes]}" ]]; then
  : "${FLAG[name]:=local}" "${FLAG[local-folder]:=$PWD/runs/launch}"
  stopping=()
  for ((index = 0; index < FLAG[local-processes]; index++)); do
    # At once: hosts save together.
    JOB_HOST=$index JOB_FOLDER=${FLAG[local-folder]} run \
      bash "$HERE/on_host/job.sh" stop "${FLAG[job]:-${FLAG[name]}}" &
    stopping+=($!)
  done
  wait "${stopping[@]}"
  exit
fi
need_names
need_gcloud
ssh_hosts all bash "$JOB" stop "${FLAG[job]:-${FLAG[name]}}"
