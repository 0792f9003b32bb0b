#!/usr/bin/env bash
# Stands in for gcloud: one queued resource, whose hosts are folders.
#
# In the folder $CLOUD: `log`, each call's arguments; `state` of the resource, no
# file for none; what a test wishes: `waits` (how often it is not ready yet),
# `never` (ready), `fails_at_create`, …, `_describe`, `_delete`, `_ssh` (what it
# says then), `logged_out`. Flags that gcloud's reference does not name are
# refused, as gcloud does.
set -u
printf '%s\0' "$@" $'\n' >>"$CLOUD/log"

refuse() { printf 'ERROR: (gcloud.%s) %s\n' "$words" "$1" >&2; exit "${2:-1}"; }

words='' node='' names=()
declare -A flag=()
for word in "$@"; do
  case "$word" in
    --*=*) name=${word%%=*}; flag[${name#--}]=${word#*=}; names+=("$name") ;;
    --*) flag[${word#--}]=true; names+=("$word") ;;
    *) [[ "$words" =~ (create|describe|delete|ssh|scp|cat)$ ]] && node+="$word " ||
      words+="${words:+.}$word" ;;
  esac
done
wide='--project --quiet --format'
case "$words" in
  auth.list) known='--filter --format' ;;
  storage.cat) known="$wide --display-url" ;;
  compute.tpus.queued-resources.create) known="$wide --zone --runtime-version
    --accelerator-type --node-id --labels --metadata --metadata-from-file
    --network --subnetwork --internal-ips --reserved --spot --scopes
    --service-account --valid-until-duration" ;;
  compute.tpus.queued-resources.describe) known="$wide --zone" ;;
  compute.tpus.queued-resources.delete) known="$wide --zone --force --async" ;;
  compute.tpus.tpu-vm.describe) known="$wide --zone" ;;
  compute.tpus.tpu-vm.ssh) known="$wide --zone --worker --command --ssh-flag" ;;
  compute.tpus.tpu-vm.scp) known="$wide --zone --worker" ;;
  *) refuse 'Invalid choice' 2 ;;
esac
for name in "${names[@]}"; do
  [[ " ${known//$'\n'/ } " == *" $name "* ]] ||
    refuse "unrecognized arguments: $name" 2
done

verb=${words##*.}
[[ ! -f "$CLOUD/fails_at_$verb" ]] || refuse "$(<"$CLOUD/fails_at_$verb")"
state=$(cat "$CLOUD/state" 2>/dev/null || echo NONE)

ready() {
  [[ "$state" == ACTIVE ]] || refuse "Cloud TPU node is $state" 255
}

on_host() {  # on_host INDEX: its shell; its folders are below $CLOUD/host-INDEX.
  local home=$CLOUD/host-$1 command=${flag[command]}
  command=${command//\/opt\/biobert/"$home"/opt}
  command=${command//\/tmp\/biobert-/"$home"/tmp/biobert-}
  env CLOUD_HOST="$1" JOB_FOLDER="$home/opt" JOB_MOUNT="$CLOUD/bucket" GUARD_STATE="$home/guard" \
    JOB_PYTHON="$home/opt/venv/bin/python" PATH="$CLOUD/host_bin:$PATH" \
    sh -c "$command"
}

case "$words" in
  auth.list) [[ -f "$CLOUD/logged_out" ]] || echo somebody@example.org ;;
  storage.cat) echo "logs of $node" ;;
  *.create)
    # Made by somebody else, since we looked.
    [[ ! -f "$CLOUD/rival" ]] || { state=ACTIVE; echo ACTIVE >"$CLOUD/state"; }
    [[ "$state" == NONE ]] ||
      refuse "ALREADY_EXISTS: Resource '$node' already exists"
    echo WAITING_FOR_RESOURCES >"$CLOUD/state"
    seconds=$(sed -n 's/.*slice-seconds=//p' <<<"${flag[metadata]:-}")
    for host in 0 1; do
      mkdir -p "$CLOUD/host-$host/"{tmp,guard}
      [[ -z "$seconds" ]] || {
        echo $(($(date +%s) + seconds)) >"$CLOUD/host-$host/guard/deadline"
        echo yes >"$CLOUD/host-$host/guard/permitted"
      }
    done
    ;;
  *.queued-resources.describe)
    [[ "$state" != NONE ]] || refuse "NOT_FOUND: Resource '$node' was not found"
    if [[ "${flag[format]}" == *failedData* ]]; then
      cat "$CLOUD/why"
      exit
    fi
    waits=$(cat "$CLOUD/waits" 2>/dev/null || echo 0)
    if [[ "$state" == WAITING_FOR_RESOURCES && ! -f "$CLOUD/never" ]]; then
      ((waits)) && echo $((waits - 1)) >"$CLOUD/waits"
      ((waits)) || { state=ACTIVE; echo ACTIVE >"$CLOUD/state"; }
    fi
    echo "$state"
    ;;
  *.queued-resources.delete) rm -rf "$CLOUD/state" "$CLOUD"/host-* ;;
  *.tpu-vm.describe) ready; echo 'v5litepod-16 READY' ;;
  *.ssh)
    ready
    pids=() code=0
    case "${flag[worker]}" in
      all) for host in 0 1; do on_host "$host" & pids+=($!); done ;;
      *) on_host "${flag[worker]}" & pids+=($!) ;;
    esac
    for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
    exit "$code"
    ;;
  *.scp)
    ready
    for host in 0 1; do cp "${node%% *}" "$CLOUD/host-$host/tmp/"; done
    ;;
esac
