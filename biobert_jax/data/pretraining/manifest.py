"""The manifest of token shards, and the tokenizer that it names."""

import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.json_files import write_json
from biobert_jax.text.wordpiece import WordPieceTokenizer, piece_dtype


def read_tokenizer(
  directory: storage.AnyPath, vocab: str | None = None
) -> WordPieceTokenizer:
  """The vocabulary beside shards, the manifest's, else an InputError."""
  made_with = read_manifest(directory)['vocabulary']
  path = vocab or str(storage.path(directory) / 'vocab.txt')
  tokenizer = dataclasses.replace(
    WordPieceTokenizer.from_vocab_file(path, made_with['do_lower_case']),
    tokenize_chinese_chars=made_with['tokenize_chinese_chars'],
  )
  if tokenizer.sha256 != made_with['sha256']:
    remedy = 'name that one with --vocab' if vocab else 'copy the folder again'
    raise InputError(
      f'{path}: {directory} was made with another vocabulary, of'
      f' {made_with["size"]} tokens and sha256 {made_with["sha256"][:12]};'
      f' {remedy}'
    )
  return tokenizer


NAME = 'corpus'  # The tfds name of every directory.
TRAIN, HELD_OUT = 'train', 'validation'
FORMAT = 'biobert_jax token shards 1'
MANIFEST = 'manifest.json'
DROPPED = 'dropped.tsv'  # Names what was left out, and why.
LENGTH_DTYPE = np.dtype('<u2')

Manifest = dict[str, Any]


def write_tfds_metadata(
  directory: str | os.PathLike[str], manifest: Manifest
) -> None:
  """Writes what `tfds.builder_from_directory` reads, without TensorFlow."""

  def feature(name: str, kind: str, value: Any) -> dict[str, Any]:
    class_name = f'tensorflow_datasets.core.features.{name}'
    return {'pythonClassName': class_name, kind: value}

  def tensor(dtype: np.dtype[Any]) -> dict[str, Any]:
    shape = {'dimensions': ['-1']}
    value = {'dtype': dtype.name, 'encoding': 'bytes', 'shape': shape}
    return feature('tensor_feature.Tensor', 'tensor', value)

  features = {
    'id': feature('text_feature.Text', 'text', {}),
    'input_ids': tensor(piece_dtype(manifest['vocabulary']['size'])),
    'sentence_lengths': tensor(LENGTH_DTYPE),
  }
  write_json(
    pathlib.Path(directory, 'features.json'),
    feature(
      'features_dict.FeaturesDict', 'featuresDict', {'features': features}
    ),
    sort_keys=True,
  )
  splits = [
    {
      'name': split,
      'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
      'numBytes': str(sum(shard['bytes'] for shard in part['shards'])),
      'shardLengths': [str(shard['records']) for shard in part['shards']],
    }
    for split, part in sorted(manifest['splits'].items())
  ]
  info = {
    'name': NAME,
    'version': '1.0.0',
    'description': 'Tokenised documents with sentence boundaries, unmasked.',
    'fileFormat': 'array_record',
    'splits': splits,
  }
  write_json(pathlib.Path(directory, 'dataset_info.json'), info, sort_keys=True)


def read_manifest(directory: storage.AnyPath) -> Manifest:
  """Reads `manifest.json`; an InputError: missing, damaged, another format."""
  path = storage.path(directory) / MANIFEST
  try:
    manifest = json.loads(storage.read_text(path))
  except OSError as error:
    raise InputError(
      f'{path}: cannot be read ({error.strerror}); finish the corpus with'
      ' biobert-jax prepare-corpus, or name its folder'
    ) from None
  except ValueError as error:
    raise InputError(f'{path}: is damaged ({error}); copy it again') from None
  if not isinstance(manifest, dict) or manifest.get('format') != FORMAT:
    what = f'{path}: is not of the format {FORMAT!r}; prepare the corpus again'
    raise InputError(what)
  return manifest


def describe_vocabulary(tokenizer: WordPieceTokenizer) -> dict[str, Any]:
  """The manifest's entry for a tokenizer: sha256, size, casing, CJK."""
  return {
    'sha256': tokenizer.sha256,
    'size': tokenizer.vocab_size,
    'do_lower_case': tokenizer.do_lower_case,
    'tokenize_chinese_chars': tokenizer.tokenize_chinese_chars,
  }
