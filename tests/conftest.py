"""Eight virtual devices, so that every layout of a slice is tried here.

Set before anything imports JAX; child processes inherit it.
"""

import os

_DEVICES = '--xla_force_host_platform_device_count'

os.environ['JAX_PLATFORMS'] = 'cpu'
if _DEVICES not in os.environ.get('XLA_FLAGS', ''):
  flags = os.environ.get('XLA_FLAGS', '')
  os.environ['XLA_FLAGS'] = f'{flags} {_DEVICES}=8'.strip()
