"""What became of the records of a corpus's input, in words."""

import collections
import os
import pathlib
from collections.abc import Iterator

from biobert_jax.data.pretraining.manifest import Manifest
from biobert_jax.io.report import Block, Heading, Paragraph, Table
from biobert_jax.preprocessing.token_shards.prepare import DROPPED

_SHOWN = 5  # Ids of each reason.

# What the readers met, by their names for it: records, each one article.
_RECORDS = {
  'pubmed_records': 'records of PubMed XML, all versions',
  'full_texts': 'full texts in JATS XML',
  'json_lines': 'JSON lines',
  'text_documents': 'documents of plain text',
}
# Records the readers did not hand on.
_REFUSED = {
  'dropped_no_pmid': 'without a PMID that is one',
  'dropped_no_text': 'without title, abstract or text',
  'dropped_not_english': 'of another language, as the record says',
  'dropped_not_latin_script': 'most letters not Latin: no piece would fit',
  'dropped_title_without_abstract': 'a title alone (--title_only keeps them)',
}
# What was done with those handed on.
_SET_ASIDE = {
  'excluded': 'named by --exclude',
  'without text': 'no piece was left of the text',
  'deleted': 'withdrawn by PubMed in a later file',
  'repeated': 'another record of the same id is later, and stands',
}
# What happened inside records, or to files.
_WITHIN = {
  'archive_members_skipped': 'files in archives that are not XML',
  'blank_lines': 'blank lines',
  'boilerplate_sections_dropped': (
    'sections such as funding, conflicts of interest, contributions'
  ),
  'book_records_dropped': 'records of books',
  'byte_order_marks': 'byte order marks at the start of files, taken off',
  'citations_dropped': 'citation numbers standing free or raised in text',
  'copyright_elements_dropped': 'copyright elements of records',
  'copyright_sentences_dropped': 'copyright sentences at the end of abstracts',
  'crlf_lines': 'lines that end as on Windows',
  'cross_reference_brackets_dropped': (
    'brackets of nothing but citations or cross-references'
  ),
  'definition_lists_dropped': 'definition lists',
  'deletions': 'withdrawals that PubMed announces',
  'empty_paragraphs_dropped': 'paragraphs without text',
  'empty_sections_dropped': 'sections without text',
  'figures_dropped': 'figures and their captions',
  'files_in_archives': 'XML files in archives, read',
  'footnotes_dropped': 'footnotes',
  'formulas_dropped': 'displayed formulas',
  'named_characters_mended': 'character names of HTML, put as characters',
  'other_abstracts_dropped': 'abstracts in other languages or for lay readers',
  'paragraphs_with_white_space_mended': (
    'paragraphs whose white space became single blanks'
  ),
  'placeholder_titles_dropped': 'titles such as [Not Available]',
  'program_texts_dropped': 'program listings',
  'records_of_articles_in_other_languages': (
    "records whose English text is PubMed's translation; kept unless dropped"
    ' above'
  ),
  'records_with_abstract': 'PubMed records with an abstract',
  'records_without_title': 'PubMed records with an abstract and no title',
  'references_dropped': 'references of reference lists',
  'sub_articles_dropped': 'articles within articles: letters, responses',
  'supplements_dropped': 'supplementary materials',
  'tables_dropped': 'tables',
  'title_brackets_removed': 'brackets around translated titles',
  'titles_without_abstract_dropped': (
    'titles of full texts that have no abstract; their sections are kept'
  ),
}


def unexplained(manifest: Manifest) -> int:
  """Articles kept beyond those that the counts lead to; 0: all accounted."""
  read, counts = manifest['readers'], manifest['counts']
  records = sum(read.get(name, 0) for name in _RECORDS)
  refused = sum(n for k, n in read.items() if k.startswith('dropped_'))
  aside = sum(counts.get(name, 0) for name in _SET_ASIDE)
  return int(counts['articles kept'] - (records - refused - aside))


def blocks(
  manifest: Manifest, directory: str | os.PathLike[str]
) -> Iterator[Block]:
  """The accounts as part of a report.

  Args:
    manifest: of the corpus.
    directory: that holds `dropped.tsv`; without it nothing is named.
  """
  read, counts = manifest['readers'], manifest['counts']
  yield Heading('From records to documents')
  rows = [['+', f'{read[k]:,}', v] for k, v in _RECORDS.items() if k in read]
  for name, count in sorted(read.items()):
    if name.startswith('dropped_'):
      why = _REFUSED.get(name, name.removeprefix('dropped_').replace('_', ' '))
      rows.append(['−', f'{count:,}', f'dropped: {why}'])
  for name, why in _SET_ASIDE.items():
    if counts.get(name):
      rows.append(['−', f'{counts[name]:,}', f'{name}: {why}'])
  kept, documents = counts['articles kept'], counts['documents']
  rows.append(['=', f'{kept:,}', f'articles kept, of {documents:,} documents'])
  yield Table(['', 'articles', 'what'], rows)
  off = unexplained(manifest)
  yield Paragraph(
    f'These do not add up by {off:+,}: the shards or the manifest are not what'
    ' was written.'
    if off
    else 'These add up. A document is a title with its abstract, or a section'
    ' of a full text.'
  )
  yield from _named(directory)
  within = [
    [f'{count:,}', _WITHIN.get(name, name.replace('_', ' '))]
    for name, count in sorted(read.items())
    if name not in _RECORDS
    and name != 'articles'
    and not name.startswith('dropped_')
  ]
  if within:
    yield Heading('Inside records', 3)
    yield Paragraph('What was read, mended or left out there:')
    yield Table(['times', 'what'], within)


def _named(directory: str | os.PathLike[str]) -> Iterator[Block]:
  """Some of the records that `dropped.tsv` names, by reason."""
  named: collections.Counter[str] = collections.Counter()
  first: dict[str, list[str]] = collections.defaultdict(list)
  path = pathlib.Path(directory, DROPPED)
  if not path.exists():
    return
  with open(path, encoding='utf-8', errors='replace') as file:
    next(file, None)
    for line in file:
      reason, _, rest = line.rstrip('\n').partition('\t')
      named[reason] += 1
      if len(first[reason]) < _SHOWN:
        first[reason].append(rest.partition('\t')[0])
  if not named:
    return
  yield Heading('Records by name', 3)
  yield Paragraph(
    f'{DROPPED} names these, up to 10,000 of each reason; translated_kept are'
    " kept: PubMed's English of articles in another language."
  )
  rows = [
    [reason.replace('_', ' '), f'{count:,}', ', '.join(first[reason])]
    for reason, count in sorted(named.items())
  ]
  yield Table(['reason', 'named', 'the first'], rows)
