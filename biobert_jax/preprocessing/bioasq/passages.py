"""The passages of BioASQ's questions: snippets, or abstracts of our own corpus.

  snippets    the experts' snippets as they are
  abstracts   title and abstract of each article that the question names
  appended    each snippet with the sentences before and after it in its
              article; as it is where it does not stand there

These are the three of BioBERT at BioASQ 7b (Yoon et al. 2019). A passage that
a question has already is left out (repeated_passages). Also counted, of
questions: documents_not_in_corpus; snippets_not_in_corpus (no article of that
PMID), snippets_not_in_article.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.bioasq.questions import RawQuestion, Snippet
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion
from biobert_jax.text.sentence_splitter import sentence_spans

KINDS = ('snippets', 'abstracts', 'appended')


class Abstract(NamedTuple):
  """An abstract that a question names."""

  text: str  # Title and abstract, joined by a blank.
  title_length: int  # Code points of the title, a sentence of its own.


def read_abstracts(
  patterns: Sequence[str], pmids: Iterable[str], counts: Counter[str]
) -> dict[str, Abstract]:
  """Reads the wanted articles of a raw corpus: shards hold tokens, not text.

  Args:
    patterns: of the files.
    pmids: of the articles that are wanted; no others are kept in memory.
    counts: takes what the readers count, and `abstracts_found`.

  Returns:
    Title and abstract by PMID; of several versions the highest, the last.

  Raises:
    InputError: a file that cannot be read, or none of the articles.
  """
  wanted = {f'pmid:{pmid}' for pmid in pmids}
  found: dict[str, Article] = {}
  for path in any_format.expand_globs(patterns):
    for one in any_format.read_file(path, counts, lambda reason, id_: None):
      if isinstance(one, Deletion):
        found.pop(one.id, None)
        continue
      for name in wanted.intersection((one.id, *one.other_ids)):
        if name not in found or one.version >= found[name].version:
          found[name] = one
  if wanted and not found:
    raise InputError(
      f'--corpus {" ".join(patterns)}: has none of the {len(wanted)} articles '
      'that the questions name; give the files that have their PMIDs'
    )
  counts['abstracts_found'] += len(found)
  abstracts = {}
  for name, article in found.items():
    paragraphs = article.sections[0].paragraphs
    title = len(paragraphs[0]) if len(paragraphs) > 1 else 0
    if paragraphs:  # Not of a full text without either.
      abstract = Abstract(' '.join(paragraphs), title)
      abstracts[name.removeprefix('pmid:')] = abstract
  return abstracts


def question_passages(
  question: RawQuestion,
  kind: str,
  abstracts: Mapping[str, Abstract],
  counts: Counter[str],
  sentences: int = 1,
) -> list[str]:
  """The passages of a question, each once, in their order there.

  Args:
    question: the question.
    kind: one of `KINDS`.
    abstracts: by PMID; not looked at for snippets.
    counts: takes what is left out, by the names in this file's first lines.
    sentences: of 'appended', on either side.
  """
  if kind == 'abstracts':
    found = [abstracts[p].text for p in question.pmids if p in abstracts]
    counts['documents_not_in_corpus'] += len(question.pmids) - len(found)
  elif kind == 'appended':
    found = [
      _appended(snippet, abstracts, counts, sentences)
      for snippet in question.snippets
    ]
  else:
    found = [snippet.text for snippet in question.snippets]
  kept = list(dict.fromkeys(found))
  counts['repeated_passages'] += len(found) - len(kept)
  return kept


def _appended(
  snippet: Snippet,
  abstracts: Mapping[str, Abstract],
  counts: Counter[str],
  sentences: int,
) -> str:
  """A snippet with the sentences around it."""
  abstract = abstracts.get(snippet.pmid)
  if abstract is None:
    counts['snippets_not_in_corpus'] += 1
    return snippet.text
  text, cut = abstract
  core = ' '.join(snippet.text.split())  # The corpus has single blanks.
  start = text.find(core)
  if start < 0:
    counts['snippets_not_in_article'] += 1
    return snippet.text
  end = start + len(core)
  spans = [*sentence_spans(text[:cut])] if cut else []
  spans += [(cut + a, cut + b) for a, b in sentence_spans(text[cut:])]
  inside = [i for i, (a, b) in enumerate(spans) if a < end and start < b]
  first = max(0, inside[0] - sentences)
  last = min(len(spans) - 1, inside[-1] + sentences)
  return text[min(start, spans[first][0]) : max(end, spans[last][1])].strip()
