#!/usr/bin/env bash
# Prints the logs of a job: from its hosts, or from the bucket.
#
#   bash tpu_setup/logs.sh --name=NAME --project=PROJECT --zone=ZONE
#   bash tpu_setup/logs.sh --name=NAME --project=PROJECT --zone=ZONE \
#     --bucket=gs://BUCKET --from-bucket
#
#   --job=J          default: the slice's name
#   --worker=W       0: which hosts, as 0, 1,3, 0-2 or all
#   --lines=N        50, of each host
#   --from-bucket    all attempts, also those of slices that are gone
#
# Each flag may stand in the environment (SLICE_NAME, …); DRY_RUN=1 prints the
# gcloud commands.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone job worker lines bucket from-bucket?' "$@"
need_names
: "${FLAG[job]:=${FLAG[name]}}" "${FLAG[worker]:=0}" "${FLAG[lines]:=50}"
[[ "${FLAG[worker]}" =~ ^(all|[0-9,-]+)$ ]] ||
  fail "--worker=${FLAG[worker]}: such as 0, 1,3, 0-2 or all"
[[ "${FLAG[lines]}" =~ ^[0-9]+$ ]] ||
  fail "--lines=${FLAG[lines]}: give a number"
need_gcloud
if [[ "${FLAG[from-bucket]}" == true ]]; then
  need bucket
  run gcloud storage cat --display-url "${FLAG[bucket]}/logs/${FLAG[job]}/**" \
    "--project=${FLAG[project]}"
else
  ssh_hosts "${FLAG[worker]}" bash "$JOB" show "${FLAG[job]}" "${FLAG[lines]}"
fi
