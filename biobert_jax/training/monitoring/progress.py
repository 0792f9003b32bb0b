"""How far a run is: a bar on a terminal, elsewhere one line a minute."""

import logging
import sys
import time

import tqdm

# Between two lines where there is no terminal.
_LINE_SECONDS = 60.0
_BAR = '{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {unit}{postfix}'
_log = logging.getLogger(__name__)


def hours_and_minutes(seconds: float) -> str:
  """A duration as h:mm, rounded up: `0:01` until it is over."""
  minutes = -int(-seconds // 60)
  return f'{minutes // 60}:{minutes % 60:02}'


class Progress:
  """Steps done of all steps, with their rate and the time left."""

  def __init__(self, title: str, total: int, start: int):
    """Starts to count at the `start` steps that were done before."""
    self._bar = None
    if sys.stderr.isatty():
      form = {'unit': 'steps', 'bar_format': _BAR, 'dynamic_ncols': True}
      self._bar = tqdm.tqdm(
        desc=title, total=total, initial=start, file=sys.stderr, **form
      )
    self._title, self._total = title, total
    self._start = self._done = start
    self._began = self._said = time.monotonic()

  def advance(self, note: str = '') -> None:
    """Counts a step; `note` is shown beside the time left."""
    self._done += 1
    now = time.monotonic()
    rate = (self._done - self._start) / max(1e-9, now - self._began)
    left = hours_and_minutes((self._total - self._done) / rate)
    line = f'{rate:.3g} steps/s, {left} h left, {note}'
    if self._bar is not None:
      self._bar.set_postfix_str(line, refresh=False)
      self._bar.update()
    elif now - self._said >= _LINE_SECONDS or self._done == self._total:
      self._said = now
      count = f'{self._done} of {self._total} steps'
      _log.info('%s: %s, %s', self._title, count, line)

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()
