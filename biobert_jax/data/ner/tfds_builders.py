"""The NER corpora of the BioBERT paper as TFDS builders.

  import tensorflow_datasets as tfds
  from biobert_jax.data.ner import tfds_builders
  tfds_builders.prepare('ncbi_disease', MANUAL_DIR, DATA_DIR)
  train = tfds.load('ncbi_disease', split='train', data_dir=DATA_DIR)

The sentences are those of a training run, in the same order. Nothing is
downloaded: most corpora ask their users to agree to terms first.
"""

import os
import pathlib
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from absl import logging

from biobert_jax.data import splits
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.errors import InputError
from biobert_jax.text import tag_schemes

# `tfds.load` reads tfrecord only; `tfds.data_source` array_record only, which
# needs no TensorFlow.
FILE_FORMATS = ('tfrecord', 'array_record')


class _Corpus(NamedTuple):
  """The metadata of a corpus."""

  about: str
  homepage: str
  key: str
  author: str
  title: str
  journal: str
  year: int

  @property
  def citation(self) -> str:
    """The article in BibTeX."""
    fields = ('author', 'title', 'journal', 'year')
    lines = [f'  {name} = {{{getattr(self, name)}}}' for name in fields]
    return f'@article{{{self.key},\n' + ',\n'.join(lines) + '\n}'


_TABLE = (
  pathlib.Path(__file__).with_name('tfds_corpora.toml').read_text('utf-8')
)
# Class name -> corpus, in the order of the paper's Table 6.
CORPORA = {
  name: _Corpus(**fields) for name, fields in tomllib.loads(_TABLE).items()
}


def _info(builder: Any) -> Any:
  corpus = CORPORA[type(builder).__name__]
  features = {
    # SPLIT-NUMBER, counted from 0 in the file's order.
    'id': tfds.features.Text(),
    'tokens': tfds.features.Sequence(tfds.features.Text()),
    # O, B, I or B-Type, I-Type.
    'tags': tfds.features.Sequence(tfds.features.Text()),
  }
  return tfds.core.DatasetInfo(
    builder=builder,
    description=corpus.about,
    homepage=corpus.homepage,
    citation=corpus.citation,
    features=tfds.features.FeaturesDict(features),
    disable_shuffling=True,
  )


def _split_generators(builder: Any, dl_manager: Any) -> dict[str, Any]:
  folder = _corpus_folder(builder.name, dl_manager.manual_dir)
  generators = {}
  for split in ('train', 'devel', 'test'):
    # A public corpus may keep its test set to itself; training it may not.
    if split == 'train' or splits.find_split(folder, split):
      generators[split] = builder._generate_examples(folder, split)
    else:
      logging.warning('%s: no file for %s: left out', folder, split)
  return generators


def _corpus_folder(
  name: str, manual_dir: str | os.PathLike[str]
) -> pathlib.Path:
  folder = pathlib.Path(manual_dir)
  return folder / name if (folder / name).is_dir() else folder


def _generate_examples(
  builder: Any, folder: pathlib.Path, split: str
) -> Iterator[tuple[int, dict[str, Any]]]:
  counts: Counter[str] = Counter()
  read = ner_corpus.read_split
  sentences = read(folder, split, counts, scheme=builder.scheme)
  for number, sentence in enumerate(sentences):
    row = {'tokens': list(sentence.tokens), 'tags': list(sentence.tags)}
    yield number, {'id': f'{split}-{number}', **row}
  for what, count in sorted(counts.items()):
    logging.warning('%s %s: %s: %d', builder.name, split, what, count)


def _builder(class_name: str) -> Any:
  corpus = CORPORA[class_name]
  name = tfds.core.naming.camelcase_to_snakecase(class_name)
  return type(
    class_name,
    (tfds.core.GeneratorBasedBuilder,),
    {
      '__module__': __name__,
      '__doc__': corpus.about,
      'name': name,
      'VERSION': tfds.core.Version('1.0.0'),
      'RELEASE_NOTES': {'1.0.0': 'As read by biobert_jax.data.ner.corpus.'},
      'MANUAL_DOWNLOAD_INSTRUCTIONS': (
        f'Put train.tsv, devel.tsv and test.tsv into MANUAL_DIR/{name}/ (or'
        ' MANUAL_DIR itself): UTF-8, `token<TAB>tag` lines with tags O, B, I'
        ' or B-Type, I-Type (others: give prepare a scheme), a blank line'
        f' after each sentence; or PubTator files. It is at {corpus.homepage}'
      ),
      'scheme': 'bio',  # Of the tags in the files; see `tag_schemes.py`.
      '_info': _info,
      '_split_generators': _split_generators,
      '_generate_examples': _generate_examples,
    },
  )


BUILDERS = {builder.name: builder for builder in map(_builder, CORPORA)}
# Where their classes are looked for, by name.
globals().update({each.__name__: each for each in BUILDERS.values()})


def prepare(
  name: str,
  manual_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str],
  file_format: str = FILE_FORMATS[0],
  scheme: str = 'bio',
) -> dict[str, int]:
  """Writes one corpus as a TFDS dataset, if that is not done yet.

  `tfds build` cannot: it needs Apache Beam (tensorflow/datasets#5463). The
  corpus's files are in `manual_dir`, or in a folder `name` there; their tags
  are of a `scheme` of `tag_schemes.py` and become BIO. Returns the sentences of
  each split. An InputError: as the reader, or no such name.
  """
  if name not in BUILDERS:
    names = ', '.join(BUILDERS)
    raise InputError(f'no NER corpus {name!r}; there are {names}')
  if file_format not in FILE_FORMATS:
    formats = ' or '.join(FILE_FORMATS)
    raise InputError(f'file_format {file_format!r} is not {formats}')
  tag_schemes.pattern(scheme)
  # Checked here, since TFDS would wrap the error in a page of its own.
  folder = _corpus_folder(name, manual_dir)
  if splits.find_split(folder, 'train') is None:
    what = BUILDERS[name].MANUAL_DOWNLOAD_INSTRUCTIONS
    raise InputError(f'{folder}: no train.tsv. {what}')
  data_dir = os.fspath(data_dir)
  builder = BUILDERS[name](data_dir=data_dir, file_format=file_format)
  builder.scheme = scheme
  config = tfds.download.DownloadConfig(
    manual_dir=os.path.abspath(manual_dir), try_download_gcs=False
  )
  builder.download_and_prepare(download_config=config)
  infos = builder.info.splits
  return {split: info.num_examples for split, info in infos.items()}
