"""Eight virtual devices, so that every layout of a slice is tried here.

Set before anything imports JAX; child processes inherit it. Code is compiled
without LLVM's optimisations and by XLA's older emitters: most of the tests'
time would go into those, and XLA's own passes, which decide what is computed,
run all the same. A session and its child processes compile each program once.
"""

import os
import shutil
import tempfile

import hypothesis
import pytest

from tests.fixtures.compiler_flags import QUICK

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = ' '.join(
  [
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    QUICK,
  ]
).strip()

# Of this session alone: another that writes it meanwhile would harm it.
_COMPILED = tempfile.mkdtemp(prefix='compiled-')
os.environ['JAX_COMPILATION_CACHE_DIR'] = _COMPILED
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'


def pytest_unconfigure(config: pytest.Config) -> None:
  """Removes the compiled programs."""
  del config
  shutil.rmtree(_COMPILED, ignore_errors=True)


# No test is timed; and where CI runs, all search the same examples, so that
# a submission is judged by what it changes. Locally every run looks further.
hypothesis.settings.register_profile('local', deadline=None)
hypothesis.settings.register_profile('ci', deadline=None, derandomize=True)
hypothesis.settings.load_profile('ci' if os.environ.get('CI') else 'local')
