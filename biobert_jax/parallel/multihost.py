"""The processes of a job on several hosts begin and end together."""

import hashlib
import importlib.metadata
import ipaddress
import logging
import os
import pathlib
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax._src import clusters
from jax.experimental import multihost_utils

from biobert_jax import errors
from biobert_jax.errors import InputError
from biobert_jax.parallel import rendezvous

# How long a host that failed waits for others that fail alike, to end as
# they do. JAX waits for 300 s, and then aborts instead of giving its code.
_FAREWELL_SECONDS = 10.0
# What JAX takes on a TPU; on SLURM two jobs may share a machine.
_PORT, _SLURM_PORTS = 8482, range(20000, 32000)
_LOCALHOST = ('localhost', '127.0.0.1', '::1')
# What decides which numbers a program computes, besides our own code.
_PACKAGES = ('jax', 'jaxlib', 'libtpu', 'flax', 'optax', 'orbax-checkpoint')
# Of a fact, and of a host's name: as much as an error shows.
_SHOWN_BYTES = 64
_SHOWN_FACTS = 5
T = TypeVar('T')
_log = logging.getLogger(__name__)


def initialize(
  coordinator: str, num_hosts: int, host: int, startup_timeout: float
) -> None:
  """Makes this process `host` one of a job; `coordinator` is `ADDRESS:PORT`.

  JAX finds all out itself where `num_hosts` is 0: on a TPU slice, in GKE, ….

  Raises:
    StartupError: a host was missing for `startup_timeout` seconds.
    InputError: no address, no cluster, or hosts that disagree.
  """
  start = jax.distributed.initialize
  address = _bind_address(coordinator if num_hosts else '')
  if num_hosts:
    if not 0 <= host < num_hosts:
      what = f'--host is {host} of --num_hosts={num_hosts}'
      raise InputError(f'{what}; hosts are numbered from 0')
    waiting = rendezvous.Waiting(num_hosts, startup_timeout)
    rendezvous.meet(coordinator, address, host, waiting)
    start(coordinator, num_hosts, host, coordinator_bind_address=address)
    return
  waiting, found = _detected(startup_timeout)
  rendezvous.meet(found[0], address, found[1], waiting)
  start(coordinator_bind_address=address)


def _detected(
  startup_timeout: float,
) -> tuple[rendezvous.Waiting, tuple[str, int]]:
  """The hosts of a cluster; address and number of this one, as JAX finds them.

  JAX hands out neither before it has connected, so this asks its detection.
  """
  kinds = clusters.ClusterEnv._cluster_types
  found = [c for c in kinds if not c.opt_in_only_method and c.is_env_present()]
  if not found:
    raise InputError(
      '--multihost: JAX detects no cluster here; name the hosts by '
      '--coordinator, --num_hosts and --host'
    )
  cluster, known = found[0], os.environ.get('JAX_COORDINATOR_ADDRESS')
  names: list[str] = getattr(cluster, '_get_worker_list_in_slice', list)()
  waiting = rendezvous.Waiting(
    cluster.get_process_count(), startup_timeout, names
  )
  port = os.environ.get('JAX_COORDINATOR_PORT')
  while not known:
    try:  # In GKE a name, which is there as soon as its host is.
      known = cluster.get_coordinator_address(10, port)
    except RuntimeError:
      waiting.check([0])
  return waiting, (known, cluster.get_process_id())


def _bind_address(coordinator: str) -> str:
  """Where the first host listens for the others; they make no use of it.

  By itself JAX listens on all addresses, and whoever reaches that port can
  abort the job. So it is the internal address, at a port that all hosts know.
  """
  known = os.environ
  if (given := known.get('JAX_COORDINATOR_BIND_ADDRESS')) is not None:
    return given
  coordinator = coordinator or known.get('JAX_COORDINATOR_ADDRESS', '')
  if coordinator:
    name, _, port = coordinator.rpartition(':')
  else:
    name, port = socket.gethostname(), str(_PORT)
    if 'SLURM_JOB_ID' in known:
      job = int(known['SLURM_JOB_ID'])
      port = str(_SLURM_PORTS[job % len(_SLURM_PORTS)])
    # JAX reads it where it finds out the coordinator by itself.
    port = known.setdefault('JAX_COORDINATOR_PORT', port)
  return f'{_internal_address(name)}:{port}'


def _internal_address(name: str) -> str:
  """The address of this machine that others mean by a name of it."""
  if name in _LOCALHOST:
    return name
  try:
    address = socket.gethostbyname(name)
    if not ipaddress.ip_address(address).is_loopback:
      return address
    # Debian lets a machine call itself 127.0.1.1. Nothing is sent here.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
      probe.connect(('192.0.2.1', 9))
      return str(probe.getsockname()[0])
  except OSError:
    return name  # Listening there fails, and says why.


def code_version(root: pathlib.Path | None = None) -> str:
  """SHA-256 of the library and the configs, which `root` (or ours) holds."""
  root = root or pathlib.Path(__file__).parents[2]
  digest = hashlib.sha256()
  for folder in ('biobert_jax', 'configs'):
    for path in sorted((root / folder).rglob('*.py')):
      digest.update(f'{path.relative_to(root)}\n'.encode())
      digest.update(hashlib.sha256(path.read_bytes()).digest())
  return digest.hexdigest()


def assert_equal_across_hosts(facts: Mapping[str, Any]) -> None:
  """Refuses a job whose hosts are not set up alike; every host calls it.

  Each would compute with its own config or corpus. Code and packages are
  compared as well as `facts`; the error names the host that differs.
  """
  if jax.process_count() == 1:
    return
  # First what decides how many facts there are: they are gathered as arrays.
  packages = {name: _version(name) for name in _PACKAGES}
  code = {'the code': code_version(), 'the packages': packages}
  for same in (code | {'the set of keys': sorted(facts)}, facts):
    shown = [socket.gethostname(), *map(str, same.values())]
    table = multihost_utils.process_allgather(_packed(shown))
    if found := _disagreement(list(same), np.asarray(table)):
      raise InputError(found)


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return 'none'


def _packed(texts: Sequence[str]) -> np.ndarray:
  """A row for each text: its SHA-256, then its beginning."""
  rows = [
    hashlib.sha256(text.encode()).digest()
    + text.encode()[:_SHOWN_BYTES].ljust(_SHOWN_BYTES, b'\0')
    for text in texts
  ]
  return np.frombuffer(b''.join(rows), np.uint8).reshape(len(rows), -1)


def _disagreement(names: Sequence[str], table: np.ndarray) -> str:
  """How hosts differ in facts of these names; '' where they agree.

  `table` is [hosts, 1 + facts, bytes], the first row each host's name.
  """

  def text(host: int, row: int) -> str:
    shown = bytes(table[host, row, hashlib.sha256().digest_size :])
    return shown.rstrip(b'\0').decode(errors='replace')

  found = []
  for row, name in enumerate(names, start=1):
    values = [bytes(entry) for entry in table[:, row]]
    # Of two halves, that of the first host is taken for right.
    usual, _ = Counter(values).most_common(1)[0]
    found += [
      f'host {host} ({text(host, 0)}) differs in {name}: {text(host, row)} '
      f'there, {text(values.index(usual), row)} elsewhere'
      for host, value in enumerate(values)
      if value != usual
    ]
  if not found:
    return ''
  more = f'; and {len(found) - _SHOWN_FACTS} more' * (len(found) > _SHOWN_FACTS)
  shown = '; '.join(found[:_SHOWN_FACTS]) + more
  return f'{shown}. All hosts need the same code, flags and files'


def run_on_all_hosts(program: Callable[..., T], *arguments: Any) -> T:
  """Runs a program, the same on every host of a job, and returns its result.

  A host that fails alone would leave others waiting. So it goes, and when it is
  gone, their heartbeats end them.
  """
  try:
    return program(*arguments)
  except (errors.PreemptedError, errors.UserInterruptError):
    raise
  except Exception as error:
    told = errors.as_user_error(error)
    if told is None:
      traceback.print_exc()
      _leave(errors.EXIT_FAILED)
    sys.stderr.write(f'{told.kind}: {told}\n')
    _leave(told.exit_code)


def _leave(code: int) -> NoReturn:
  """Ends this process, with others that fail alike if they come soon."""
  farewell = threading.Thread(target=jax.distributed.shutdown, daemon=True)
  farewell.start()
  farewell.join(_FAREWELL_SECONDS)
  if farewell.is_alive():
    _log.warning('leaving hosts behind that did not come to an end')
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def is_first_host() -> bool:
  """Whether this process writes the files of a job."""
  return jax.process_index() == 0


def raise_together(failure: Exception | None, elsewhere: Exception) -> None:
  """Raises a host's `failure`, `elsewhere` on others; every host calls it."""
  failed = multihost_utils.process_allgather(np.asarray(failure is not None))
  if failure is not None:
    raise failure
  if np.any(failed):
    raise elsewhere
