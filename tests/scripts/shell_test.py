"""The shell scripts stop where they must, and say why and what to do.

The programs they start are stand-ins: a `python` that answers or fails.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from biobert_jax import __version__

ROOT = Path(__file__).parents[2]

PRETRAINED = '{"step": 7, "results": {"validation": {"masked_lm_loss": 6.5}}}'
# Answers like the programs; writes what `predict` writes; fails on demand.
PYTHON = f"""#!/usr/bin/env bash
echo "$*" >>"$STUB_LOG"
case "$*" in
  *"$STUB_FAILS_AT"*) echo 'no such corpus' >&2; exit 3 ;;
  *version_info*) echo 3.11 ;;
  *'pip config list'*)
    echo "global.index-url='https://a.mirror/simple'"
    echo "global.find-links='\\nfirst\\nsecond'" ;;
  *quickstart_pretrain*)
    mkdir "$STUB_WORKDIR/pretrained"
    echo '{{"step": 1, "train/masked_lm_loss": 8.294}}' \\
      >"$STUB_WORKDIR/pretrained/metrics.jsonl"
    echo '{PRETRAINED}' >"$STUB_WORKDIR/pretrained/results.json" ;;
  *biobert_jax*evaluate*)
    echo 'a line of logs'
    echo '{{"f1": 91.5, "precision": 90.1, "recall": 93.0}}' ;;
  *biobert_jax*jsonl)
    echo '{{"entities": [{{"type": "Disease", "text": "gout"}}]}}' \\
      >"$STUB_WORKDIR/paragraph.jsonl" ;;
  *quickstart_report.py*) exec {sys.executable} "$@" ;;
esac
"""

UV = """#!/usr/bin/env bash
echo "uv $* from $UV_DEFAULT_INDEX" >>"$STUB_LOG"
[[ "$*" != *"$STUB_FAILS_AT"* ]]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
  """A copy of the scripts beside a stand-in for .venv."""
  shutil.copytree(ROOT / 'scripts', tmp_path / 'scripts')
  for name in ('requirements.txt', 'tpu_setup/constraints.txt'):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / name, tmp_path / name)
  executable(tmp_path / '.venv' / 'bin' / 'python', PYTHON)
  executable(tmp_path / '.venv' / 'bin' / 'uv', UV)
  return tmp_path


def executable(path: Path, text: str) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  path.chmod(path.stat().st_mode | stat.S_IXUSR)


def bash(
  clone: Path, *command: str, fails_at: str = 'never'
) -> subprocess.CompletedProcess[str]:
  workdir = command[-1] if '--workdir' in command else 'runs/quickstart'
  stub = {
    'STUB_LOG': str(clone / 'log'),
    'STUB_FAILS_AT': fails_at,
    'STUB_WORKDIR': str(clone / workdir),
  }
  return subprocess.run(
    ['bash', *command],
    cwd='/',
    env={**os.environ, **stub},
    capture_output=True,
    text=True,
  )


def quickstart(
  clone: Path, *options: str, fails_at: str = 'never'
) -> subprocess.CompletedProcess[str]:
  script = str(clone / 'scripts' / 'quickstart.sh')
  return bash(clone, script, *options, fails_at=fails_at)


def test_quickstart_ends_with_the_score_and_the_entities(clone: Path) -> None:
  done = quickstart(clone)
  assert done.returncode == 0, done.stderr
  assert 'test F1 91.5 (precision 90.1, recall 93.0)' in done.stdout
  assert 'loss 8.29 before pre-training, 6.50 on held-out' in done.stdout
  assert 'after 7 steps' in done.stdout
  assert 'Disease: gout' in done.stdout
  assert 'runs/quickstart/paragraph.html' in done.stdout
  assert 'runs/quickstart/pretrained/curves.png' in done.stdout


def test_quickstart_numbers_its_steps(clone: Path) -> None:
  titles = re.findall(r'^\[(\d+)/(\d+)\] \w', quickstart(clone).stdout, re.M)
  assert [int(number) for number, _ in titles] == list(range(1, 11))
  assert {of for _, of in titles} == {'10'}


def test_quickstart_hands_each_step_what_the_last_one_made(
  clone: Path,
) -> None:
  assert quickstart(clone, '--workdir', 'mine').returncode == 0
  log = (clone / 'log').read_text().splitlines()
  vocabulary, corpus, report, pretraining, tuning = [
    line for line in log if 'mine' in line
  ][:5]
  assert '--output mine/vocabulary ' in vocabulary
  assert '--vocab mine/vocabulary/vocab.txt ' in corpus
  assert '--output mine/corpus ' in corpus
  assert report.endswith('biobert_jax corpus-report mine/corpus')
  assert '--config.data.dir=mine/corpus' in pretraining
  assert '--workdir=mine/pretrained ' in pretraining
  assert tuning.endswith('--workdir=mine --config.init_from=mine/pretrained')


def test_quickstart_names_the_command_that_failed(clone: Path) -> None:
  done = quickstart(clone, fails_at='evaluate')
  assert done.returncode == 3
  assert 'no such corpus' in done.stderr
  assert (
    'step 7 failed (exit 3): python -m biobert_jax evaluate '
    '--workdir=runs/quickstart --split=test'
  ) in done.stderr
  assert 'predict' not in (clone / 'log').read_text()


def test_quickstart_removes_its_own_folder_and_no_other(clone: Path) -> None:
  (clone / 'precious').mkdir()
  refused = quickstart(clone, '--workdir', 'precious')
  assert refused.returncode == 3
  assert 'give another --workdir' in refused.stderr
  assert (clone / 'precious').is_dir()

  assert quickstart(clone, '--workdir', 'mine').returncode == 0
  (clone / 'mine' / 'stale').touch()
  again = quickstart(clone, '--workdir', 'mine')
  assert 'Removing mine' in again.stdout
  assert not (clone / 'mine' / 'stale').exists()


def test_environment_is_installed_once_and_when_files_change(
  clone: Path,
) -> None:
  script = str(clone / 'scripts' / 'setup_env.sh')

  def installs() -> int:
    done = bash(clone, script, 'run')
    assert done.returncode == 0, done.stderr
    return (clone / 'log').read_text().count('uv pip install')

  assert installs() == 1
  assert installs() == 1
  with (clone / 'tpu_setup' / 'constraints.txt').open('a') as file:
    file.write('more==1\n')
  assert installs() == 2


def test_the_environment_holds_the_program(clone: Path, tmp_path: Path) -> None:
  assert bash(clone, str(clone / 'scripts' / 'setup_env.sh')).returncode == 0
  (clone / '.venv' / 'bin' / 'python').unlink()
  (clone / '.venv' / 'bin' / 'python').symlink_to(sys.executable)
  (clone / 'biobert_jax').symlink_to(ROOT / 'biobert_jax')
  done = subprocess.run(
    ['biobert-jax', '--version'],
    cwd=tmp_path / 'scripts',  # As in any folder.
    env={'PATH': f'{clone}/.venv/bin:{os.environ["PATH"]}'},
    capture_output=True,
    text=True,
  )
  assert done.stdout == f'biobert-jax {__version__}\n', done.stderr


def test_a_failed_install_is_tried_again(clone: Path) -> None:
  script = str(clone / 'scripts' / 'setup_env.sh')
  failed = bash(clone, script, 'run', fails_at='--requirement=requirements')
  assert failed.returncode == 3
  assert 'pip could not install into .venv' in failed.stderr
  bash(clone, script, 'run')
  assert (clone / 'log').read_text().count('uv pip install') == 2


def test_uv_installs_from_where_pip_was_told_to(clone: Path) -> None:
  assert bash(clone, str(clone / 'scripts' / 'setup_env.sh')).returncode == 0
  uv = re.search(r'^uv pip install .*', (clone / 'log').read_text(), re.M)
  assert uv
  assert '--find-links first --find-links second' in uv[0]
  assert '--compile-bytecode' in uv[0]
  assert uv[0].endswith(
    '--requirement=requirements.txt from https://a.mirror/simple'
  )


def test_pip_installs_where_uv_cannot_be_had(clone: Path) -> None:
  (clone / '.venv' / 'bin' / 'uv').unlink()
  assert bash(clone, str(clone / 'scripts' / 'setup_env.sh')).returncode == 0
  log = (clone / 'log').read_text()
  assert log.count('--requirement=requirements.txt') == 1


def stand_in(version: str) -> str:
  """A Python that says its version, and makes what a venv begins with."""
  return f"""#!/usr/bin/env bash
case "$*" in
  *version_info*) echo {version} ;;
  --version) echo Python {version}.9 ;;
  '-m venv'*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


@pytest.fixture
def pythons(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
  """An empty folder that comes first on the PATH; no .venv, no pyenv."""
  shutil.rmtree(clone / '.venv')
  folder = clone / 'pythons'
  folder.mkdir()
  for name in ('python3', 'python', *(f'python3.{n}' for n in range(11, 14))):
    executable(folder / name, '#!/bin/sh\nexit 1\n')  # As a shim that is unset.
  monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')
  monkeypatch.setenv('PYENV_ROOT', str(clone / 'pyenv'))
  monkeypatch.delenv('PYTHON', raising=False)
  return folder


def test_the_newest_python_is_taken_and_named(
  clone: Path, pythons: Path
) -> None:
  executable(pythons / 'python3', stand_in('3.11'))
  executable(pythons / 'python3.12', stand_in('3.12'))
  executable(pythons / 'python3.14', stand_in('3.14'))
  done = bash(clone, str(clone / 'scripts' / 'setup_env.sh'))
  assert done.returncode == 0, done.stderr
  assert 'Creating .venv with Python 3.12.9.' in done.stderr


def test_pythons_of_pyenv_are_found(clone: Path, pythons: Path) -> None:
  folder = clone / 'pyenv' / 'versions' / '3.13.0' / 'bin'
  executable(folder / 'python', stand_in('3.13'))
  executable(pythons / 'python', stand_in('3.11'))
  done = bash(clone, str(clone / 'scripts' / 'setup_env.sh'), 'pythons')
  found = done.stdout.split()
  # Those of this machine's /usr/bin may stand between.
  assert (found[0], found[-1]) == ('3.13', '3.11')


def test_an_environment_stays_on_its_python(clone: Path, pythons: Path) -> None:
  executable(pythons / 'python3.13', stand_in('3.13'))
  executable(clone / '.venv' / 'bin' / 'python', stand_in('3.11'))
  done = bash(clone, str(clone / 'scripts' / 'setup_env.sh'))
  assert done.returncode == 0, done.stderr
  assert 'Creating' not in done.stderr


def test_a_python_that_is_not_supported_names_the_remedy(
  clone: Path, pythons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  executable(pythons / 'python3.14', stand_in('3.14'))
  monkeypatch.setenv('PYTHON', str(pythons / 'python3.14'))
  done = bash(clone, str(clone / 'scripts' / 'setup_env.sh'))
  assert done.returncode == 3
  assert 'is not a Python 3.11, 3.12 or 3.13' in done.stderr


def test_venv_of_another_python_is_left_alone(clone: Path) -> None:
  executable(clone / '.venv' / 'bin' / 'python', stand_in('3.10'))
  done = bash(clone, str(clone / 'scripts' / 'setup_env.sh'))
  assert done.returncode == 3
  assert 'rm -r .venv' in done.stderr
  assert (clone / '.venv').is_dir()


def test_check_refuses_an_unknown_argument(clone: Path) -> None:
  done = bash(clone, str(clone / 'scripts' / 'check.sh'), '--quick')
  assert done.returncode == 3
  assert 'usage' in done.stderr
