"""Eight virtual devices, so that every layout of a slice is tried here.

Set before anything imports JAX; child processes inherit it. Code is compiled
without LLVM's optimisations: most of the tests' time would go into those, and
XLA's own passes, which decide what is computed, run all the same.
"""

import os

import hypothesis

_FLAGS = {
  '--xla_force_host_platform_device_count': 8,
  '--xla_backend_optimization_level': 0,
}

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = ' '.join(
  [
    os.environ.get('XLA_FLAGS', ''),
    *(f'{name}={value}' for name, value in _FLAGS.items()),
  ]
).strip()

# No test is timed; and where CI runs, all search the same examples, so that
# a submission is judged by what it changes. Locally every run looks further.
hypothesis.settings.register_profile('local', deadline=None)
hypothesis.settings.register_profile('ci', deadline=None, derandomize=True)
hypothesis.settings.load_profile('ci' if os.environ.get('CI') else 'local')
