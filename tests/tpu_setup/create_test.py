"""create.sh and delete.sh: what they ask for, and what they leave behind."""

import signal
import subprocess

import pytest

from tests.tpu_setup.conftest import SLICE, Cloud

ASKED = (*SLICE, '--topology=v5e-16', '--tier=spot', '--max-hours=2.5')


def wait_for(running: subprocess.Popen[str], line: str) -> None:
  """Reads what a script says until a line that begins so."""
  while not running.stderr.readline().startswith(line):
    assert running.poll() is None


def test_the_request_is_what_gcloud_documents(cloud: Cloud) -> None:
  cloud.wish('waits', '2')
  done = cloud.run('create.sh', *ASKED, '--price=1.2')
  assert done.returncode == 0, done.stderr
  assert '16 chips for 2.5 h cost at most 48.00' in done.stderr
  assert 'pod: WAITING_FOR_RESOURCES' in done.stderr
  assert 'pod is ready: 16 chips' in done.stderr
  guard = f'{cloud.clone}/tpu_setup/on_host/guard.sh'
  assert cloud.calls()[2] == [
    *('compute', 'tpus', 'queued-resources', 'create', 'pod'),
    *('--project=my-project', '--zone=us-west4-a', '--quiet'),
    '--accelerator-type=v5litepod-16',
    '--runtime-version=v2-alpha-tpuv5-lite',
    *('--node-id=pod', '--labels=made-by=biobert-jax', '--spot'),
    '--valid-until-duration=3600s',
    '--scopes=https://www.googleapis.com/auth/cloud-platform',
    '--metadata=slice-name=pod,slice-seconds=9000',
    f'--metadata-from-file=startup-script={guard}',
  ]
  assert cloud.verbs() == ['describe', 'create', *['describe'] * 3]


@pytest.mark.parametrize(
  ('topology', 'tier', 'accelerator', 'runtime', 'flag', 'chips'),
  [
    ('v4-32', 'on-demand', 'v4-32', 'tpu-ubuntu2204-base', None, 16),
    ('v5p-16', 'reserved', 'v5p-16', 'v2-alpha-tpuv5', '--reserved', 8),
    ('v6e-16', 'spot', 'v6e-16', 'v2-alpha-tpuv6e', '--spot', 16),
    (
      *('v5litepod-16', 'spot', 'v5litepod-16'),
      *('v2-alpha-tpuv5-lite', '--spot', 16),
    ),
    ('v2-8', 'on-demand', 'v2-8', 'tpu-ubuntu2204-base', None, 4),
    ('v3-32', 'on-demand', 'v3-32', 'tpu-ubuntu2204-base', None, 16),
  ],
)
def test_topologies_and_tiers(
  cloud, topology, tier, accelerator, runtime, flag, chips
):
  flags = (f'--topology={topology}', f'--tier={tier}', '--max-hours=none')
  done = cloud.run('create.sh', *SLICE, *flags)
  assert f'is ready: {chips} chips' in done.stderr
  [request] = [c for c in cloud.calls() if 'create' in c]
  assert f'--accelerator-type={accelerator}' in request
  assert f'--runtime-version={runtime}' in request
  assert [f for f in ('--spot', '--reserved') if f in request] == [
    f for f in (flag,) if f
  ]
  # Without a cost guard there is none of its metadata.
  assert not [word for word in request if 'metadata' in word]


def test_names_may_come_from_the_environment(cloud: Cloud) -> None:
  done = cloud.run(
    'create.sh',
    *('--tier', 'spot', '--no-wait'),
    SLICE_NAME='mine',
    SLICE_PROJECT='my-project',
    SLICE_ZONE='us-central2-b',
    SLICE_TOPOLOGY='v4-32',
    SLICE_MAX_HOURS='1',
    SLICE_SERVICE_ACCOUNT='runner@my-project.iam.gserviceaccount.com',
  )
  assert done.returncode == 0, done.stderr
  request = cloud.calls()[-1]
  assert request[3:7] == [
    *('create', 'mine', '--project=my-project', '--zone=us-central2-b')
  ]
  assert (
    '--service-account=runner@my-project.iam.gserviceaccount.com' in request
  )
  assert 'mine is queued' in done.stderr


@pytest.mark.parametrize(
  ('flags', 'said'),
  [
    (('--topology=v5-16',), 'v2-N, v3-N, v4-N, v5e-N (v5litepod-N), v5p-N'),
    (('--tier=cheap',), '--tier=cheap: choose from on-demand spot reserved'),
    (('--max-hours=long',), '--max-hours=long: a number of hours, or none'),
    (('--max-hours=',), '--max-hours is missing (or SLICE_MAX_HOURS in'),
    (('--name=My Pod',), '--name=My Pod: up to 40 of a-z'),
    (('--zone=us-west4',), '--zone=us-west4: a zone looks like'),
    (('--project=a b',), "--project=a b: give the project's id"),
    (('--price=cheap',), '--price=cheap: a number'),
    (('--colour=red',), 'no flag --colour; --help shows'),
    (('pod',), "unexpected argument 'pod'; did you mean --pod?"),
    (('--wait-minutes',), '--wait-minutes needs a value'),
  ],
)
def test_wrong_flags_are_one_line_before_any_call(cloud, flags, said):
  done = cloud.run('create.sh', *ASKED, *flags)
  assert done.returncode == 3
  assert said in done.stderr
  assert done.stderr.count('\n') == 1
  assert cloud.calls() == []


def test_help_is_the_head_of_the_script(cloud: Cloud) -> None:
  for script in (cloud.clone / 'tpu_setup').glob('*.sh'):
    if script.name != 'common.sh':
      done = cloud.run(script.name, '--help')
      assert done.returncode == 0
      assert f'bash tpu_setup/{script.name}' in done.stdout
      assert 'shellcheck' not in done.stdout


@pytest.mark.parametrize(
  ('wish', 'text', 'said', 'left'),
  [
    ('logged_out', '', 'not logged in; run: gcloud auth login', False),
    (
      'state',
      'ACTIVE',
      'the name pod is taken (ACTIVE): it is ready for setup_hosts.sh',
      True,
    ),
    (
      'fails_at_create',
      'RESOURCE_EXHAUSTED: Quota limit TPUV5sPreemptible has been exceeded.',
      'quota refused: (gcloud.compute.tpus.queued-resources.create) RESOURCE',
      False,
    ),
    (
      'fails_at_create',
      'PERMISSION_DENIED: no.',
      'your account needs roles/tpu.admin in my-project',
      False,
    ),
    ('fails_at_describe', 'PERMISSION_DENIED: no.', 'not permitted: ', False),
    ('rival', '', 'the name pod is taken; choose another --name', True),
  ],
)
def test_what_is_refused_is_one_line_and_leaves_nothing(
  cloud, wish, text, said, left
):
  cloud.wish(wish, text)
  done = cloud.run('create.sh', *ASKED)
  assert done.returncode == 3
  assert said in done.stderr
  assert done.stderr.count('\n') == 1
  assert (cloud.folder / 'state').exists() == left
  assert 'delete' not in cloud.verbs()


def test_no_gcloud_is_one_line(cloud: Cloud, tmp_path) -> None:
  tools = ('awk', 'bash', 'dirname', 'mktemp', 'rm')
  for tool in tools:
    path = subprocess.check_output(['which', tool], text=True).strip()
    (tmp_path / tool).symlink_to(path)
  done = cloud.run('create.sh', *ASKED, PATH=str(tmp_path))
  assert done.returncode == 3
  assert 'gcloud was not found; install it from https://' in done.stderr
  assert done.stderr.count('\n') == 1


def test_a_slice_that_never_becomes_ready_is_deleted_again(cloud) -> None:
  cloud.wish('never')
  done = cloud.run('create.sh', *ASKED, '--wait-minutes=0.02')
  assert done.returncode == 3
  assert 'pod was not ready after 0.02 minutes (WAITING_FOR' in done.stderr
  assert 'deleted pod again' in done.stderr
  assert not (cloud.folder / 'state').exists()
  assert cloud.calls()[-1][3:] == [
    *('delete', 'pod', '--project=my-project', '--zone=us-west4-a'),
    *('--quiet', '--force'),
  ]


def test_a_slice_in_the_queue_is_waited_for_and_never_deleted(cloud) -> None:
  assert cloud.run('create.sh', *ASKED, '--no-wait').returncode == 0
  cloud.wish('never')
  done = cloud.run('create.sh', *ASKED, '--no-wait')
  assert done.returncode == 0
  assert 'pod is in the queue already; its request stays' in done.stderr
  for script, flags in (('create.sh', ASKED), ('setup_hosts.sh', SLICE)):
    done = cloud.run(script, *flags, '--wait-minutes=0.01')
    assert done.returncode == 1
    assert 'pod is still queued (WAITING_FOR_RESOURCES)' in done.stderr
    assert 'delete' not in done.stderr
  (cloud.folder / 'never').unlink()
  cloud.wish('waits', '3')
  done = cloud.run('create.sh', *ASKED)
  assert done.returncode == 0
  assert 'pod: WAITING_FOR_RESOURCES, still queued' in done.stderr
  assert 'pod is ready' in done.stderr
  assert [v for v in cloud.verbs() if v != 'describe'] == ['create']


def test_whoever_waits_for_a_slice_of_before_leaves_it(cloud) -> None:
  cloud.wish('state', 'WAITING_FOR_RESOURCES')
  cloud.wish('never')
  slow = {'SLICE_POLL_SECONDS': '30'}
  with cloud.running('create.sh', *ASKED, **slow) as running:
    wait_for(running, 'create.sh: pod: WAIT')
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=120)
  assert 'delete' not in cloud.verbs()


def test_a_request_that_fails_says_why_and_is_deleted(cloud: Cloud) -> None:
  cloud.wish('never')
  cloud.wish('why', 'There is no more capacity in the zone.')
  with cloud.running('create.sh', *ASKED) as running:
    # Not before `create` has returned: it writes the state too.
    wait_for(running, 'create.sh: pod: WAIT')
    cloud.wish('state', 'FAILED')
    _, said = running.communicate(timeout=120)
  assert running.returncode == 3
  assert 'pod is FAILED: There is no more capacity in the zone.' in said
  assert not (cloud.folder / 'state').exists()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_whoever_stops_waiting_leaves_nothing_behind(cloud, number) -> None:
  cloud.wish('never')
  slow = {'SLICE_POLL_SECONDS': '30'}
  with cloud.running('create.sh', *ASKED, **slow) as running:
    wait_for(running, 'create.sh: pod: WAIT')
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
  assert running.returncode == 3
  assert 'interrupted' in said
  assert not (cloud.folder / 'state').exists()


def test_what_cannot_be_deleted_is_said_loudly(cloud: Cloud) -> None:
  cloud.wish('state', 'ACTIVE')
  cloud.wish('fails_at_delete', 'UNAVAILABLE: try again.')
  done = cloud.run('delete.sh', *SLICE, '--yes')
  assert done.returncode == 1
  assert 'IT MAY STILL COST MONEY' in done.stderr


def test_delete_lists_and_asks(cloud: Cloud) -> None:
  cloud.wish('state', 'ACTIVE')
  done = cloud.run('delete.sh', *SLICE, answer='yes\n')
  assert done.returncode == 3
  assert 'queued resource pod (ACTIVE)' in done.stdout
  assert 'v5litepod-16 READY' in done.stdout
  assert 'nothing was deleted' in done.stderr
  assert 'delete' not in cloud.verbs()
  done = cloud.run('delete.sh', *SLICE, answer='pod\n')
  assert done.returncode == 0
  assert not (cloud.folder / 'state').exists()
  done = cloud.run('delete.sh', *SLICE, answer='')
  assert done.returncode == 0
  assert 'nothing to delete' in done.stderr


def test_a_dry_run_prints_the_commands_and_calls_nothing(cloud) -> None:
  done = cloud.run('create.sh', *ASKED, DRY_RUN='1')
  lines = done.stdout.splitlines()
  assert [line.split()[4] for line in lines] == [
    *('describe', 'create', 'describe'),
  ]
  assert '--valid-until-duration=3600s --scopes=https://' in lines[1]
  assert "'--format=value(state.state)'" in lines[0]
  assert cloud.calls() == []
