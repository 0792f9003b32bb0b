"""Weights in several files, and the JSON index that tells which has what.

`NAME.index.json` is {"metadata": {...}, "weight_map": {tensor: file}}.
"""

import json
import pathlib
from collections import Counter
from collections.abc import Callable

from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.errors import InputError

SUFFIX = '.index.json'
Reader = Callable[[pathlib.Path], dict[str, LazyTensor]]


def read(
  path: pathlib.Path, weights_file: str, read_file: Reader
) -> dict[str, LazyTensor]:
  """Reads a file of weights, or joins the shards that an index names.

  The path is one of them or a folder, in which the `weights_file` is preferred
  to its index, as in transformers. Tensors that the index leaves out are there.
  """
  if path.is_dir():
    path = _locate(path, weights_file)
  if not path.name.endswith(SUFFIX):
    return read_file(path)
  where = weight_map(path)
  tensors: dict[str, LazyTensor] = {}
  homes: dict[str, str] = {}
  for shard in sorted(set(where.values())):
    for name, tensor in read_file(path.with_name(shard)).items():
      if name in tensors:
        raise InputError(
          f'{path}: {shown(name)} lies in {homes[name]} and in {shard}; copy '
          'the folder again, or save the model again'
        )
      tensors[name], homes[name] = tensor, shard
  for name, shard in where.items():
    if homes.get(name) != shard:
      raise InputError(
        f'{path.with_name(shard)}: lacks {shown(name)}, which {path.name} '
        'places there; copy shards and index from one source'
      )
  return tensors


def _locate(folder: pathlib.Path, weights_file: str) -> pathlib.Path:
  for name in (weights_file, weights_file + SUFFIX):
    if (folder / name).is_file():
      return folder / name
  found = ', '.join(sorted(p.name for p in folder.iterdir())[:12]) or 'nothing'
  what = f'{folder}: holds neither {weights_file} nor {weights_file}{SUFFIX}'
  raise InputError(f'{what} (it holds {found}); copy the whole folder')


def weight_map(path: pathlib.Path) -> dict[str, str]:
  """The map of an index: tensor -> name of a file that is there beside it."""
  where = _weight_map(path)
  shards = sorted(set(where.values()))
  missing = [name for name in shards if not path.with_name(name).is_file()]
  if missing:
    raise InputError(
      f'{path}: {", ".join(missing[:8])} missing beside it '
      f'({len(missing)} of {len(shards)} files); copy all of them'
    )
  return where


def shards(path: pathlib.Path) -> list[str]:
  """The names of the files that an index names, there or not."""
  return sorted(set(_weight_map(path).values()))


def _weight_map(path: pathlib.Path) -> dict[str, str]:
  read_start(path)
  damaged = (ValueError, RecursionError, OSError)
  with refused(f'{path}: not an index', damaged):
    text = path.read_text('utf-8')
    index = json.loads(text, object_pairs_hook=_without_repeats)
  where = index.get('weight_map') if isinstance(index, dict) else None
  if not isinstance(where, dict) or not where:
    raise InputError(f'{path}: has no weight_map; copy it again')
  for name, shard in where.items():
    _check_shard(path, name, shard)
  return where


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
  twice = [n for n, count in Counter(n for n, _ in pairs).items() if count > 1]
  if twice:
    raise ValueError(f'{shown(twice[0])} is there twice')
  return dict(pairs)


def _check_shard(path: pathlib.Path, name: str, shard: object) -> None:
  plain = isinstance(shard, str) and shard.isprintable()
  if not plain or shard in ('', '.', '..') or set(str(shard)) & set('/\\'):
    raise InputError(
      f'{path}: places {shown(name)} in {shown(shard)}, which is not the name '
      'of a file in this folder; take the weights from a source you trust'
    )
