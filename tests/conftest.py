"""Eight virtual devices, so that every layout of a slice is tried here.

Set before anything imports JAX; child processes inherit it. Code is compiled
without LLVM's optimisations and by XLA's older emitters: most of the tests'
time would go into those, and XLA's own passes, which decide what is computed,
run all the same. A session and its child processes compile each program once.
"""

import gc
import os
import pathlib
import shutil
import subprocess
import tempfile

import hypothesis
import pytest

from tests.fixtures.compiler_flags import QUICK

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # JAX would set 1.
# The last one counts: what the environment says, as .ci/run does of whole jobs.
os.environ['XLA_FLAGS'] = ' '.join(
  [
    '--xla_force_host_platform_device_count=8',
    QUICK,
    os.environ.get('XLA_FLAGS', ''),
  ]
).strip()

# Of this session alone: another that writes it meanwhile would harm it.
_COMPILED = tempfile.mkdtemp(prefix='compiled-')
os.environ['JAX_COMPILATION_CACHE_DIR'] = _COMPILED
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'


# What is imported stays: to look through it again and again took a fifth of the
# time of a session.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
  """Leaves all that was imported to itself, and collects garbage again."""
  del session
  gc.freeze()
  gc.enable()
  gc.set_threshold(10_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
  """Removes the compiled programs."""
  del config
  shutil.rmtree(_COMPILED, ignore_errors=True)


# No test is timed; and where CI runs, all search the same examples, so that
# a submission is judged by what it changes. Locally every run looks further.
hypothesis.settings.register_profile('local', deadline=None)
hypothesis.settings.register_profile('ci', deadline=None, derandomize=True)
hypothesis.settings.load_profile('ci' if os.environ.get('CI') else 'local')


@pytest.fixture
def small_disk(tmp_path):
  """A function that gives a folder on a disk of so many bytes, or fills it."""
  if os.getuid() or not shutil.which('mount'):
    pytest.skip('only root can mount a small tmpfs')
  folder = tmp_path / 'disk'
  folder.mkdir()
  made = subprocess.run(
    ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(folder)],
    capture_output=True,
    text=True,
  )
  if made.returncode:
    pytest.skip(f'no tmpfs can be mounted here: {made.stderr.strip()}')

  def resize(size: str, filled: bool = False) -> pathlib.Path:
    options = f'remount,size={size}'
    subprocess.run(['mount', '-o', options, str(folder)], check=True)
    if filled:
      free = shutil.disk_usage(folder).free
      (folder / 'filler').write_bytes(bytes(free))
    return folder

  try:
    yield resize
  finally:
    subprocess.run(['umount', '-l', str(folder)], check=True)
