"""Every command line of tpu_setup/ is one that the real gcloud understands.

It reads its arguments before it looks for an account, and here it finds none:
so nothing is asked of any cloud.
"""

import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SLICE = ('--name=pod', '--project=my-project', '--zone=us-west4-a')
CREATE = (
  *('--topology=v5e-16', '--max-hours=1', '--network=n', '--subnetwork=s'),
  *('--internal-ips', '--service-account=a@b.iam.gserviceaccount.com'),
)
SCRIPTS = (
  ('create.sh', *CREATE, '--tier=spot'),
  ('create.sh', *CREATE, '--tier=reserved'),
  ('setup_hosts.sh', '--bucket=gs://my-bucket'),
  ('launch.sh', *CREATE, '--tier=spot', '--', 'train', "it's $HOME"),
  ('status.sh',),
  ('logs.sh',),
  ('logs.sh', '--bucket=gs://my-bucket', '--from-bucket'),
  ('stop.sh',),
  ('delete.sh', '--yes'),
)
NO_ACCOUNT = 'You do not currently have an active account selected'


def commands(script: str, *flags: str) -> list[list[str]]:
  """What a dry run prints, as words."""
  done = subprocess.run(
    ['bash', f'tpu_setup/{script}', *SLICE, *flags],
    cwd=ROOT,
    env=os.environ | {'DRY_RUN': '1'},
    capture_output=True,
    text=True,
    check=True,
  )
  # Commands for hosts have more than one line, inside quotes.
  words = shlex.split(done.stdout.replace('\ngcloud ', '\n;; gcloud '))
  lines: list[list[str]] = [[]]
  for word in words:
    if word == ';;':
      lines.append([])
    else:
      lines[-1].append(word)
  return [line for line in lines if line[:1] == ['gcloud']]


@pytest.fixture
def gcloud(tmp_path: pathlib.Path) -> dict[str, str]:
  """Variables of a gcloud that has no account, wherever it runs."""
  if shutil.which('gcloud') is None:
    pytest.skip('gcloud is not installed')
  variables = os.environ | {
    'CLOUDSDK_CONFIG': str(tmp_path),
    'CLOUDSDK_CORE_DISABLE_PROMPTS': '1',
    'NO_GCE_CHECK': 'true',  # On a machine of Google it would find one.
  }
  accounts = subprocess.run(
    ['gcloud', 'auth', 'list', '--format=value(account)'],
    env=variables,
    capture_output=True,
    text=True,
  )
  if accounts.stdout.strip():
    pytest.skip('gcloud finds an account; nothing is asked of a real cloud')
  return variables


def test_gcloud_understands_every_command_line(gcloud):
  lines = [line for script in SCRIPTS for line in commands(*script)]
  verbs = {' '.join(line[1:5]) for line in lines if line[2] == 'tpus'}
  distinct = {
    (*line[1:5], *sorted(w.split('=')[0] for w in line if w[:2] == '--')): line
    for line in lines
  }
  assert len(distinct) >= 8, verbs
  for line in distinct.values():
    line = [
      f'{ROOT}/README.md' if word.endswith('.tar.gz') else word for word in line
    ]
    done = subprocess.run(line, env=gcloud, capture_output=True, text=True)
    assert NO_ACCOUNT in done.stderr, (line, done.stderr)
  wrong = subprocess.run(
    [*line, '--no-such-flag'], env=gcloud, capture_output=True, text=True
  )
  assert 'unrecognized arguments: --no-such-flag' in wrong.stderr
