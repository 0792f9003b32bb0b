#!/usr/bin/env bash
# Asks for a TPU slice as a queued resource, and waits until it is ready.
#
#   bash tpu_setup/create.sh --name=NAME --project=PROJECT --zone=ZONE \
#     --topology=v5e-16 --tier=spot --max-hours=24
#
#   --topology=T           v2-N, v3-N, v4-N, v5e-N (v5litepod-N), v5p-N, v6e-N
#   --tier=T               on-demand, spot (preempted at any time) or reserved
#   --max-hours=H          the slice deletes itself after H hours, counted from
#                          its start and by itself: nothing here need run. Or
#                          `none`. Needs roles/tpu.admin for its service account
#   --wait-minutes=M       60; when it is not ready then, it is deleted again
#   --no-wait              leaves the request in the queue, M minutes at most
#   --service-account=A    of the hosts; the project's default where not given
#   --network=N, --subnetwork=S, --internal-ips
#   --runtime-version=V    of the hosts; the topology's own where not given
#   --price=P              per chip and hour: prints what this costs at most
#   --poll-seconds=S       15; between two looks
#
# Each flag may stand in the environment: SLICE_NAME, SLICE_MAX_HOURS, …;
# DRY_RUN=1 prints the gcloud commands. When it fails or is interrupted, what it
# had requested is deleted. A slice that is in the queue already is waited for.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone topology tier max-hours wait-minutes no-wait?
  service-account network subnetwork internal-ips? runtime-version price
  poll-seconds' "$@"
need_names
need_topology
need tier max-hours
need_waiting
[[ " $TIERS " == *" ${FLAG[tier]} "* ]] ||
  fail "--tier=${FLAG[tier]}: choose from $TIERS"
[[ "${FLAG[max-hours]}" == none ]] || is_number "${FLAG[max-hours]}" ||
  fail "--max-hours=${FLAG[max-hours]}: a number of hours, or none"
[[ -z "${FLAG[price]}" ]] || is_number "${FLAG[price]}" ||
  fail "--price=${FLAG[price]}: a number, per chip and hour"

request=(--accelerator-type="$ACCELERATOR" --runtime-version="$RUNTIME"
  --node-id="${FLAG[name]}" --labels=made-by=biobert-jax)
case "${FLAG[tier]}" in
  spot) request+=(--spot) ;;
  reserved) request+=(--reserved) ;;
esac
for flag in service-account network subnetwork; do
  [[ -z "${FLAG[$flag]}" ]] || request+=("--$flag=${FLAG[$flag]}")
done
[[ "${FLAG[internal-ips]}" != true ]] || request+=(--internal-ips)
# The service itself forgets a request that waits longer.
request+=(--valid-until-duration="$(minutes "${FLAG[wait-minutes]}")s")
# Without it, hosts may read buckets and write none.
request+=(--scopes="$SCOPE")
if [[ "${FLAG[max-hours]}" != none ]]; then
  request+=(--metadata="slice-name=${FLAG[name]},slice-seconds=$(
      seconds_of "${FLAG[max-hours]}")"
    --metadata-from-file="startup-script=$HERE/on_host/guard.sh")
fi

need_gcloud
scratch
state=$(DRY_STATE=NONE slice_state)
case "$state" in
  NONE) ;;
  UNKNOWN) fail "$(reason "$SCRATCH/describe")" ;;
  ACTIVE) fail "the name ${FLAG[name]} is taken ($state): it is ready for" \
    'setup_hosts.sh; or choose another --name' ;;
  *) if is_queued "$state"; then
      # Of an earlier call, or of somebody else: waited for, never deleted.
      say "${FLAG[name]} is in the queue already; its request stays as it is"
      if [[ "${FLAG[no-wait]}" != true ]]; then
        await_slice || {
          is_queued "$state" && still_queued
          fail "${FLAG[name]} is $state; create it again"
        }
        say "${FLAG[name]} is ready, and paid for from now on"
      fi
      exit 0
    fi
    fail "the name ${FLAG[name]} is taken ($state); choose another --name, or" \
    'delete that one: bash tpu_setup/delete.sh' ;;
esac

[[ -z "${FLAG[price]}" || "${FLAG[max-hours]}" == none ]] ||
  say "$CHIPS chips for ${FLAG[max-hours]} h cost at most $(awk \
    -v c="$CHIPS" -v h="${FLAG[max-hours]}" -v p="${FLAG[price]}" \
    'BEGIN { printf "%.2f", c * h * p }')"

undo() {  # undo MESSAGE...: nothing half-made is left running.
  trap '' INT TERM HUP
  say "$@"
  delete_slice && say "deleted ${FLAG[name]} again"
  exit "$EXIT_BAD_INPUT"
}
trap 'undo "interrupted"' INT TERM HUP

if ! queued create "${request[@]}" 2>"$SCRATCH/create"; then
  why=$(reason "$SCRATCH/create")
  # Another's slice, made since we looked, is not ours to delete.
  [[ "$why" == *'is taken'* ]] && fail "$why"
  state=$(slice_state)
  [[ "$state" == NONE ]] && fail "$why"
  undo "$why"
fi
if dry; then
  slice_state >/dev/null
  exit 0
fi
if [[ "${FLAG[no-wait]}" == true ]]; then
  say "${FLAG[name]} is queued; bash tpu_setup/status.sh shows its state"
  exit 0
fi

say "waiting for ${FLAG[name]} ($ACCELERATOR, ${FLAG[tier]})"
await_slice || {
  is_gone "$state" || undo "${FLAG[name]} was not ready after" \
    "${FLAG[wait-minutes]} minutes ($state); give --wait-minutes more, or" \
    'another --zone or --tier'
  why=$(queued describe \
    '--format=value(state.failedData.error.message)' 2>/dev/null || true)
  undo "${FLAG[name]} is $state${why:+: $why}"
}
say "${FLAG[name]} is ready: $CHIPS chips, paid for from now on"
