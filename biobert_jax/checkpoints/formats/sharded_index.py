"""Weights in several files, and the JSON index that tells which has what.

`model.safetensors.index.json` and `pytorch_model.bin.index.json` have the
same form: {"metadata": {...}, "weight_map": {tensor: file of this folder}}.
"""

import json
import pathlib
from collections import Counter
from collections.abc import Callable, Iterable

from biobert_jax.checkpoints.formats.file_magic import read_start, shown
from biobert_jax.checkpoints.formats.lazy_tensor import LazyTensor
from biobert_jax.errors import InputError

SUFFIX = '.index.json'
Reader = Callable[[pathlib.Path], dict[str, LazyTensor]]


def locate(path: pathlib.Path, weights_file: str) -> pathlib.Path:
  """The weight file, or index, of a folder; a file is taken as it is.

  Args:
    path: a Hugging Face folder, a weight file or an index.
    weights_file: the name to look for, such as 'model.safetensors'.

  Returns:
    The file to read. One file is preferred to shards, as in transformers.

  Raises:
    InputError: the folder holds neither.
  """
  if not path.is_dir():
    return path
  for name in (weights_file, weights_file + SUFFIX):
    if (path / name).is_file():
      return path / name
  found = ', '.join(sorted(p.name for p in path.iterdir())[:12]) or 'nothing'
  raise InputError(
    f'{path}: holds neither {weights_file} nor {weights_file}{SUFFIX} '
    f'(it holds {found}); copy the whole folder'
  )


def read(path: pathlib.Path, read_file: Reader) -> dict[str, LazyTensor]:
  """Joins the shards that an index names.

  Args:
    path: the index.
    read_file: reads one shard.

  Returns:
    name -> tensor, not yet read; also of tensors that the index leaves out.

  Raises:
    InputError: a damaged index, a shard that is missing or outside the
      folder, a tensor that is absent from its shard or lies in two.
  """
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


def weight_map(path: pathlib.Path) -> dict[str, str]:
  """The index: tensor -> file name.

  Args:
    path: the index.

  Returns:
    The stored `weight_map`.

  Raises:
    InputError: not such an index, a name that leaves the folder, or a file
      that is not there.
  """
  read_start(path)
  try:
    index = json.loads(
      path.read_text('utf-8'), object_pairs_hook=_without_repeats
    )
  except (ValueError, RecursionError, OSError) as error:
    raise InputError(
      f'{path}: not an index ({error}); copy it again'
    ) from error
  where = index.get('weight_map') if isinstance(index, dict) else None
  if not isinstance(where, dict) or not where:
    raise InputError(f'{path}: has no weight_map; copy it again')
  for name, shard in where.items():
    _check_shard(path, name, shard)
  missing = [
    shard
    for shard in sorted(set(where.values()))
    if not path.with_name(shard).is_file()
  ]
  if missing:
    raise InputError(
      f'{path}: {", ".join(missing[:8])} missing beside it '
      f'({len(missing)} of {len(set(where.values()))} files); copy all of them'
    )
  return where


def _without_repeats(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
  pairs = list(pairs)
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
