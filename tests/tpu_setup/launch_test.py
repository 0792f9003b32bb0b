"""launch.sh: restarts, refusals, and arguments that arrive as they were."""

import os
import signal
import subprocess
import time

import pytest

from tests.tpu_setup.conftest import SLICE, Cloud

CREATE = (*SLICE, '--topology=v5e-16', '--tier=spot', '--max-hours=2.5')
LAUNCH = (*CREATE, '--bucket=gs://my-bucket')
TRAIN = (
  *('train', '--config=configs/x.py:base'),
  '--workdir=gs://my-bucket/runs/x',
)
# Words that a shell would make something else of.
HARD = (
  *("it's", 'two  spaces', ' ', '', '$HOME', '`id`', '$(id)', '; id #'),
  *('"quoted"', 'a\nb', '*', '~', '\\', '&& id', 'ü😀', '--config.x=a b'),
  *("'", "''\\''", '!!', '{a,b}', '> file', '-', '%USER%'),
)


def test_from_create_to_delete_with_two_preemptions(cloud: Cloud) -> None:
  assert cloud.run('create.sh', *CREATE).returncode == 0
  flags = (*SLICE, '--bucket=gs://my-bucket')
  assert cloud.run('setup_hosts.sh', *flags).returncode == 0
  cloud.wish('plan', 'preempted\npreempted\n42\n0\n')
  done = cloud.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 0, done.stderr
  # The log of the first host, each line once.
  assert done.stdout.count('step of preempted') == 2
  assert done.stdout.count('step of 42') == done.stdout.count('step of 0') == 1
  assert done.stderr.count('the slice is gone; made anew') == 2
  assert 'pod ended with 42; started again (restart 3)' in done.stderr
  assert 'pod is done' in done.stderr
  # All hosts, each time the same; JAX finds the others by itself.
  for host in range(2):
    assert cloud.argv(host) == [*TRAIN, '--multihost']
  # Logs outlive the slices.
  logs = list((cloud.folder / 'bucket' / 'logs' / 'pod').glob('*/*.log'))
  assert {log.name for log in logs} == {'pod-w-0.log', 'pod-w-1.log'}
  assert len(logs) >= 4
  made = [call for call in cloud.calls() if 'create' in call]
  assert len(made) == 3
  assert {tuple(w for w in c if 'slice-seconds' not in w) for c in made} == {
    tuple(w for w in made[0] if 'slice-seconds' not in w)
  }
  # The cost guard of the last slice has no more hours than were left.
  seconds = [
    int(word.split('slice-seconds=')[1])
    for call in made
    for word in call
    if 'slice-seconds' in word
  ]
  assert seconds[0] == 9000
  assert 8900 < seconds[2] <= seconds[1] <= 9000
  done = cloud.run('delete.sh', *SLICE, '--yes')
  assert done.returncode == 0
  assert cloud.verbs().count('delete') == 3
  assert not (cloud.folder / 'state').exists()


def test_a_slice_in_the_queue_is_waited_for_and_set_up(cloud: Cloud) -> None:
  assert cloud.run('create.sh', *CREATE, '--no-wait').returncode == 0
  cloud.wish('never')
  command = (*LAUNCH, '--', *TRAIN)
  done = cloud.run('launch.sh', *command, SLICE_WAIT_MINUTES='0.01')
  assert done.returncode == 1
  assert 'pod is still queued (WAITING_FOR_RESOURCES)' in done.stderr
  assert 'delete' not in done.stderr
  (cloud.folder / 'never').unlink()
  cloud.wish('waits', '2')
  cloud.wish('plan', '0\n')
  done = cloud.run('launch.sh', *command)
  assert done.returncode == 0, done.stderr
  assert 'all hosts of pod are ready' in done.stderr
  assert 'pod is done' in done.stderr
  assert 'delete' not in cloud.verbs()


def test_a_preempted_slice_that_somebody_made_anew_is_not_deleted(
  ready: Cloud,
) -> None:
  ready.wish('plan', 'requeued\n0\n')
  ready.wish('waits', '4')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 0, done.stderr
  assert 'pod is in the queue already; its request stays' in done.stderr
  assert 'delete' not in ready.verbs()


@pytest.mark.parametrize('code', [3, 4, 130])
def test_what_another_start_would_not_mend_is_not_started_again(
  ready, code
) -> None:
  ready.wish('plan', f'{code}\n0\n')
  done = ready.run('launch.sh', *LAUNCH, '--delete-when-done', '--', *TRAIN)
  assert done.returncode == code
  assert f'ended with exit code {code}; it is not started' in done.stderr
  assert 'deleted pod' in done.stderr
  assert not (ready.folder / 'state').exists()


def test_restarts_have_an_end(ready: Cloud) -> None:
  ready.wish('plan', '42\n42\n42\n')
  done = ready.run('launch.sh', *LAUNCH, '--max-restarts=1', '--', *TRAIN)
  assert done.returncode == 42
  assert 'after 1 restarts, which is what --max-restarts allows' in done.stderr
  assert (ready.folder / 'plan').read_text() == '42\n'


def test_crashes_in_a_row_have_an_end(ready: Cloud) -> None:
  ready.wish('plan', '134\n42\n1\n1\n1\n0\n')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 1
  assert 'pod crashed three times in a row (1)' in done.stderr
  assert (ready.folder / 'plan').read_text() == '0\n'


def test_words_arrive_as_they_were(ready: Cloud) -> None:
  ready.wish('plan', '0\n')
  done = ready.run('launch.sh', *LAUNCH, '--', 'train', *HARD)
  assert done.returncode == 0, done.stderr
  for host in range(2):
    assert ready.argv(host) == ['train', *HARD, '--multihost']


def test_words_arrive_on_this_machine_too(cloud: Cloud, tmp_path) -> None:
  cloud.wish('plan', '0\n')
  # The program is found beside the scripts.
  python = cloud.clone / '.venv' / 'bin' / 'python'
  before = python.read_text()
  python.write_text((cloud.folder / 'program').read_text())
  try:
    done = cloud.run(
      'launch.sh',
      *('--local-processes=2', f'--local-folder={tmp_path / "a b"}'),
      *('--', 'train', *HARD),
    )
  finally:
    python.write_text(before)
  assert done.returncode == 0, done.stderr
  for host in range(2):
    words = cloud.argv(host)
    assert words[: len(HARD) + 1] == ['train', *HARD]
    assert words[-3].startswith('--coordinator=127.0.0.1:')
    assert words[-2:] == ['--num_hosts=2', f'--host={host}']
  assert cloud.calls() == []


def test_other_commands_run_on_the_first_host_alone(ready: Cloud) -> None:
  ready.wish('plan', '0\n')
  words = ('evaluate', '--workdir=gs://my-bucket/runs/x', '--split=test')
  done = ready.run('launch.sh', *LAUNCH, '--', *words)
  assert done.returncode == 0, done.stderr
  assert ready.argv(0) == [*words]
  assert not (ready.folder / 'argv-1').exists()
  assert not (ready.folder / 'preflight_argv').exists()
  start = next(c for c in ready.calls() if ' start ' in c[-1])
  assert '--worker=0' in start


@pytest.mark.parametrize(
  ('topology', 'several'),
  [('v5e-8', 0), ('v6e-16', 1), ('v4-8', 0), ('v4-16', 1), ('v3-32', 1)],
)
def test_one_host_of_several_uses_its_own_chips(
  cloud: Cloud, topology: str, several: bool
) -> None:
  flags = (*SLICE, f'--topology={topology}', '--tier=spot', '--max-hours=none')
  words = ('--', 'evaluate', '--workdir=gs://my-bucket/runs/x')
  done = cloud.run('launch.sh', *flags, *words, DRY_RUN='1')
  assert done.returncode == 0, done.stderr
  assert ('TPU_PROCESS_BOUNDS=1,1,1' in done.stdout) == several


def test_what_does_not_fit_is_not_launched(ready: Cloud) -> None:
  ready.wish('preflight', '3')
  elsewhere = '--config.init_from=gs://my-bucket/bert'
  step = '--config.init_from_step=5000'
  words = (*TRAIN, elsewhere, step, '--config.batch_size', '9999')
  done = ready.run('launch.sh', *LAUNCH, '--', *words)
  assert done.returncode == 3
  assert 'preflight refuses this on v5e-16 (its reason stands' in done.stderr
  asked = (ready.folder / 'preflight_argv').read_text().split('\0')[:-1]
  assert asked == [
    *('-m', 'biobert_jax', 'preflight', '--config=configs/x.py:base'),
    *('--config.batch_size=9999', '--topology=v5e-16'),
  ]
  assert not (ready.folder / 'argv-0').exists()
  ready.wish('plan', '0\n')
  done = ready.run('launch.sh', *LAUNCH, '--force', '--', *words)
  assert done.returncode == 0
  assert 'launched all the same' in done.stderr


def test_a_preflight_that_fails_itself_is_told_apart(ready: Cloud) -> None:
  ready.wish('preflight', '1')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 3
  assert 'preflight itself failed (exit code 1)' in done.stderr


@pytest.mark.parametrize(
  ('words', 'said'),
  [
    ((), 'nothing to run; write -- and a command'),
    (('train', '--hf_token=abc'), '--hf_token looks like a secret'),
    (('train', '--config.API_KEY=abc'), '--config.API_KEY looks like a secret'),
    (('train', '--workdir=runs/x'), 'share the folder; give gs://BUCKET/FOLD'),
    (('train', '--workdir=gs:/b/x'), 'share the folder; give gs://BUCKET/FOLD'),
    (('train', '--continue-as=runs/y'), 'share the folder; give gs://BUCKET'),
  ],
)
def test_wrong_commands_are_one_line_before_any_call(cloud, words, said):
  done = cloud.run('launch.sh', *LAUNCH, '--', *words)
  assert done.returncode == 3
  assert said in done.stderr
  assert 'abc' not in done.stderr
  assert done.stderr.count('\n') == 1
  assert cloud.calls() == []


def test_a_slice_that_is_not_set_up_is_one_line(cloud: Cloud) -> None:
  assert cloud.run('create.sh', *CREATE).returncode == 0
  done = cloud.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 3
  assert (
    'pod is not set up, or does not answer; run: bash tpu_setup' in done.stderr
  )


def test_who_gives_mounted_paths_gets_them_mounted_or_told(ready) -> None:
  words = ('train', '--config=configs/x.py:base', '--workdir=/mnt/biobert/x')
  done = ready.run('launch.sh', *LAUNCH, '--', *words)
  assert done.returncode == 3
  assert 'nothing is mounted at' in done.stderr
  assert 'or run setup_hosts.sh with --mount' in done.stderr
  done = ready.run('launch.sh', *CREATE, '--', *words)
  assert done.returncode == 3
  assert '--bucket is missing, which is mounted at /mnt' in done.stderr
  flags = (*SLICE, '--bucket=gs://my-bucket', '--mount')
  assert ready.run('setup_hosts.sh', *flags).returncode == 0
  # A host that started again: else a run would begin below an empty folder.
  (ready.folder / 'mounted-1').unlink()
  ready.wish('plan', 'preempted\n0\n')
  done = ready.run('launch.sh', *LAUNCH, '--', *words)
  assert done.returncode == 0, done.stderr
  assert (ready.folder / 'mounted-1').exists()
  # The slice that was made anew has it, too.
  named = ready.folder / 'host-1' / 'opt' / 'mounted'
  assert named.read_text() == 'my-bucket\n'


def test_local_copies_go_where_the_hosts_were_told(ready, tmp_path) -> None:
  ready.wish('plan', '0\n')
  assert ready.run('launch.sh', *LAUNCH, '--', *TRAIN).returncode == 0
  folder = (ready.folder / 'cache-1').read_text().strip()
  assert folder.endswith('/host-1/opt/copies')
  flag = f'--cache={tmp_path / "data disk"}'
  assert ready.run('setup_hosts.sh', *SLICE, flag).returncode == 0
  ready.wish('plan', 'preempted\n0\n')
  done = ready.run('launch.sh', *LAUNCH, flag, '--', *TRAIN)
  assert done.returncode == 0, done.stderr
  assert (ready.folder / 'cache-0').read_text() == f'{tmp_path}/data disk\n'


def test_a_slice_made_anew_runs_the_same_commit(ready, clone) -> None:
  before = os.readlink(ready.folder / 'host-0' / 'opt' / 'code')
  git = ['git', '-C', str(clone), '-c', 'user.name=t', '-c', 'user.email=t@t']
  subprocess.run([*git, 'commit', '-qm', 'more', '--allow-empty'], check=True)
  ready.wish('plan', 'preempted\n0\n')
  assert ready.run('launch.sh', *LAUNCH, '--', *TRAIN).returncode == 0
  assert os.readlink(ready.folder / 'host-0' / 'opt' / 'code') == before


def test_no_slice_is_one_line(cloud: Cloud) -> None:
  done = cloud.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 3
  assert 'there is no pod; make it first: bash tpu_setup/create' in done.stderr


def test_a_slice_that_cannot_be_made_again_ends_as_preempted(ready) -> None:
  ready.wish('plan', 'preempted\n0\n')
  ready.wish('fails_at_create', 'RESOURCE_EXHAUSTED: Quota is used up.')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 42
  assert 'create.sh: quota refused' in done.stderr
  assert 'what was saved lies in the work folder' in done.stderr
  assert not (ready.folder / 'state').exists()


def test_hours_that_are_used_up_are_not_prolonged(ready: Cloud) -> None:
  for host in range(2):
    ready.wish(f'host-{host}/guard/deadline', str(int(time.time()) + 120))
  ready.wish('plan', 'preempted\n0\n')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 42
  assert '--max-hours are used up' in done.stderr
  assert not (ready.folder / 'state').exists()
  assert (ready.folder / 'plan').read_text() == '0\n'


def test_a_job_outlives_its_terminal_and_is_found_again(ready: Cloud) -> None:
  ready.wish('plan', 'runs\n')
  with ready.running('launch.sh', *LAUNCH, '--', *TRAIN) as launched:
    while 'step of runs' not in launched.stdout.readline():
      assert launched.poll() is None
    os.kill(launched.pid, signal.SIGKILL)
  while len((ready.folder / 'running').read_text().split()) < 2:
    time.sleep(0.02)
  shown = ready.run('status.sh', *SLICE)
  assert 'pod: ACTIVE' in shown.stdout
  assert shown.stdout.count(' running\n') == 2
  with ready.running('launch.sh', *LAUNCH, '--attach') as attached:
    assert 'step of runs' in attached.stdout.readline()
    stopped = ready.run('stop.sh', *SLICE)
    assert stopped.stdout.count('stopped:42') == 2, stopped
    _, said = attached.communicate(timeout=120)
  assert attached.returncode == 42
  assert 'pod was stopped' in said
  pids = (ready.folder / 'running').read_text().split()
  for pid in pids:
    with pytest.raises(ProcessLookupError):
      os.kill(int(pid), 0)
  assert ready.run('logs.sh', *SLICE, '--worker=all').stdout == (
    'pod-w-0: step of runs\n'
  )


def test_logs_of_slices_that_are_gone_come_from_the_bucket(cloud) -> None:
  flags = ('--bucket=gs://my-bucket', '--from-bucket', '--job=j')
  done = cloud.run('logs.sh', *SLICE, *flags)
  assert done.stdout == 'logs of gs://my-bucket/logs/j/** \n'
  assert '--project=my-project' in cloud.calls()[-1]


def test_a_start_that_is_tried_twice_happens_once(ready: Cloud) -> None:
  """As gcloud does when a connection breaks."""
  ready.wish('plan', '0\n0\n')
  done = ready.run('launch.sh', *LAUNCH, '--', *TRAIN)
  assert done.returncode == 0
  start = next(c for c in ready.calls() if ' start ' in c[-1])
  again = ready.run('launch.sh', *LAUNCH, '--attach')
  assert again.returncode == 0
  command = ['bash', str(ready.folder / 'bin' / 'gcloud'), *start]
  subprocess.run(command, env=ready.environment(), check=True)
  time.sleep(0.5)  # A second start would take its fate by now.
  assert (ready.folder / 'plan').read_text() == '0\n'
