"""Compiled programs are kept on disk: a second start waits for seconds."""

import hashlib
import logging
import os
import pathlib

import jax

_log = logging.getLogger(__name__)

_VARIABLE = 'JAX_COMPILATION_CACHE_DIR'
_MIN_VARIABLE = 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'
_MIN_COMPILE_SECONDS = 0.1  # Programs that compile faster are not kept.


def enable() -> None:
  """Lets JAX keep and find compiled programs, before the first one.

  They lie in `$XDG_CACHE_HOME/biobert-jax/compiled`, by default below
  `~/.cache`, unless `JAX_COMPILATION_CACHE_DIR` names another folder; set to
  '', it turns the cache off. A folder that cannot be written is a warning. It
  may be deleted at any time.
  """
  if _VARIABLE in os.environ:
    return
  home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  folder = pathlib.Path(home, 'biobert-jax', 'compiled', _processor())
  try:
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
      raise PermissionError(None, 'Permission denied')
  except (OSError, RuntimeError) as error:  # RuntimeError: no home folder.
    _log.warning(
      'compiled programs are not kept: %s: %s; set %s to a folder that can be '
      'written, or give --no-compile-cache',
      *(folder, getattr(error, 'strerror', None) or error, _VARIABLE),
    )
    return
  jax.config.update('jax_compilation_cache_dir', str(folder))
  if _MIN_VARIABLE not in os.environ:
    jax.config.update(_MIN_VARIABLE.lower(), _MIN_COMPILE_SECONDS)


def disable() -> None:
  """Compiles every program anew, whatever the environment says."""
  jax.config.update('jax_enable_compilation_cache', False)


def _processor() -> str:
  """A name for this processor's instructions: JAX does not tell them apart."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  except OSError:
    lines = []
  features = [s for s in lines if s.lower().startswith(('flags', 'features'))]
  digest = hashlib.sha256(''.join(features[:1]).encode()).hexdigest()
  return f'{os.uname().machine}-{digest[:8]}'
