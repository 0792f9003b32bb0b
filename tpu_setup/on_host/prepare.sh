#!/usr/bin/env bash
# Run on a host by setup_hosts.sh: Python, packages, bucket. Idempotent.
#
#   prepare.sh FOLDER COMMIT BUCKET_OR_''
set -euo pipefail
folder=$1 commit=$2 bucket=$3 mount=${JOB_MOUNT:-/mnt/biobert}
code=$folder/code

fail() { printf '%s: %s\n' "$(hostname)" "$*" >&2; exit 3; }

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

if [[ -n "$bucket" ]]; then
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
  printf '%s\n' "$bucket" >"$folder/bucket"
  bash "$code/tpu_setup/on_host/job.sh" mount
  # Checkpoints are written aside and renamed; see that this bucket can.
  probe=$mount/.probe-$(hostname)-$$
  { mkdir "$probe" && echo x >"$probe/x" && mv "$probe" "$probe.new" &&
    rm -r "$probe.new"; } || fail "gs://$bucket cannot rename a folder: make" \
    'one with --enable-hierarchical-namespace, see tpu_setup/README.md'
fi
echo "$(hostname) is ready with ${commit:0:12}"
