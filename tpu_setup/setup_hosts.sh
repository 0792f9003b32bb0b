#!/usr/bin/env bash
# Brings this commit and its pinned packages to all hosts.
#
#   bash tpu_setup/setup_hosts.sh --name=NAME --project=PROJECT --zone=ZONE \
#     --bucket=gs://BUCKET
#
#   --bucket=gs://B     takes logs; hosts are asked whether they may use it as
#                       work folders need
#   --mount             mounts it at /mnt/biobert, too, by gcsfuse; it must have a
#                       hierarchical namespace. gs:// paths need no mount
#   --cache=DIR         /opt/biobert/copies: where hosts keep their local copies
#                       of corpora and weights in buckets; a data disk, or
#                       /dev/shm/biobert, which is memory
#   --commit=C          which commit; default: HEAD
#   --max-hours=none    is satisfied with a slice that will not delete itself
#   --wait-minutes=M    60; for a slice that is in the queue still
#   --poll-seconds=S    15; between two looks
#
# Run it as often as you like: what is there already stays. All lies in
# /opt/biobert; no file of a home folder is written. Each flag may stand in the
# environment (SLICE_BUCKET, …); DRY_RUN=1 prints the gcloud commands.
# shellcheck source=tpu_setup/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags 'name project zone bucket mount? cache commit max-hours
  wait-minutes poll-seconds' "$@"
need_names
need_waiting
[[ -z "${FLAG[bucket]}" ||
  "${FLAG[bucket]}" =~ ^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$ ]] ||
  fail "--bucket=${FLAG[bucket]}: gs://NAME, without a folder"
[[ "${FLAG[mount]}" != true || -n "${FLAG[bucket]}" ]] ||
  fail '--mount needs the bucket: --bucket=gs://NAME'
: "${FLAG[cache]:=$FOLDER/copies}"
[[ "${FLAG[cache]}" == /* ]] ||
  fail "--cache=${FLAG[cache]}: a folder of the hosts, as /dev/shm/biobert"
need_gcloud
scratch
cd "$HERE/.." || exit
commit=$(git rev-parse --verify --quiet "${FLAG[commit]:-HEAD}^{commit}") ||
  fail "$PWD has no commit ${FLAG[commit]:-HEAD}; hosts get a commit by name"
[[ -z "$(git status --porcelain --untracked-files=no)" ]] ||
  say 'changes that are not committed are not brought to the hosts'
state=$(slice_state)
[[ "$state" != UNKNOWN ]] || fail "$(reason "$SCRATCH/describe")"
if is_queued "$state"; then
  await_slice || { is_queued "$state" && still_queued; } || true
fi
[[ "$state" == ACTIVE ]] ||
  fail "${FLAG[name]} is $state; create it first: bash tpu_setup/create.sh"

archive=biobert-$commit.tar.gz
git archive --format=tar.gz --output="$SCRATCH/$archive" "$commit"
from=$SCRATCH/$archive
dry && from=$archive  # The same line each time it is printed.
run gcloud compute tpus tpu-vm scp "$from" "${FLAG[name]}:/tmp/" \
  "--project=${FLAG[project]}" "--zone=${FLAG[zone]}" --quiet --worker=all ||
  fail "cannot copy to ${FLAG[name]} (its reason stands above); see that" \
    'ssh-agent holds the key: ssh-add ~/.ssh/google_compute_engine'
# Unpacked aside, then swapped in: no host ever runs half a commit.
# shellcheck disable=SC2016 # $1 and others are those of the host.
unpack='set -eu
  [ -d "$1" ] || { sudo mkdir -p "$1" && sudo chown "$(id -u)" "$1"; }
  mkdir -p "$1/code-$2" && tar -xzf "/tmp/biobert-$2.tar.gz" -C "$1/code-$2"
  ln -sfn "code-$2" "$1/code.new" && mv -T "$1/code.new" "$1/code"
  exec bash "$1/code/tpu_setup/on_host/prepare.sh" "$@"'
ssh_hosts all sh -c "$unpack" setup "$FOLDER" "$commit" \
  "${FLAG[bucket]#gs://}" "${FLAG[mount]}" "${FLAG[cache]}" ||
  fail "a host of ${FLAG[name]} could not be set up (its reason stands above);" \
    'run this again'
[[ "${FLAG[max-hours]}" == none ]] || ssh_hosts all bash "$JOB" guard ||
  fail "${FLAG[name]} cannot delete itself (--max-hours), see above; give its" \
    'service account roles/tpu.admin, or say --max-hours=none here'
dry || say "all hosts of ${FLAG[name]} are ready"
