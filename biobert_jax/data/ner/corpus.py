"""Corpora of named entities: their splits, labels, and what splits share.

A corpus is a folder with a file for each split, in columns (`conll.py` says
what they may hold) or PubTator (`documents.py`).
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from biobert_jax.data.ner.conll import Sentence as Sentence
from biobert_jax.data.ner.conll import error_listing, read_columns
from biobert_jax.data.splits import (
  EXTENSIONS,
  find_split,
  is_pubtator,
  missing_split,
)
from biobert_jax.errors import InputError
from biobert_jax.text import documents
from biobert_jax.text.readers import pubtator


def sentences_from_documents(
  source: Iterable[documents.Document], counts: Counter[str]
) -> list[Sentence]:
  """Sentences of `split_words` tokens with BIO tags: titles and bodies.

  `counts` takes `entities_cut_at_title` (in two), and those of
  `documents.tag_words`. A part without words is left out.
  """
  sentences = []
  for document in source:
    text, cut = document.text, document.title_length or 0
    words = documents.split_words(text)
    tags = documents.tag_words(words, document.entities, counts)
    middle = sum(start < cut for start, _ in words)
    if 0 < middle < len(words) and tags[middle][0] == 'I':
      counts['entities_cut_at_title'] += 1
      tags[middle] = 'B' + tags[middle][1:]
    path = document.path or f'document {document.id}'
    for part in (slice(middle), slice(middle, None)):
      tokens = tuple(text[start:end] for start, end in words[part])
      if tokens:
        tagged = (tokens, tuple(tags[part]))
        sentences.append(Sentence(*tagged, path, document.line, 0))
  return sentences


def read_split(
  directory: str | os.PathLike[str],
  split: str,
  counts: Counter[str],
  *,
  scheme: str = 'bio',
  strict: bool = False,
) -> list[Sentence]:
  """Reads one split of a corpus, whatever form its file has.

  Args:
    split: one of `SPLITS`; `train_dev` without a file of its own is train and
      then devel.
    scheme: `bio` or `iobes`; PubTator needs neither.
    strict: whether an invisible token is an error.

  Raises:
    InputError: No file, several files, or one that cannot be read.
  """
  path = find_split(directory, split)
  if path is None and split == 'train_dev':
    both: list[Sentence] = []
    for part in ('train', 'devel'):
      both += read_split(directory, part, counts, scheme=scheme, strict=strict)
    return both
  if path is None:
    raise missing_split(directory, split, EXTENSIONS[1:])
  if is_pubtator(path):
    read = pubtator.read_pubtator(path, counts)
    sentences = sentences_from_documents(read, counts)
    if not sentences:
      raise InputError.at(path, 1, 'the file holds no sentence')
    return sentences
  return read_columns(path, counts, scheme=scheme, strict=strict)


def label_set(sentences: Sequence[Sentence]) -> tuple[str, ...]:
  """The tags of a training split, complete: both B and I of each type.

  That is ('O', 'B', 'I'), or 'O' and then B-Type, I-Type, sorted by type.

  Raises:
    InputError: No sentence has an entity, or only some tags have a type.
  """
  suffixes = {tag[1:] for s in sentences for tag in s.tags if tag != 'O'}
  if not suffixes:
    where = (sentences[0].path, sentences[0].line) if sentences else ('data', 0)
    what = 'no entity from here on: there is nothing to learn from all tags O'
    raise InputError.at(*where, what)
  if '' in suffixes and len(suffixes) > 1:
    what = 'some tags have a type and some have none; give all of them one'
    raise error_listing(sentences, {'B', 'I'}, what)
  tags = [letter + suffix for suffix in sorted(suffixes) for letter in 'BI']
  return ('O', *tags)


def check_labels(
  sentences: Iterable[Sentence], labels: Sequence[str], split: str
) -> None:
  """Raises an InputError where a split has a tag that training did not have."""
  sentences = list(sentences)
  new = {tag for s in sentences for tag in s.tags} - set(labels)
  if new:
    what = f'{split} has tags that the training labels ({", ".join(labels)})'
    what += ' have not; correct them or train on a split that has them'
    raise error_listing(sentences, new, what)
