"""The tokenizer that token shards were made with."""

import dataclasses
import os
import pathlib

from biobert_jax.data import shards
from biobert_jax.data.wordpiece import WordPieceTokenizer
from biobert_jax.errors import InputError


def read_tokenizer(
  directory: str | os.PathLike[str], vocab: str | None = None
) -> WordPieceTokenizer:
  """Reads the vocabulary beside shards, cased as their manifest says.

  Args:
    directory: of the shards.
    vocab: `vocab.txt`; by default the one in the directory.

  Raises:
    InputError: no such file, a bad one, or another vocabulary.
  """
  made_with = shards.read_manifest(directory)['vocabulary']
  path = pathlib.Path(vocab or os.path.join(directory, 'vocab.txt'))
  tokenizer = dataclasses.replace(
    WordPieceTokenizer.from_vocab_file(path, made_with['do_lower_case']),
    tokenize_chinese_chars=made_with['tokenize_chinese_chars'],
  )
  if tokenizer.sha256 != made_with['sha256']:
    remedy = 'name that one with --vocab' if vocab else 'copy the folder again'
    raise InputError(
      f'{path}: {directory} was made with another vocabulary, of'
      f' {made_with["size"]} pieces and sha256 {made_with["sha256"][:12]};'
      f' {remedy}'
    )
  return tokenizer
