"""The compiler's process, played by a script that writes what XLA writes."""

import json
import os
import pathlib
import shutil
import sys

import pytest

from biobert_jax import errors
from biobert_jax.errors import InputError
from biobert_jax.preflight import compiler, topology
from tests.fixtures import compiler_reports, small_run

SLICE = topology.parse_slice('v5e-16')
PROGRAM = """ENTRY %main (a: f32[256]) -> f32[256] {
  %a = f32[256]{0} parameter(0)
  ROOT %b = f32[256]{0} negate(%a), backend_config={"estimated_cycles":"9"}
}
"""
CHILD = """import json, os, pathlib, sys, time
request = json.loads(sys.stdin.read())
folder = pathlib.Path(request['folder'])
files = json.loads(os.environ['WRITES'])
for name, text in files.items():
  (folder / name).write_text(text)
(folder / 'pid').write_text(str(os.getpid()))
(folder / 'asked.json').write_text(json.dumps(request))
print('last words', flush=True)
if 'stays' in os.environ['THEN']:
  time.sleep(600)
"""
WRITTEN = {
  'model.json': '{"vocab_size": 100, "flops_of_row": 7.0}',
  'm.after_optimizations-buffer-assignment.txt': compiler_reports.ASSIGNMENT,
  'm.after_optimizations.txt': PROGRAM,
  'm.after_optimizations-memory-usage-report.txt': compiler_reports.REPORT,
}


def compiled(folder, monkeypatch, files, then, to_the_end=False):
  script = folder / 'child.py'
  script.write_text(CHILD)
  monkeypatch.setattr(compiler, '_CHILD', (sys.executable, str(script)))
  monkeypatch.setenv('WRITES', json.dumps(files))
  monkeypatch.setenv('THEN', then)
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=8')
  config = small_run.config()
  return compiler.compile_for(SLICE, config, 100, ('O',), folder, to_the_end)


def is_gone(folder):
  try:
    os.kill(int((folder / 'pid').read_text()), 0)
  except ProcessLookupError:
    return True
  return False


def test_it_is_ended_once_memory_is_known(tmp_path, monkeypatch):
  found = compiled(tmp_path, monkeypatch, WRITTEN, 'stays')
  assert is_gone(tmp_path)
  assert found.memory.total == 10344
  assert found.cost.hbm_bytes == 2048
  assert (found.cycles, found.vocab_size, found.flops_of_row) == (None, 100, 7)
  asked = json.loads((tmp_path / 'asked.json').read_text())
  assert asked['topology'] == SLICE.description | {
    'chips_per_host_bounds': [2, 2, 1]
  }
  assert asked['config']['task'] == 'ner'


def test_to_the_end_it_is_waited_for_until_there_is_code(tmp_path, monkeypatch):
  files = WRITTEN | {'m.after_codegen.txt': PROGRAM}
  found = compiled(tmp_path, monkeypatch, files, 'stays', to_the_end=True)
  assert is_gone(tmp_path)
  assert found.cycles == 9


def test_a_step_that_is_too_large_is_described(tmp_path, monkeypatch):
  refused = {'compiler': 'RESOURCE_EXHAUSTED: Ran out of memory on HBM, …'}
  files = WRITTEN | {'failure.json': json.dumps(refused)}
  found = compiled(tmp_path, monkeypatch, files, 'ends', to_the_end=True)
  assert found.memory.total == 10344


def test_what_the_user_can_mend_names_the_slice(tmp_path, monkeypatch):
  files = {'failure.json': '{"input": "batch_size is 3; …"}'}
  with pytest.raises(InputError, match='v5e-16: batch_size is 3'):
    compiled(tmp_path, monkeypatch, files, 'ends')


@pytest.mark.parametrize(
  ('files', 'words'),
  [
    ({}, 'last words'),
    (
      WRITTEN | {'failure.json': '{"compiler": "INTERNAL: Mosaic failed"}'},
      'Mosaic failed',
    ),
  ],
)
def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch, files, words):
  with pytest.raises(RuntimeError, match=words):
    compiled(tmp_path, monkeypatch, files, 'ends', to_the_end=True)


def test_an_interrupted_preflight_leaves_nothing_running(tmp_path, monkeypatch):
  def interrupt(*_):
    while not (tmp_path / 'asked.json').exists():
      pass
    raise KeyboardInterrupt

  monkeypatch.setattr(compiler, '_wait', interrupt)
  with pytest.raises(KeyboardInterrupt):
    compiled(tmp_path, monkeypatch, {}, 'stays')
  assert is_gone(tmp_path)


def test_without_a_compiler_it_says_how_to_install_one(monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(InputError, match=r'pip install .*requirements-tpu\.txt'):
    compiler.check_compiler()


def test_bytes_by_what_they_are():
  found = compiler.parse_memory(
    compiler_reports.ASSIGNMENT, compiler_reports.REPORT
  )
  assert (found.arguments, found.outputs) == (1024, 320)
  assert found.total == 10344
  assert found.temporaries == 9000


def test_the_largest_arrays_of_hbm_come_first():
  largest = compiler.parse_memory(
    compiler_reports.ASSIGNMENT, compiler_reports.REPORT
  ).largest
  assert largest == (
    (6144, '2 x f32[12,64]'),
    (3584, '2×bf16[1792]'),
    (24, 's32[6]'),
  )


def test_another_report_is_refused():
  with pytest.raises(ValueError, match='no total'):
    compiler.parse_memory(
      compiler_reports.ASSIGNMENT,
      compiler_reports.REPORT.replace('Total bytes', 'Sum'),
    )


def test_on_a_full_disk_no_file_is_trusted(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  full = shutil.disk_usage(tmp_path)._replace(free=0)
  monkeypatch.setattr(shutil, 'disk_usage', lambda folder: full)
  with pytest.raises(OSError, match='No space left') as caught:
    compiler._read(topology.parse_slice('v5e-8'), tmp_path, 0.0)
  told = errors.as_user_error(caught.value)
  assert told is not None
  assert str(told).startswith(f'{tmp_path}: No space left on device; free some')
