"""A report on token shards, to read before training on them.

`report.md`, `lengths.png` and `report.html`, which is one file with all in it.
The same shards and seed give the same report. jax and TensorFlow stay out.
"""

import collections
import io
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from biobert_jax.data.pretraining import corpus_warnings
from biobert_jax.data.pretraining.manifest import DROPPED, Manifest
from biobert_jax.errors import InputError
from biobert_jax.io import report as pages
from biobert_jax.io import storage
from biobert_jax.io.report import Block, Heading, Paragraph, Table
from biobert_jax.preprocessing.report import shard_statistics
from biobert_jax.preprocessing.report.shard_statistics import (
  Statistics,
  UnknownWords,
  Word,
)
from biobert_jax.preprocessing.token_shards.stages import SKIPPED

CHART = 'lengths.png'
_COUNTS = ('documents', 'sentences', 'words', 'pieces', 'unknown pieces')
_SENTENCES = 12  # Shown of a document.
_CHARACTERS = 400  # Shown of a sentence.
# Of BERT's own vocabularies on abstracts: 1.55 tokens a white-space word, and
# one token in ten thousand unknown. Three times that is another language,
# another script, or another vocabulary.
_MANY_TOKENS = 2.0
_MANY_UNKNOWN = 0.003
_SHOWN = 5  # Ids of each reason.
# Counts of the readers that stand for records, each one article.
_RECORDS = (
  *('pubmed_records', 'full_texts', 'json_lines', 'text_documents'),
  'annotated_documents',
)
# Counts of records that were read and then left out.
_SET_ASIDE = ('excluded', 'without text', 'deleted', 'repeated')


def write_report(
  directory: str | os.PathLike[str],
  output: str | os.PathLike[str],
  statistics: Statistics,
  unknown: UnknownWords | None = None,
) -> str:
  """Writes the report to a folder, each file aside and then renamed.

  Returns the text of `report.md`. The `directory` is of the shards; its
  `dropped.tsv` is read. An InputError: the folder cannot be written.
  """
  png = draw_lengths(statistics)
  name = pathlib.Path(directory).resolve().name
  blocks: list[Block] = [
    Heading(f'Corpus report: {name}', 1),
    *_summary(statistics),
    *_contents(statistics),
    *record_counts(statistics.manifest, directory),
    *_lengths(statistics, png),
    *_words(statistics, unknown),
    *_texts(statistics),
  ]
  text = pages.markdown(blocks)
  folder = storage.path(output)
  contents = {
    CHART: png,
    'report.html': pages.page(blocks).encode(),
    'report.md': text.encode(),
  }
  try:
    for name, content in contents.items():
      storage.write(folder / name, content)
  except OSError as error:
    what = f'{folder}: cannot be written ({error.strerror})'
    raise InputError(f'{what}; name another folder with --output') from None
  return text


def summary(statistics: Statistics) -> dict[str, Any]:
  """The figures of a report that a program may want."""
  totals = _totals(statistics)
  words, pieces = totals['words'], totals['pieces']
  return {
    **totals,
    'pieces_per_word': round(pieces / max(1, words), 4),
    'unknown_rate': round(totals['unknown pieces'] / max(1, pieces), 7),
    'one_sentence': statistics.one_sentence,
    'too_long': {str(row): n for row, n in statistics.too_long.items()},
    'fill': {
      str(row): {'packed': round(f.packed, 4), 'alone': round(f.alone, 4)}
      for row, f in statistics.fill.items()
    },
    'sampled': statistics.sampled,
  }


def _totals(statistics: Statistics) -> dict[str, int]:
  splits = statistics.manifest['splits'].values()
  return {name: sum(s['counts'][name] for s in splits) for name in _COUNTS}


def _percent(part: float, whole: float) -> str:
  share = 100 * part / whole if whole else 0.0
  digits = 1 if share >= 1 or not share else 2 if share >= 0.1 else 4
  return f'{share:.{digits}f} %'


def _is_whole(statistics: Statistics) -> bool:
  return statistics.sampled == statistics.documents


def _summary(statistics: Statistics) -> Iterator[Block]:
  totals, manifest = _totals(statistics), statistics.manifest
  vocabulary, code = manifest['vocabulary'], manifest['code']
  casing = 'lower-cased' if vocabulary['do_lower_case'] else 'cased'
  revision = f', revision {code["revision"]}' if code['revision'] else ''
  read = 'Every record was read.'
  if not _is_whole(statistics):
    read = (
      f'Counts and document lengths are of the whole corpus; words, sentence'
      f' lengths and kinds are of {statistics.sampled:,} documents drawn at'
      ' random.'
    )
  yield Paragraph(
    f'{totals["documents"]:,} documents, {totals["sentences"]:,} sentences,'
    f' {totals["words"]:,} words, {totals["pieces"]:,} tokens of a {casing}'
    f' vocabulary of {vocabulary["size"]:,} (sha256'
    f' {vocabulary["sha256"][:12]}), from {_files(manifest["inputs"]["files"])}'
    f' of {manifest["inputs"]["bytes"] / 1e6:,.1f} MB, by version'
    f' {code["version"]}{revision}. {read}'
  )
  yield Heading('Warnings')
  yield pages.Bullets(
    list(_warnings(statistics, totals))
    or [
      'No warnings: tokens per word, unknown tokens, single sentences and'
      ' the counts of articles are as expected.'
    ]
  )


def _files(count: int) -> str:
  return f'{count:,} file{"s" * (count != 1)}'


def _warnings(statistics: Statistics, totals: dict[str, int]) -> Iterator[str]:
  per_word = totals['pieces'] / max(1, totals['words'])
  if per_word > _MANY_TOKENS:
    yield (
      f'{per_word:.2f} tokens per word: the vocabulary does not fit this text'
      ' (another casing, another language?).'
    )
  unknown = totals['unknown pieces']
  if unknown > _MANY_UNKNOWN * totals['pieces']:
    yield (
      f'{_percent(unknown, totals["pieces"])} of the tokens are unknown: the'
      ' vocabulary lacks characters of this text; see Words.'
    )
  single = statistics.one_sentence / max(1, statistics.documents)
  for line in corpus_warnings.warnings(
    single, statistics.beyond, shard_statistics.ROWS[0]
  ):
    yield f'{line}.'
  if skipped := statistics.manifest['counts'].get(SKIPPED, 0):
    yield f'{_files(skipped)} could not be read and skipped; see below.'
  if statistics.manifest['splits'].keys() == {'train'}:
    yield 'Nothing is held out, so no loss on unseen text will be had.'
  if off := unexplained(statistics.manifest):
    yield f'{off:+,} articles are not accounted for; see below.'


def _contents(statistics: Statistics) -> Iterator[Block]:
  yield Heading('Contents')
  rows = []
  for split, part in sorted(statistics.manifest['splits'].items()):
    size = sum(shard['bytes'] for shard in part['shards'])
    counts = [f'{part["counts"][name]:,}' for name in _COUNTS]
    shards = f'{len(part["shards"]):,}'
    rows.append([split, *counts, shards, f'{size / 1e6:,.1f}'])
  shown = [name.replace('pieces', 'tokens') for name in _COUNTS]
  yield Table(['split', *shown, 'shards', 'MB'], rows)
  yield Paragraph(
    'Words are those between white space. Validation is chosen by the hash'
    " of an article's id, so all sections of an article are on one side."
  )
  where = 'Documents' if _is_whole(statistics) else 'Documents of the sample'
  yield Paragraph(f'{where} by the kind of their id:')
  kinds = [
    [split, kind, f'{count:,}', _percent(count, counts_of_kind.total())]
    for split, counts_of_kind in statistics.kinds.items()
    for kind, count in sorted(counts_of_kind.items())
  ]
  yield Table(['split', 'kind', 'documents', 'share'], kinds)


def unexplained(manifest: Manifest) -> int:
  """Articles kept minus those that the counts lead to; 0 if they agree."""
  read, counts = manifest['readers'], manifest['counts']
  records = sum(read.get(name, 0) for name in _RECORDS)
  refused = sum(
    count
    for name, count in read.items()
    if name.startswith('dropped_') and name != 'dropped_no_record'
  )
  aside = sum(counts.get(name, 0) for name in _SET_ASIDE)
  return int(counts['articles kept'] - (records - refused - aside))


def record_counts(
  manifest: Manifest, directory: str | os.PathLike[str]
) -> Iterator[Block]:
  """The section of the report on records; `directory` holds `dropped.tsv`."""
  read, counts = manifest['readers'], manifest['counts']
  dropped = sorted(
    name
    for name in read
    if name.startswith('dropped_') and name != 'dropped_no_record'
  )
  kept, documents = counts['articles kept'], counts['documents']
  yield Heading('From records to documents')
  rows = [['+', f'{read[k]:,}', _spaced(k)] for k in _RECORDS if k in read]
  rows += [['−', f'{read[name]:,}', _spaced(name)] for name in dropped]
  rows += [['−', f'{counts[k]:,}', k] for k in _SET_ASIDE if counts.get(k)]
  rows += [['=', f'{kept:,}', f'articles kept, of {documents:,} documents']]
  yield Table(['', 'articles', 'what'], rows)
  difference = unexplained(manifest)
  yield Paragraph(
    f'These do not add up by {difference:+,}: the shards or the manifest were'
    ' changed after they were written.'
    if difference
    else 'These add up. A document is a title with its abstract, or a section'
    ' of a full text.'
  )
  yield from _named(pathlib.Path(directory, DROPPED))
  within = sorted(read.keys() - {*_RECORDS, *dropped, 'articles'})
  if within:
    yield Heading('Inside records', 3)
    yield Paragraph(
      'Elements that were read, fixed or left out inside records:'
    )
    rows = [[f'{read[k]:,}', _spaced(k)] for k in within]
    yield Table(['times', 'what'], rows)


def _spaced(name: str) -> str:
  return name.replace('_', ' ')


def _named(path: pathlib.Path) -> Iterator[Block]:
  """Some of the records that `dropped.tsv` names, by reason."""
  if not path.exists():
    return
  named: collections.Counter[str] = collections.Counter()
  first: dict[str, list[str]] = collections.defaultdict(list)
  with open(path, encoding='utf-8', errors='replace') as file:
    next(file, None)
    for line in file:
      reason, id, *_ = [*line.rstrip('\n').split('\t'), '']
      named[reason] += 1
      if len(first[reason]) < _SHOWN:
        first[reason].append(id)
  if not named:
    return
  yield Heading('Records by name', 3)
  yield Paragraph(
    f'{DROPPED} names these, up to 10,000 of each reason; translated_kept are'
    " kept: PubMed's English of articles in another language."
  )
  rows = [
    [_spaced(reason), f'{count:,}', ', '.join(first[reason])]
    for reason, count in sorted(named.items())
  ]
  yield Table(['reason', 'named', 'the first'], rows)


def _lengths(statistics: Statistics, png: bytes) -> Iterator[Block]:
  documents, single = statistics.documents, statistics.one_sentence
  yield Heading('Lengths')
  yield pages.Image(CHART, 'tokens per document and per sentence', png)
  yield Paragraph(
    f'95 % of the documents have at most'
    f' {statistics.pieces_per_document.percentiles[-3]:,} tokens; in the'
    ' columns, so does that share of all:'
  )
  rows = [
    [name, f'{one.mean:,.1f}', *(f'{value:,}' for value in one.percentiles)]
    for name, one in (
      ('tokens of a document', statistics.pieces_per_document),
      ('sentences of a document', statistics.sentences_per_document),
      ('tokens of a sentence', statistics.pieces_per_sentence),
    )
  ]
  percents = [f'{p} %' for p in shard_statistics.PERCENTILES[:-1]]
  yield Table(['', 'mean', *percents, 'longest'], rows)
  yield Paragraph(
    f'{single:,} documents ({_percent(single, documents)}) have one sentence.'
    ' (Next-sentence prediction cannot use such: the second half of the pair'
    ' would always come from another document.)'
  )
  fills = []
  for row, fill in statistics.fill.items():
    cut = statistics.too_long[row]
    shares = ((cut, documents), (fill.packed, 1), (fill.alone, 1))
    fills.append([f'{row}', f'{cut:,}', *(_percent(*s) for s in shares)])
  header = ['row', 'too long for it', 'share', 'fill, packed', 'fill, alone']
  yield Table(header, fills)
  yield Paragraph(
    'A row has [CLS] and [SEP] beside its tokens; a document that is too'
    ' long is cut into parts. Fill is the share of positions that hold'
    ' tokens of documents, where whole documents and parts are packed, the'
    ' longest that fits first, and where each has a row of its own:'
    ' an estimate of what packing gains.'
  )


def _words(
  statistics: Statistics, unknown: UnknownWords | None
) -> Iterator[Block]:
  totals, words = _totals(statistics), statistics.words
  yield Heading('Words and tokens')
  yield Paragraph(
    f'{totals["pieces"] / max(1, totals["words"]):.3f} tokens per word'
    f' between white space. {totals["unknown pieces"]:,} tokens are unknown,'
    f' {_percent(totals["unknown pieces"], totals["pieces"])} of all.'
  )
  if words is None:
    yield Paragraph(
      'Which words these are cannot be said without the vocabulary, and no'
      ' document can be shown: name it with --vocab.'
    )
    return
  forgotten = ''
  if words.forgotten:
    forgotten = (
      f' Of rare words {words.forgotten:,} were forgotten on the way, to bound'
      ' memory; the lists below are of frequent ones.'
    )
  yield Paragraph(
    f'As BERT splits text, each sign of punctuation a word:'
    f' {words.words:,} words in {statistics.sampled:,} documents,'
    f' {words.pieces / max(1, words.words):.3f} tokens each;'
    f' {_percent(words.split, words.words)} have more than one token, and'
    f' {_percent(words.unknown, words.words)} are unknown.'
    f' {words.different:,} different ones.{forgotten}'
  )
  yield Heading('Words that cost most', 3)
  if not words.costly:
    yield Paragraph('No word has more than one token.')
  else:
    yield Paragraph('By the total number of tokens beyond the first:')
    yield _word_table(words.costly)
    yield Heading('Words split most', 3)
    often = all(word.count > 2 for word in words.finest)
    rare = 'None of them was met three times; of those met once or twice:'
    yield Paragraph('Of those met three times or more:' if often else rare)
    yield _word_table(words.finest)
  yield Heading('Unknown words', 3)
  yield from _unknown(unknown)
  if words.beside:
    yield Paragraph('Neighbours of unknown words in the shards:')
    rows = [[a or '–', b or '–', f'{n:,}'] for a, b, n in words.beside]
    yield Table(['before', 'after', 'times'], rows)


def _word_table(words: Sequence[Word]) -> Table:
  rows = [
    [w.text, f'{w.count:,}', f'{len(w.pieces)}', ' '.join(w.pieces)]
    for w in words
  ]
  return Table(['word', 'times', 'tokens', 'as'], rows)


def _unknown(unknown: UnknownWords | None) -> Iterator[Block]:
  if unknown is None:
    yield Paragraph(
      'Shards hold tokens, and an unknown word is the one token [UNK]: the'
      ' word itself is lost. To see the words, name the files the corpus was'
      ' made from with --input.'
    )
    return
  yield Paragraph(
    f'In the text of {unknown.articles:,} articles of the input, as they'
    ' stand there (also such as were dropped later), '
    f'{unknown.occurrences:,} words are unknown; the most frequent, with'
    ' the code points that are not ASCII:'
  )
  rows = [[w, f'{n:,}', _code_points(w)] for w, n in unknown.words]
  yield Table(['word', 'times', 'characters'], rows)


def _code_points(word: str) -> str:
  strange = dict.fromkeys(c for c in word if not c.isascii())
  return ' '.join(f'U+{ord(c):04X}' for c in strange)


def _texts(statistics: Statistics) -> Iterator[Block]:
  if not statistics.texts:
    return
  yield Heading('Documents')
  yield Paragraph(
    'Drawn at random, one sentence per line, the tokens of a word joined;'
    ' blanks stand where BERT splits.'
  )
  for id, sentences in statistics.texts:
    lines = [
      s if len(s) <= _CHARACTERS else f'{s[:_CHARACTERS]} …' for s in sentences
    ]
    if (more := len(lines) - _SENTENCES) > 0:
      lines = [*lines[:_SENTENCES], f'… {more:,} more sentences']
    yield Heading(id, 3)
    yield pages.Verbatim('\n'.join(lines))


def draw_lengths(statistics: Statistics) -> bytes:
  """The histograms of lengths, as a PNG."""
  # A second to import, and only a report needs it.
  import matplotlib as mpl

  mpl.use('Agg')
  from matplotlib import pyplot

  figure, axes = pyplot.subplots(1, 2, figsize=(11, 3.6), dpi=110)
  whole = 'all documents'
  sample = whole if _is_whole(statistics) else 'a sample'
  panels = (
    ('document', whole, statistics.pieces_per_document),
    ('sentence', sample, statistics.pieces_per_sentence),
  )
  for axis, (what, of, one) in zip(axes, panels, strict=True):
    _draw_panel(axis, one)
    axis.set_title(f'tokens per {what} ({of})', fontsize=11)
    axis.set_xlabel('tokens, log scale')
    axis.set_ylabel(f'{what}s')
  figure.tight_layout()
  content = io.BytesIO()
  # Without the version of the library, which would change the bytes.
  figure.savefig(content, format='png', metadata={'Software': None})
  pyplot.close(figure)
  return content.getvalue()


def _draw_panel(axis: Any, one: shard_statistics.Distribution) -> None:
  from matplotlib import ticker

  axis.stairs(one.counts, one.edges, fill=True, color='#4878a8')
  axis.set_xscale('log')
  rows = shard_statistics.ROWS
  axis.set_xlim(1, max(one.edges[-1], 2 * rows[-1]))
  top = axis.get_ylim()[1]
  axis.set_ylim(0, 1.12 * top)
  style = {'color': '#b03030', 'fontsize': 9, 'va': 'top'}
  for row in rows:
    axis.axvline(row, color='#b03030', lw=1, ls='--')
    axis.text(row, 1.1 * top, f' {row}', **style)
  for each in (axis.xaxis, axis.yaxis):
    each.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axis.grid(alpha=0.25)
