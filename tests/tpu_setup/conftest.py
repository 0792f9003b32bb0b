"""A cloud in a folder: what the scripts of tpu_setup/ are tried against."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import stat
import subprocess
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SLICE = ('--name=pod', '--project=my-project', '--zone=us-west4-a')
# The program on a host: takes the next line of `plan` as its fate; only the
# first host reads it, the others do as it does.
PROGRAM = r"""#!/usr/bin/env bash
if [[ "$1" == -c ]]; then  # Its log goes to the bucket, or it is but tried.
  (($# < 4)) && exit
  to=$CLOUD/bucket/${4#gs://*/}
  mkdir -p "$(dirname "$to")"
  exec cp "$3" "$to"
fi
printf '%s\0' "${@:3}" >"$CLOUD/argv-${CLOUD_HOST:-$JOB_HOST}"
echo "${BIOBERT_CACHE:-}" >"$CLOUD/cache-${CLOUD_HOST:-$JOB_HOST}"
if [[ "${CLOUD_HOST:-$JOB_HOST}" == 0 ]]; then
  fate=$(head -n 1 "$CLOUD/plan")
  sed -i 1d "$CLOUD/plan"
  echo "step of $fate"
  echo "$fate" >"$CLOUD/fate.new"
  mv "$CLOUD/fate.new" "$CLOUD/fate"
else
  for ((i = 0; i < 2000; i++)); do
    [[ -f "$CLOUD/fate" ]] && break
    sleep 0.05
  done
  fate=$(<"$CLOUD/fate")
  rm "$CLOUD/fate"
fi
case "$fate" in
  preempted) sleep 0.5; echo SUSPENDED >"$CLOUD/state"; exit 137 ;;
  requeued) sleep 0.5; echo WAITING_FOR_RESOURCES >"$CLOUD/state"; exit 137 ;;
  runs) trap 'exit 42' TERM; echo $$ >>"$CLOUD/running"
    for ((i = 0; i < 4000; i++)); do sleep 0.05; done ;;
  *) exit "$fate" ;;
esac
"""
STUBS = {
  'host_bin/sudo': 'exec "$@"',
  'host_bin/hostname': 'echo "pod-w-$CLOUD_HOST"',
  'host_bin/chown': '',
  'host_bin/mountpoint': '[[ -f "$CLOUD/mounted-$CLOUD_HOST" ]]',
  'host_bin/gcsfuse': 'touch "$CLOUD/mounted-$CLOUD_HOST"\n'
  'mkdir -p "$CLOUD/bucket"; echo "$@" >>"$CLOUD/gcsfuse"',
  # The metadata server, and the service that tells what an account may.
  'host_bin/curl': 'case "$*" in\n'
  '  *testPermissions*) cat >/dev/null\n'
  '    lacking=$(cat "$CLOUD/lacking" 2>/dev/null || echo none)\n'
  '    grep -o "storage[.a-z]*" <<<"$*" | grep -v "$lacking" |\n'
  '      sed \'s/.*/"&"/\'\n'
  '    printf "\\n%s" "$(cat "$CLOUD/http" 2>/dev/null || echo 200)" ;;\n'
  '  *token) echo \'{"access_token":"ya29.canary"}\' ;;\n'
  '  *email) echo biobert@p.iam.gserviceaccount.com ;;\n'
  'esac',
  # pip, which brings uv, which brings Python.
  'host_bin/python3': 'echo "pip $*" >>"$CLOUD/installs"\n'
  'mkdir -p "$JOB_FOLDER/tools/bin"\n'
  'cp "$CLOUD/uv" "$JOB_FOLDER/tools/bin/uv"',
  'uv': 'echo "uv $*" >>"$CLOUD/installs"\n'
  '[[ "$1" == venv ]] || exit 0\n'
  'mkdir -p "$JOB_FOLDER/venv/bin"\n'
  'cp "$CLOUD/program" "$JOB_FOLDER/venv/bin/python"',
}


def executable(path: pathlib.Path, text: str) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  path.chmod(path.stat().st_mode | stat.S_IXUSR)


@dataclasses.dataclass(frozen=True)
class Cloud:
  """The folder of the fake gcloud, and a clone of the scripts.

  Attributes:
    folder: what `fake_gcloud.sh` keeps.
    clone: a git checkout with tpu_setup/.
  """

  folder: pathlib.Path
  clone: pathlib.Path

  def wish(self, name: str, text: str = '') -> None:
    """Writes one of the files that the fake gcloud looks at, in one go."""
    aside = self.folder / 'wish.new'
    aside.write_text(text)
    aside.replace(self.folder / name)

  def calls(self) -> list[list[str]]:
    """The arguments of each call of gcloud so far."""
    log = self.folder / 'log'
    if not log.exists():
      return []
    return [
      call.split('\0')[:-1] for call in log.read_text().split('\n\0')[:-1]
    ]

  def verbs(self) -> list[str]:
    """`create`, `describe`, … of each call that is not about logging in."""
    return [c[3] for c in self.calls() if c[:2] == ['compute', 'tpus']]

  def argv(self, host: int) -> list[str]:
    """What the program of a host was given last."""
    return (self.folder / f'argv-{host}').read_text().split('\0')[:-1]

  def environment(self, **more: str) -> dict[str, str]:
    """Variables with the fake gcloud first on the PATH."""
    path = f'{self.folder / "bin"}:{os.environ["PATH"]}'
    return os.environ | {'CLOUD': str(self.folder), 'PATH': path} | more

  def run(
    self, script: str, *flags: str, answer: str = '', **more: str
  ) -> subprocess.CompletedProcess[str]:
    """Runs a script of tpu_setup/ to its end, looking often."""
    return subprocess.run(
      ['bash', str(self.clone / 'tpu_setup' / script), *flags],
      env=self.environment(**{'SLICE_POLL_SECONDS': '0.05'} | more),
      input=answer,
      capture_output=True,
      text=True,
      timeout=180,
    )

  @contextlib.contextmanager
  def running(
    self, script: str, *flags: str, **more: str
  ) -> Iterator[subprocess.Popen[str]]:
    """A script of tpu_setup/ at work; killed at the end, if still there."""
    # A shell cannot trap what was ignored when it began, as under nohup.
    heard = ('env', '--default-signal=HUP,TERM')
    process = subprocess.Popen(
      [*heard, 'bash', str(self.clone / 'tpu_setup' / script), *flags],
      env=self.environment(**{'SLICE_POLL_SECONDS': '0.05'} | more),
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    try:
      yield process
    finally:
      process.kill()
      process.wait()
      # Not to their end: who it left behind may hold them still.
      for stream in (process.stdout, process.stderr):
        if stream is not None:
          stream.close()


@pytest.fixture(scope='session')
def clone(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A checkout with the scripts as they lie here, committed."""
  folder = tmp_path_factory.mktemp('clone')
  shutil.copytree(ROOT / 'tpu_setup', folder / 'tpu_setup')
  shutil.copy(ROOT / 'requirements.txt', folder)
  git = ['git', '-c', 'user.name=test', '-c', 'user.email=test@example.org']
  for command in (['init', '-q'], ['add', '-A'], ['commit', '-qm', 'all']):
    subprocess.run([*git, *command], cwd=folder, check=True)
  # Preflight's answer: the code that a test writes, else 0.
  preflight = 'printf "%s\\0" "$@" >"$CLOUD/preflight_argv"\n'
  preflight += 'exit "$(cat "$CLOUD/preflight" 2>/dev/null || echo 0)"'
  executable(
    folder / '.venv' / 'bin' / 'python', f'#!/usr/bin/env bash\n{preflight}\n'
  )
  return folder


def empty_cloud(folder: pathlib.Path, clone: pathlib.Path) -> Cloud:
  """A cloud without any slice."""
  fake = (ROOT / 'tests' / 'tpu_setup' / 'fake_gcloud.sh').read_text()
  executable(folder / 'bin' / 'gcloud', fake)
  executable(folder / 'program', PROGRAM)
  for name, body in STUBS.items():
    executable(folder / name, f'#!/usr/bin/env bash\n{body}\n')
  return Cloud(folder, clone)


@pytest.fixture
def cloud(tmp_path: pathlib.Path, clone: pathlib.Path) -> Cloud:
  """A cloud without any slice."""
  return empty_cloud(tmp_path / 'cloud', clone)


@pytest.fixture(scope='session')
def set_up(
  tmp_path_factory: pytest.TempPathFactory, clone: pathlib.Path
) -> Cloud:
  """A cloud with a slice that is set up; not to be changed."""
  made = empty_cloud(tmp_path_factory.mktemp('cloud') / 'cloud', clone)
  for script, *flags in (
    ('create.sh', '--topology=v5e-16', '--tier=spot', '--max-hours=2.5'),
    ('setup_hosts.sh', '--bucket=gs://my-bucket'),
  ):
    done = made.run(script, *SLICE, *flags)
    assert done.returncode == 0, done.stderr
  return made


@pytest.fixture
def ready(tmp_path: pathlib.Path, set_up: Cloud) -> Cloud:
  """A slice that is set up."""
  folder = tmp_path / 'ready'
  shutil.copytree(set_up.folder, folder, symlinks=True)
  return Cloud(folder, set_up.clone)
