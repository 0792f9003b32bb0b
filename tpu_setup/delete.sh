#!/usr/bin/env bash
# Deletes a slice: lists what it would delete, asks, deletes, sees that it is gone.
#
#   bash tpu_setup/delete.sh --name=NAME --project=PROJECT --zone=ZONE [--yes]
#
#   --yes    does not ask
#
# The bucket, with corpora, work folders and logs, stays. Each flag may stand in
# the environment (SLICE_NAME, …); DRY_RUN=1 prints the gcloud commands.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone yes?' "$@"
need_names
need_gcloud
scratch
state=$(slice_state)
if [[ "$state" == NONE ]]; then
  say "there is no ${FLAG[name]} in ${FLAG[zone]}; nothing to delete"
  exit 0
fi
dry || cat <<END
This would be deleted in ${FLAG[project]}, ${FLAG[zone]}:
  queued resource ${FLAG[name]} ($state)
  TPU slice ${FLAG[name]}, all its hosts and their disks
END
run gcloud compute tpus tpu-vm describe "${FLAG[name]}" \
  "--project=${FLAG[project]}" "--zone=${FLAG[zone]}" --quiet \
  '--format=value(acceleratorType,state,createTime)' 2>/dev/null || true
if ! dry && [[ "${FLAG[yes]}" != true ]]; then
  read -r -p "Type ${FLAG[name]} to delete it: " answer || answer=''
  [[ "$answer" == "${FLAG[name]}" ]] || fail 'nothing was deleted'
fi
delete_slice || exit
state=NONE
dry || state=$(slice_state)
[[ "$state" == NONE || "$state" == DELETING ]] ||
  fail "${FLAG[name]} is still there ($state); run this again"
dry || say "deleted ${FLAG[name]}"
