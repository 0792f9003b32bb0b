"""The hosts of a job meet before JAX starts, or say which of them are missing.

JAX waits in silence for a host that never comes, and then aborts with a stack
of C++. So the first host listens where JAX will listen next. The others tell
it their number, and hear who is missing, until all are there.
"""

import contextlib
import json
import logging
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from biobert_jax.errors import InputError, StartupError

SECONDS_BETWEEN_LINES = 30.0
_TICK = 0.2  # Seconds between two looks.
_GRACE = 30.0
_PATIENCE = 2.0  # Seconds for a line that a host has begun.
_log = logging.getLogger(__name__)


class Waiting:
  """How long a host has waited, for whom, and when it says so."""

  def __init__(self, count: int, seconds: float, names: Sequence[str] = ()):
    """Starts the clock; `names` are of all hosts, where they are known."""
    self.count = count
    self._names = names if len(names) == count else ()
    self._seconds = seconds
    self._start = self._said = time.monotonic()

  def check(
    self, missing: Iterable[int], late: bool = False, grace: float = 0
  ) -> None:
    """Says who is missing, every 30 s; a StartupError when time is over."""
    now = time.monotonic()
    hosts = ', '.join(
      f'host {n} ({self._names[n]})' if self._names else f'host {n}'
      for n in missing
    )
    if late or now - self._start >= self._seconds + grace:
      raise StartupError(
        f'{hosts} of {self.count} hosts did not start within '
        f'{self._seconds:g} s (--startup-timeout); look at what they say '
        'there, then run the same command again on all hosts'
      )
    if now - self._said >= SECONDS_BETWEEN_LINES:
      self._said = now
      done = f'{now - self._start:.0f} of {self._seconds:g} s'
      _log.warning('waiting for %s of %d hosts (%s)', hosts, self.count, done)


def split_address(address: str) -> tuple[str, int]:
  """(name, port) of NAME:PORT; an InputError where it is not that."""
  name, _, port = address.rpartition(':')
  if not name or not port.isdecimal() or int(port) > 65535:
    what = f'--coordinator is {address!r}'
    raise InputError(f'{what}; give ADDRESS:PORT of the first host')
  return name.strip('[]'), int(port)


def meet(address: str, listen: str, host: int, waiting: Waiting) -> None:
  """Returns when all hosts are there; every host calls it.

  Args:
    address: ADDRESS:PORT where the first host is reached.
    listen: the same as the first host names it itself.
    host: number of this one.
    waiting: its clock, and how many hosts there are.

  Raises:
    StartupError: not all came in time, and who.
    InputError: the first host cannot listen, or hosts disagree on the job.
  """
  if host:
    _report(split_address(address), host, waiting)
  elif waiting.count > 1:
    _gather(listen, waiting)


def _gather(listen: str, waiting: Waiting) -> None:
  """The first host's part: it waits for the others, and lets all go."""
  name, port = split_address(listen)
  family = socket.AF_INET6 if ':' in name else socket.AF_INET
  try:
    listener = socket.create_server((name, port), family=family)
  except OSError as error:
    what = f'--coordinator {listen}: cannot listen there ({error.strerror})'
    raise InputError(f'{what}; choose another port') from error
  links: dict[int, socket.socket] = {}
  with contextlib.ExitStack() as stack:
    stack.enter_context(listener)
    listener.settimeout(_TICK)
    told: list[int] = []
    while missing := [n for n in range(1, waiting.count) if n not in links]:
      try:
        waiting.check(missing)
      except StartupError:
        _tell(links, missing=missing, late=True)
        raise
      if missing != told:
        _tell(links, missing=missing)
        told = missing
      with contextlib.suppress(TimeoutError):
        link = stack.enter_context(listener.accept()[0])
        if number := _number(link, waiting.count, links):
          links[number], told = link, []
      for number in [n for n, link in links.items() if _has_left(link)]:
        del links[number]
    _tell(links, missing=[])
    for link in links.values():
      # They close first: the port is JAX's now, and shall be free.
      with contextlib.suppress(OSError):
        link.settimeout(_PATIENCE)
        link.recv(1)


def _number(
  link: socket.socket, count: int, links: dict[int, socket.socket]
) -> int:
  """The number that a host tells; 0 where it is refused."""
  try:
    link.settimeout(_PATIENCE)
    said = json.loads(link.makefile('rb').readline(100))
    number, hosts = said['host'], said['hosts']
  except (OSError, ValueError, KeyError, TypeError):
    return 0  # A scanner of ports.
  link.settimeout(_TICK)
  refusal = ''
  if hosts != count:
    refusal = f'host 0 expects {count} hosts, host {number} {hosts}'
  elif not 0 < number < count or number in links:
    refusal = f'two hosts are host {number} of {count}'
  if refusal:
    _tell({number: link}, refusal=f'{refusal}; look at --num_hosts and --host')
    return 0
  return int(number)


def _tell(links: dict[int, socket.socket], **what: Any) -> None:
  line = json.dumps(what).encode() + b'\n'
  for link in links.values():
    with contextlib.suppress(OSError):
      link.sendall(line)


def _has_left(link: socket.socket) -> bool:
  """Whether a host has closed its connection; it sends nothing more."""
  link.setblocking(False)
  try:
    return link.recv(1) == b''
  except BlockingIOError:
    return False
  except OSError:
    return True
  finally:
    link.settimeout(_TICK)


def _report(address: tuple[str, int], host: int, waiting: Waiting) -> None:
  """Another host's part: it reports to the first, and waits for its word."""
  greeting = json.dumps({'host': host, 'hosts': waiting.count}).encode()
  while True:
    waiting.check([0])
    with (
      contextlib.suppress(OSError),
      socket.create_connection(address, _PATIENCE) as link,
    ):
      link.sendall(greeting + b'\n')
      link.settimeout(_TICK)
      missing = [0]
      for told in _lines(link):
        if 'refusal' in told:
          raise InputError(told['refusal'])
        missing = told.get('missing', missing)
        if not missing:
          return
        # The first host has its own clock, and the last word.
        waiting.check(missing, 'late' in told, grace=_GRACE)
    time.sleep(_TICK * 5)


def _lines(link: socket.socket) -> Iterator[dict[str, Any]]:
  """What the first host says; {} where it is silent for a moment."""
  rest = b''
  while True:
    try:
      more = link.recv(4096)
    except TimeoutError:
      yield {}
      continue
    *lines, rest = (rest + more).split(b'\n')
    for line in lines:
      try:
        told = json.loads(line)
      except ValueError:
        told = None
      if not isinstance(told, dict):
        return  # Somebody else listens there.
      yield told
    if not more:
      return
