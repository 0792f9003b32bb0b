"""setup_hosts.sh, and the cost guard that lives on the hosts."""

import os
import pathlib
import subprocess
import time

import pytest

from tests.tpu_setup.conftest import ROOT, SLICE, Cloud, executable

CREATE = (*SLICE, '--topology=v5e-16', '--tier=spot', '--max-hours=2.5')
BUCKET = '--bucket=gs://my-bucket'
GUARD = ROOT / 'tpu_setup' / 'on_host' / 'guard.sh'
# Answers as the metadata server and Google's services do.
CURL = r"""
printf '%s\0' "$@" >>"$CLOUD/curl"
case "$*" in
  *slice-seconds) [[ ! -f "$CLOUD/unguarded" ]] && echo 100 || exit 22 ;;
  *slice-name) echo pod ;;
  *project-id) echo my-project ;;
  *instance/zone) echo projects/12345/zones/us-west4-a ;;
  */token) echo '{"access_token":"ya29.canary","token_type":"Bearer"}' ;;
  *testIamPermissions) cat >>"$CLOUD/curl_input"; cat "$CLOUD/may" ;;
  *DELETE*) cat >>"$CLOUD/curl_input"
    code=$(head -n 1 "$CLOUD/codes"); sed -i 1d "$CLOUD/codes"
    printf '{}\n%s' "$code" ;;
esac
"""


def test_setting_up_twice_installs_once(ready: Cloud) -> None:
  done = ready.run('setup_hosts.sh', *SLICE, BUCKET)
  assert done.returncode == 0, done.stderr
  assert 'all hosts of pod are ready' in done.stderr
  installs = (ready.folder / 'installs').read_text()
  # Each of two hosts: uv by pip, then Python and the packages by uv.
  assert installs.count('pip -m pip install') == 2
  assert installs.count('--require-hashes') == 2
  assert installs.count('uv venv --quiet --managed-python --python 3.11') == 2
  assert installs.count('tpu_setup/requirements-tpu.txt') == 2
  # gs:// needs none of it.
  assert not (ready.folder / 'gcsfuse').exists()


def test_a_bucket_is_mounted_where_that_is_wanted(ready: Cloud) -> None:
  for _ in range(2):
    done = ready.run('setup_hosts.sh', *SLICE, BUCKET, '--mount')
    assert done.returncode == 0, done.stderr
  mounts = (ready.folder / 'gcsfuse').read_text().splitlines()
  assert len(mounts) == 2
  assert all(line.startswith('--implicit-dirs') for line in mounts)
  assert all(' my-bucket ' in line for line in mounts)
  # Nothing of the test of renaming is left.
  assert list((ready.folder / 'bucket').iterdir()) == []


def test_no_file_of_a_home_folder_is_written(cloud: Cloud, tmp_path) -> None:
  home = tmp_path / 'home'
  home.mkdir()
  assert cloud.run('create.sh', *CREATE).returncode == 0
  flags = (*SLICE, BUCKET)
  assert cloud.run('setup_hosts.sh', *flags, HOME=str(home)).returncode == 0
  assert list(home.iterdir()) == []


def test_other_packages_are_installed(ready: Cloud) -> None:
  for host in range(2):
    ready.wish(f'host-{host}/opt/venv/installed', 'what was pinned before\n')
  assert ready.run('setup_hosts.sh', *SLICE).returncode == 0
  installs = (ready.folder / 'installs').read_text()
  assert installs.count('uv pip install') == 4
  assert installs.count('uv venv') == 2


def test_a_bucket_that_cannot_rename_folders_is_refused(cloud) -> None:
  assert cloud.run('create.sh', *CREATE).returncode == 0
  # The second argument of mv is where the folder shall go.
  executable(
    cloud.folder / 'host_bin' / 'mv',
    '#!/bin/sh\ncase "$1" in *.probe*) exit 1 ;; esac\nexec /bin/mv "$@"\n',
  )
  done = cloud.run('setup_hosts.sh', *SLICE, BUCKET, '--mount')
  assert done.returncode == 3
  assert 'gs://my-bucket has no hierarchical namespace' in done.stderr
  assert 'leave --mount out and give gs:// paths, or make' in done.stderr
  assert cloud.run('setup_hosts.sh', *SLICE, BUCKET).returncode == 0


@pytest.mark.parametrize(
  ('wish', 'text', 'said'),
  [
    (
      *('lacking', 'buckets.get'),
      'lacks storage.buckets.get on gs://my-bucket; run: gcloud storage buckets'
      ' add-iam-policy-binding gs://my-bucket --member=serviceAccount:biobert@'
      'p.iam.gserviceaccount.com --role=roles/storage.legacyBucketReader',
    ),
    ('lacking', 'objects.delete', '--role=roles/storage.objectUser'),
    ('http', '404', 'gs://my-bucket cannot be asked (HTTP 404): is there such'),
  ],
)
def test_what_a_host_may_not_do_is_said_before_a_run(ready, wish, text, said):
  ready.wish(wish, text)
  done = ready.run('setup_hosts.sh', *SLICE, BUCKET)
  assert done.returncode == 3
  assert said in done.stderr
  assert 'canary' not in done.stderr + done.stdout


@pytest.mark.parametrize(
  ('flag', 'state', 'said'),
  [
    ('--bucket=b', 'ACTIVE', '--bucket=b: gs://NAME, without a folder'),
    ('--bucket=gs://b/runs', 'ACTIVE', '--bucket=gs://b/runs: gs://NAME, with'),
    (BUCKET, 'SUSPENDED', 'pod is SUSPENDED; create it first'),
    ('--mount', 'ACTIVE', '--mount needs the bucket: --bucket=gs://NAME'),
    ('--cache=copies', 'ACTIVE', '--cache=copies: a folder of the hosts, as'),
  ],
)
def test_what_cannot_be_set_up_is_one_line(cloud, flag, state, said):
  cloud.wish('state', state)
  done = cloud.run('setup_hosts.sh', *SLICE, flag)
  assert done.returncode == 3
  assert said in done.stderr
  assert done.stderr.count('\n') == 1


def test_a_slice_that_cannot_delete_itself_is_refused(ready: Cloud) -> None:
  ready.wish('host-1/guard/permitted', 'no (HTTP 403)\n')
  done = ready.run('setup_hosts.sh', *SLICE)
  assert done.returncode == 3
  assert 'may not delete the slice: permitted: no (HTTP 403)' in done.stderr
  assert 'roles/tpu.admin' in done.stderr
  assert ready.run('setup_hosts.sh', *SLICE, '--max-hours=none').returncode == 0


@pytest.fixture
def host(tmp_path: pathlib.Path) -> pathlib.Path:
  """A host with the metadata of a slice of 100 seconds."""
  executable(tmp_path / 'bin' / 'curl', f'#!/usr/bin/env bash\n{CURL}')
  executable(
    tmp_path / 'bin' / 'systemd-run',
    '#!/usr/bin/env bash\nprintf "%s\\n" "$@" >>"$CLOUD/timer"\n',
  )
  executable(
    tmp_path / 'bin' / 'sleep', '#!/bin/sh\necho "$1" >>"$CLOUD/slept"\n'
  )
  (tmp_path / 'may').write_text(
    '{\n  "permissions": [\n    "tpu.nodes.delete"\n  ]\n}\n\n200'
  )
  return tmp_path


def guard(host: pathlib.Path, *verb: str) -> str:
  done = subprocess.run(
    ['bash', str(GUARD), *verb],
    env=os.environ
    | {
      'CLOUD': str(host),
      'PATH': f'{host / "bin"}:{os.environ["PATH"]}',
      'GUARD_STATE': str(host / 'guard'),
      'GUARD_JOBS': str(host / 'jobs'),
    },
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stderr


def test_the_guard_is_armed_once(host: pathlib.Path) -> None:
  assert 'permitted: yes' in guard(host)
  timer = (host / 'timer').read_text().splitlines()
  assert timer[0] == '--unit=biobert-guard'
  assert timer[-3:] == ['bash', str(host / 'guard' / 'guard.sh'), 'delete']
  deadline = int((host / 'guard' / 'deadline').read_text())
  assert deadline == pytest.approx(time.time() + 100, abs=5)
  # A host that starts again gets no more time.
  (host / 'guard' / 'deadline').write_text(f'{deadline - 60}\n')
  guard(host)
  left = (host / 'timer').read_text().split('--on-active=')[2].split()[0]
  assert 30 <= int(left) <= 40


def test_a_guard_without_permission_says_so(host: pathlib.Path) -> None:
  (host / 'may').write_text('{}\n200')
  assert 'permitted: no (HTTP 200)' in guard(host)


def test_a_slice_without_hours_has_no_guard(host: pathlib.Path) -> None:
  (host / 'unguarded').touch()
  assert guard(host) == ''
  assert not (host / 'timer').exists()


def test_the_guard_saves_and_deletes_and_does_not_give_up(host) -> None:
  (host / 'guard').mkdir()
  (host / 'codes').write_text('503\n403\n200\n')
  with subprocess.Popen(['sleep', '60']) as job:
    (host / 'jobs' / 'pod').mkdir(parents=True)
    (host / 'jobs' / 'pod' / 'pid').write_text(f'{job.pid}\n')
    said = guard(host, 'delete')
    assert job.wait(10) == -15
  assert 'refused (HTTP 503); tried again in 5 minutes' in said
  assert 'pod is being deleted' in said
  assert (host / 'slept').read_text().split() == ['120', '300', '300']
  asked = (host / 'curl').read_text()
  assert asked.count(
    'https://tpu.googleapis.com/v2/projects/my-project/locations/us-west4-a/'
    'queuedResources/pod?force=true'
  ) == 3  # fmt: skip
  # The token goes by standard input: on no command line.
  assert 'canary' not in asked
  assert 'Authorization: Bearer ya29.canary' in (
    (host / 'curl_input').read_text()
  )
