"""Where the time of a run went, over all its restarts.

`timeline.jsonl` gets a line for each thing that took time. The fraction that
went into steps which counted is the goodput (as in ml-goodput-measurement).
"""

import contextlib
import dataclasses
import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from biobert_jax.errors import TakenOverError
from biobert_jax.io import storage
from biobert_jax.io.json_files import parse_json_lines, read_json_lines
from biobert_jax.io.storage import Place

TIMELINE_FILE = 'timeline.jsonl'
_SPANS = ('checkpoint', 'evaluation')  # Their `time` is their end.
_EVENTS = ('start', 'ready', 'steps', *_SPANS, 'end')
_TELL_SECONDS = 10.0  # A crash loses the account of so many seconds.
_log = logging.getLogger(__name__)
Events = Sequence[dict[str, Any]]


class Timeline:
  """Writes the events of one start of a run, as a context manager."""

  def __init__(
    self,
    workdir: Place,
    writes: bool = True,
    before_write: Callable[[], None] = lambda: None,
    began: float | None = None,
    clock: Callable[[], float] = time.time,
  ):
    """Writes that the run starts, if this process is the one that `writes`.

    `before_write` may raise to forbid a line; `began` is when the program
    began, by a clock that gives seconds since 1970.
    """
    self._path, self._clock = workdir / TIMELINE_FILE, clock
    self._told = self._step = 0
    self._since, self._span = clock(), ''
    self._lines = storage.Lines(self._path, before_write) if writes else None
    self._write('start', self._since if began is None else began)

  def _write(self, event: str, at: float, **fields: Any) -> None:
    if self._lines is not None:
      record = {'time': at, 'event': event, **fields}
      try:
        self._lines.add(json.dumps(record))
      except OSError as error:
        # An account is not worth the end of a run, or of its last words.
        _log.warning('%s: %s', self._path, error.strerror)

  def _tell(self) -> None:
    """Writes what the time since the last line was spent on."""
    now = self._clock()
    seconds, self._since = now - self._since, now
    if self._span:
      self._write(self._span, now, step=self._step, seconds=seconds)
    elif self._step > self._told:
      first, self._told = self._told + 1, self._step
      self._write('steps', now, first=first, last=self._step, seconds=seconds)

  def ready(self, step: int) -> None:
    """All is compiled and restored; the next step is `step` + 1."""
    self._told, self._step, self._since = step, step, self._clock()
    self._write('ready', self._since, step=step)

  def step(self, step: int) -> None:
    """So many steps are done; a line now and then."""
    self._step = step
    if self._clock() - self._since >= _TELL_SECONDS:
      self._tell()

  @contextlib.contextmanager
  def spent(self, what: str) -> Iterator[None]:
    """A span of `_SPANS`, with no step taken; one may lie within another."""
    if what not in _SPANS:
      raise ValueError(f'{what!r} is none of {_SPANS}')
    self._tell()
    around, self._span = self._span, what
    try:
      yield
    finally:
      self._tell()
      self._span = around

  def flush(self) -> None:
    """Sends what a bucket has not got yet."""
    if self._lines is not None:
      try:
        self._lines.flush()
      except OSError as error:
        _log.warning('%s: %s', self._path, error.strerror)

  def _account(self) -> 'Account':
    text = self._lines.text if self._lines is not None else ''
    return account(_events(parse_json_lines(text, self._path)))

  def goodput(self) -> float:
    """The fraction 0-1 of the time so far, of all starts, that counted.

    Only the process that writes knows it.
    """
    return self._account().goodput

  def __enter__(self) -> 'Timeline':
    """Itself."""
    return self

  def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
    """Writes why the run ends, and logs the account of all its starts."""
    del kind
    if isinstance(error, TakenOverError):
      return
    why = getattr(error, 'kind', type(error).__name__) if error else 'done'
    self._tell()
    self._write('end', self._clock(), step=self._step, why=why)
    self.flush()
    if self._lines is not None:
      _log.info('%s', self._account())


def read(workdir: Place) -> list[dict[str, Any]]:
  """The events of a work folder; a line cut by a crash is left out."""
  return _events(read_json_lines(workdir / TIMELINE_FILE))


def _events(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  return [r for r in records if r.get('event') in _EVENTS]


@dataclasses.dataclass(frozen=True)
class Account:
  """Where the time went; all in seconds, which add up to `total`."""

  productive: float = 0.0  # In steps that count.
  lost: float = 0.0  # In steps that were done again after a crash.
  startup: float = 0.0  # From each start until it was ready.
  checkpoint: float = 0.0  # The loop waiting for checkpoints.
  evaluation: float = 0.0
  down: float = 0.0  # Between the last sign of a start and the next start.
  other: float = 0.0  # Such as waiting for the last checkpoint.
  starts: int = 0  # How often the run was started.

  @property
  def total(self) -> float:
    """From the first start to the last sign of life."""
    return float(sum(dataclasses.astuple(self)[:-1]))

  @property
  def goodput(self) -> float:
    """The fraction of the total that was productive, 0-1."""
    return self.productive / self.total if self.total else 0.0

  def __str__(self) -> str:
    """One line for the log."""
    spans = list(dataclasses.asdict(self).items())[:-1]
    listed = ', '.join(f'{name} {seconds:.1f} s' for name, seconds in spans)
    return f'goodput {self.goodput:.1%} of {self.total:.1f} s ({listed})'


def account(events: Events) -> Account:
  """Adds up a timeline, as `read` gives it.

  A step that a later start took again was lost; of a `steps` event that was
  repeated in part, so was that part of its seconds.
  """
  starts: list[list[dict[str, Any]]] = []
  for event in events:
    if event['event'] == 'start' or not starts:
      starts.append([])
    starts[-1].append(event)
  sums: defaultdict[str, float] = defaultdict(float)
  # From the last start to the first: what was resumed where, and when.
  resumed, began_again = math.inf, None
  for part in reversed(starts):
    begin, end = part[0]['time'], part[-1]['time']
    spans = _seconds_of_start(part, resumed)
    spans['other'] = max(0.0, max(0.0, end - begin) - sum(spans.values()))
    if began_again is not None:
      spans['down'] = max(0.0, began_again - end)  # Hosts' clocks may differ.
    for name, seconds in spans.items():
      sums[name] += seconds
    began_again = begin
    resumed = min(
      [resumed, *(e['step'] for e in part if e['event'] == 'ready')]
    )
  return Account(**sums, starts=len(starts))


def _seconds_of_start(events: Events, resumed: float) -> dict[str, float]:
  """Seconds by kind, when a later start resumed after step `resumed`."""
  sums = dict.fromkeys(('productive', 'lost', 'startup', *_SPANS), 0.0)
  ready = [e['time'] for e in events if e['event'] == 'ready']
  until = ready[0] if ready else events[-1]['time']
  sums['startup'] = until - events[0]['time']
  for event in events:
    kind = event['event']
    if kind in _SPANS:
      sums[kind] += event['seconds']
    elif kind == 'steps':
      first, last = event['first'], event['last']
      kept = max(0, min(last, resumed) - first + 1)
      fraction = kept / (last - first + 1)
      sums['productive'] += event['seconds'] * fraction
      sums['lost'] += event['seconds'] * (1 - fraction)
  return sums
