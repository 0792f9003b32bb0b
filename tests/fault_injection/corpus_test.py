"""kill -9 while a corpus is prepared: started again, it has the same bytes."""

import pathlib
import random
import time
from concurrent import futures

from tests.fixtures import prepared_corpora

KILLS = 12


def finish(folder: pathlib.Path, inputs: str) -> float:
  """Prepares to the end; the seconds that it took."""
  began = time.monotonic()
  process = prepared_corpora.child(folder, inputs)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 0, output
  return time.monotonic() - began


def test_killed_at_moments_of_a_whole_run(
  tmp_path: pathlib.Path,
) -> None:
  inputs = prepared_corpora.write_inputs(tmp_path / 'in', files=8, each=400)
  (tmp_path / 'unbroken').mkdir()
  seconds = finish(tmp_path / 'unbroken', inputs)
  unbroken = prepared_corpora.digests(tmp_path / 'unbroken' / 'out')

  def killed(number: int) -> bool:
    """Whether the kill fell between the first file and the manifest."""
    folder = tmp_path / str(number)
    folder.mkdir()
    process = prepared_corpora.child(folder, inputs)
    # From one end of a run to the other, so that no part of it is passed over.
    time.sleep(seconds * (number + random.random()) / KILLS)
    prepared_corpora.kill(process)
    made = folder / 'out'
    left = sorted(path.name for path in made.rglob('*'))
    begun = made.exists() and not (made / 'manifest.json').exists()
    finish(folder, inputs)
    assert prepared_corpora.digests(made) == unbroken, left
    return begun

  with futures.ThreadPoolExecutor(2) as pool:
    begun = sum(pool.map(killed, range(KILLS)))
  print(f'{begun} of {KILLS} were killed between first file and manifest')
  assert begun >= KILLS // 4
