#!/usr/bin/env bash
# Run on a host by setup_hosts.sh: Python, packages, bucket. Idempotent.
#
#   prepare.sh FOLDER COMMIT BUCKET_OR_'' [true_TO_MOUNT_OR_'' [CACHE]]
set -euo pipefail
folder=$1 commit=$2 bucket=$3 mounts=${4:-} cache=${5:-$1/copies}
mount=${JOB_MOUNT:-/mnt/biobert}
code=$folder/code

fail() { printf '%s: %s\n' "$(hostname)" "$*" >&2; exit 3; }

metadata() {  # metadata KEY: of the service account of this host.
  curl -fsS -H 'Metadata-Flavor: Google' "http://metadata.google.internal/\
computeMetadata/v1/instance/service-accounts/default/$1"
}

need_role() {  # need_role ROLE PERMISSION...: of the service account.
  local role=$1 permission answer query
  shift
  query=$(printf '&permissions=storage.%s' "$@")
  answer=$(metadata token |
    sed -E 's/.*"access_token" *: *"([^"]*)".*/Authorization: Bearer \1/' |
    curl -sS -H @- -w '\n%{http_code}' "https://storage.googleapis.com/\
storage/v1/b/$bucket/iam/testPermissions?${query#&}") || true
  [[ "${answer##*$'\n'}" == 200 ]] ||
    fail "gs://$bucket cannot be asked (HTTP ${answer##*$'\n'}): is there" \
      'such a bucket, and were the hosts made by create.sh?'
  for permission in "$@"; do
    [[ "$answer" == *"\"storage.$permission\""* ]] ||
      fail "the service account lacks storage.$permission on gs://$bucket;" \
        "run: gcloud storage buckets add-iam-policy-binding gs://$bucket" \
        "--member=serviceAccount:$(metadata email) --role=roles/storage.$role"
  done
}

# The images bring Python 3.10, so uv brings 3.11; all of it inside $folder.
export UV_CACHE_DIR=$folder/cache UV_PYTHON_INSTALL_DIR=$folder/python
export UV_NO_CONFIG=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
installed=$folder/venv/installed
wanted=$(cat "$code"/requirements.txt "$code"/tpu_setup/*.txt | sha256sum)
if [[ "$(cat "$installed" 2>/dev/null)" != "$wanted" ]]; then
  python3 -m pip install --quiet --no-deps --upgrade --target "$folder/tools" \
    --require-hashes --requirement "$code/tpu_setup/uv.txt" >&2 ||
    fail 'uv could not be installed; does the host reach pypi.org?'
  uv=$folder/tools/bin/uv
  [[ -x "$folder/venv/bin/python" ]] ||
    "$uv" venv --quiet --managed-python --python 3.11 "$folder/venv" >&2 ||
    fail 'Python 3.11 could not be installed; does it reach github.com?'
  "$uv" pip install --quiet --python "$folder/venv/bin/python" \
    --requirement "$code/tpu_setup/requirements-tpu.txt" >&2 ||
    fail 'the pinned packages could not be installed (see above)'
  printf '%s\n' "$wanted" >"$installed"
fi
(cd "$code" && "$folder/venv/bin/python" -c 'import biobert_jax, jax, libtpu') ||
  fail 'the installed packages cannot be imported (see above)'

mkdir -p "$cache" 2>/dev/null ||
  { sudo mkdir -p "$cache" && sudo chown "$(id -u)" "$cache"; } ||
  fail "$cache: cannot be made; name another --cache"
printf '%s\n' "$cache" >"$folder/cache_folder"
rm -f "$folder/mounted"
if [[ -n "$bucket" ]]; then
  need_role objectUser objects.create objects.delete objects.get objects.list
  # Whoever deletes old checkpoints asks what kind of bucket it is.
  need_role legacyBucketReader buckets.get
  printf '%s\n' "$bucket" >"$folder/bucket"
fi
if [[ "$mounts" == true ]]; then
  if ! command -v gcsfuse >/dev/null; then
    key=/usr/share/keyrings/cloud.google.asc
    curl -fsSL https://packages.cloud.google.com/apt/doc/apt-key.gpg |
      sudo tee "$key" >/dev/null
    echo "deb [signed-by=$key] https://packages.cloud.google.com/apt" \
      "gcsfuse-$(lsb_release -cs) main" |
      sudo tee /etc/apt/sources.list.d/gcsfuse.list >/dev/null
    { sudo apt-get -qq update && sudo apt-get -qq install -y gcsfuse; } >&2 ||
      fail 'gcsfuse could not be installed (see above)'
  fi
  sudo mkdir -p "$mount"
  mountpoint -q "$mount" || sudo chown "$(id -u)" "$mount"
  printf '%s\n' "$bucket" >"$folder/mounted"
  bash "$code/tpu_setup/on_host/job.sh" mount
  # Checkpoints are written aside and renamed; see that this bucket can.
  probe=$mount/.probe-$(hostname)-$$
  { mkdir "$probe" && echo x >"$probe/x" && mv "$probe" "$probe.new" &&
    rm -r "$probe.new"; } || fail "gs://$bucket has no hierarchical namespace:" \
    'it cannot rename a folder, by which a mounted folder takes a checkpoint;' \
    'leave --mount out and give gs:// paths, or make a bucket with' \
    '--enable-hierarchical-namespace'
fi
echo "$(hostname) is ready with ${commit:0:12}"
