"""The report of `preflight`: figures of each slice, a table, advice."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.preflight.compiler import Compiled
from biobert_jax.preflight.program_cost import ACROSS_SLICES, ProgramCost
from biobert_jax.preflight.topology import Slice

_SHOWN = 8  # Groups of arrays that a row names.
# How often a chip sends the n - 1 of n parts of its bytes round a ring of n.
_TURNS = {'all-reduce': 2}


def time_bounds(cost: ProgramCost, slice_: Slice) -> dict[str, float]:
  """Least seconds of a step of which one chip has this cost.

  Matrix products at the peak and HBM at its bandwidth run at the same time;
  the compiler's collectives, over ICI ('links') or between slices ('network'),
  wait (XLA:TPU has `all-reduce`, not `all-reduce-start`): 'step' is the sum.
  No program reaches it.
  """
  within = across = 0.0
  for messages in cost.messages:
    kind = messages.kind.removeprefix(ACROSS_SLICES)
    sent = float(messages.bytes)
    if kind != 'collective-permute':
      share = (messages.group - 1) / messages.group
      sent = _TURNS.get(kind, 1) * share * messages.bytes
    if messages.kind == kind:
      within += sent
    else:
      across += sent
  compute = cost.flops / slice_.chip.peak_flops
  memory = cost.hbm_bytes / slice_.chip.hbm_bandwidth
  links = within / (slice_.ici_bandwidth or 1.0)
  network = across / slice_.chip.dcn_bandwidth
  return {
    'compute': compute,
    'memory': memory,
    'links': links,
    'network': network,
    'step': max(compute, memory) + links + network,
  }


def make_row(
  slice_: Slice,
  config: ConfigDict,
  compiled: Compiled,
  price: float,
  compiler: str,
) -> dict[str, Any]:
  """All figures of a slice, by name: bytes, operations, seconds and dollars.

  `hbm`, `flops`, `hbm_traffic` and `collectives` are of one chip in one step.
  """
  memory, cost = compiled.memory, compiled.cost
  limit = slice_.chip.hbm_bytes
  flops = config.batch_size * compiled.flops_of_row / slice_.chips
  seconds = time_bounds(cost, slice_)
  step = seconds['step']
  tokens = config.batch_size * config.data.max_seq_length
  hbm = memory._asdict()
  del hbm['largest']
  row = {
    'topology': slice_.name,
    'chips': slice_.chips,
    'hosts': slice_.hosts,
    'slices': slice_.slices,
    'vocab_size': compiled.vocab_size,
    'batch_size': config.batch_size,
    'rows_per_chip': config.batch_size * config.mesh.model // slice_.chips,
    'fits': memory.total <= limit,
    'hbm': hbm | {'total': memory.total, 'limit': limit},
    'largest_arrays': [
      {'bytes': size, 'shapes': shapes}
      for size, shapes in memory.largest[:_SHOWN]
    ],
    'flops': cost.flops,
    'flops_of_model': round(flops),
    'hbm_traffic': cost.hbm_bytes,
    'random_bytes': cost.random_bytes,
    'rematerialized': cost.rematerialized,
    'collectives': [dataclasses.asdict(m) for m in cost.messages],
    'seconds': seconds,
    'mfu_bound': flops / (step * slice_.chip.peak_flops),
    'pieces_per_second': tokens / step,
    'compile_seconds': round(compiled.seconds, 1),
  }
  if compiled.cycles is not None:
    row['estimated_cycles'] = compiled.cycles
    row['estimated_seconds'] = compiled.cycles / slice_.chip.clock
  if config.train.steps is not None:
    hours = config.train.steps * step / 3600
    row |= {'steps': config.train.steps, 'hours': hours}
    row['chip_hours'] = hours * slice_.chips
    if price:
      row['dollars'] = row['chip_hours'] * price
  return row | {'assumed': _assumed(config, compiled, compiler)}


def add_evaluation(
  row: dict[str, Any], compiled: Compiled, config: ConfigDict
) -> None:
  """Adds what a chip holds while the dev set is scored."""
  memory, hbm = compiled.memory, row['hbm']
  total = hbm['arguments'] + memory.outputs + memory.temporaries
  row['evaluation'] = {
    'batch_size': config.train.eval_batch_size,
    'outputs': memory.outputs,
    'temporaries': memory.temporaries,
    'total': total,
    'fits': total <= hbm['limit'],
  }


def _assumed(
  config: ConfigDict, compiled: Compiled, compiler: str
) -> list[str]:
  """The assumptions, in words."""
  said = [
    f'compiled by {compiler}; nothing was run',
    'the program itself, 0.03 to 0.2 GB, is not counted in the memory',
    'times are bounds: peak operations and bandwidths, messages not hidden; '
    'no step reaches them',
  ]
  if not config.init_from and not config.vocab.path:
    said.append(f'a vocabulary of {compiled.vocab_size} tokens')
  if config.train.steps is not None:
    said.append('hours of training steps alone')
  return said


def gigabytes(size: float) -> str:
  """A size for people, in 10^9 bytes."""
  return f'{size / 1e9:.2f} GB'


def _milliseconds(row: dict[str, Any], name: str) -> str:
  return f'{1e3 * row["seconds"][name]:.1f}'


def _sent(row: dict[str, Any]) -> str:
  counts, sizes = Counter[str](), Counter[str]()
  for messages in row['collectives']:
    counts[messages['kind']] += messages['count']
    sizes[messages['kind']] += messages['bytes']
  return ', '.join(
    f'{count} {kind} {sizes[kind] / 1e6:.1f} MB'
    for kind, count in counts.items()
  )


def _largest(row: dict[str, Any]) -> str:
  rows = row.get('largest', {}).get('rows_per_chip')
  return '' if rows is None else f'{rows} rows a chip'


def _evaluating(row: dict[str, Any]) -> str:
  found = row['evaluation']
  return gigabytes(found['total']) + ('' if found['fits'] else ' NO')


def _optional(
  name: str, scale: float = 1.0, digits: int = 1
) -> Callable[[dict[str, Any]], str]:
  """A figure that a row may not have."""
  return lambda row: f'{row[name] * scale:.{digits}f}' if name in row else ''


_LINES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
  ('chips, hosts', lambda r: f'{r["chips"]}, {r["hosts"]}'),
  ('rows a chip', lambda r: f'{r["rows_per_chip"]}'),
  ('fits', lambda r: 'yes' if r['fits'] else 'NO'),
  ('HBM needed', lambda r: gigabytes(r['hbm']['total'])),
  ('  there', lambda r: gigabytes(r['hbm']['limit'])),
  ('  arguments', lambda r: gigabytes(r['hbm']['arguments'])),
  ('  outputs', lambda r: gigabytes(r['hbm']['outputs'])),
  ('  temporaries', lambda r: gigabytes(r['hbm']['temporaries'])),
  ('  while it evaluates', _evaluating),
  ('  run twice to fit', lambda r: f'{r["rematerialized"]} ops'),
  ('largest batch', _largest),
  ('TFLOP', lambda r: f'{r["flops"] / 1e12:.3f}'),
  ('  over the model', lambda r: f'{r["flops"] / r["flops_of_model"]:.3f}'),
  ('HBM traffic', lambda r: gigabytes(r['hbm_traffic'])),
  ('random bits', lambda r: gigabytes(r['random_bytes'])),
  ('messages', _sent),
  ('ms of compute', lambda r: _milliseconds(r, 'compute')),
  ('  of memory', lambda r: _milliseconds(r, 'memory')),
  ('  of ICI', lambda r: _milliseconds(r, 'links')),
  ('  of DCN', lambda r: _milliseconds(r, 'network') * (r['slices'] > 1)),
  ('  a step, at least', lambda r: _milliseconds(r, 'step')),
  ('compiler: Mcycles', _optional('estimated_cycles', 1e-6)),
  ('  so many ms', _optional('estimated_seconds', 1e3)),
  ('MFU, at most', lambda r: f'{r["mfu_bound"]:.2f}'),
  ('tokens per second', lambda r: f'{r["pieces_per_second"]:,.0f}'),
  ('hours of the run', _optional('hours')),
  ('chip-hours', _optional('chip_hours', digits=0)),
  ('dollars', _optional('dollars', digits=0)),
  ('compiled in', lambda r: f'{r["compile_seconds"]:.0f} s'),
)


def table(rows: list[dict[str, Any]]) -> str:
  """Slices side by side; figures that none has are left out."""
  lines = [['', *(row['topology'] for row in rows)]]
  lines += [[name, *map(figure, rows)] for name, figure in _LINES]
  lines = [line for line in lines if any(line[1:])]
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  text = ''
  for first, *cells in lines:
    padded = [c.rjust(w) for c, w in zip(cells, widths[1:], strict=True)]
    text += '  '.join([first.ljust(widths[0]), *padded]).rstrip() + '\n'
  text += ''.join(_held(row) for row in rows if not row['fits'])
  return text + ''.join(f'assumed: {a}\n' for a in rows[0]['assumed'])


def _held(row: dict[str, Any]) -> str:
  """The largest arrays and the remedies that were tried."""
  text = f'{row["topology"]}: largest arrays of a chip\n'
  for group in row['largest_arrays']:
    text += f'  {gigabytes(group["bytes"]):>9}  {group["shapes"]}\n'
  for tried in row['remedies']:
    verdict = 'fits' if tried['fits'] else 'does not fit'
    what = tried['refused'] if 'refused' in tried else gigabytes(tried['hbm'])
    text += f'  {tried["remedy"]}: {verdict}, {what}\n'
  return text


def advice(rows: list[dict[str, Any]]) -> str:
  """The cheapest change with which all slices fit."""
  short = [row['remedies'] for row in rows if not row['fits']]
  for remedy in short[0]:
    same = [t for tried in short for t in tried if t['fits']]
    if sum(t['remedy'] == remedy['remedy'] for t in same) == len(short):
      flags = [f'--config.{k}={v}' for k, v in remedy['changes'].items()]
      return f'with {" ".join(flags)} it does'
  return 'take a smaller batch or more chips'
