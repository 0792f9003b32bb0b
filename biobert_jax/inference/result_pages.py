"""Relations and answers as HTML pages, of the same look as the entities'."""

import os
from collections.abc import Iterable, Iterator

from biobert_jax.inference.question_files import QuestionResult, YesNoResult
from biobert_jax.inference.relation_files import RelatedDocument
from biobert_jax.io import html_page
from biobert_jax.io.html_page import escape, escape_lines
from biobert_jax.text.entity_page import marked_text

_SHOWN_ANSWERS = 10


def _row(
  kind: str, kinds: dict[str, int], score: float, *cells: str, **mark: str
) -> str:
  """A row of a table that the page's filter finds by type and score."""
  kinds[kind] = kinds.get(kind, 0) + 1
  inner = ''.join(f'<td>{escape(cell)}</td>' for cell in cells)
  shown = html_page.mark(kind, kinds, mark.get('text', kind))
  return (
    f'<tr{html_page.scored(kind, score)}><td>{shown}</td>{inner}'
    f'<td class="n">{score:.3f}</td></tr>\n'
  )


def _table(header: tuple[str, ...], rows: list[str]) -> str:
  cells = ''.join(f'<th>{name}</th>' for name in header)
  inner = ''.join(rows)
  return (
    f'<div class="scroll"><table>\n<tr>{cells}</tr>\n{inner}</table></div>\n'
    if rows
    else ''
  )


def write_relations(
  results: Iterable[RelatedDocument], path: str | os.PathLike[str]
) -> None:
  """Writes each document with its entities marked and a table of relations."""
  kinds: dict[str, int] = {}

  def articles() -> Iterator[tuple[str, str]]:
    for one in results:
      text = marked_text(one.document, kinds)
      entities = one.document.entities
      rows = [
        _row(
          *(relation.type, kinds, relation.score),
          *(entities[relation.first].text, entities[relation.second].text),
        )
        for relation in one.relations
      ]
      header = ('Relation', 'First', 'Second', 'Score')
      yield one.document.id, text + _table(header, rows)

  nouns = ('entity or relation', 'entities and relations')
  html_page.write_articles(
    *(path, 'Relations', (*nouns, 'document', 'documents')),
    *(articles(), kinds),
  )


def write_answers(
  results: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes each question, its passages with the best answer marked, and more.

  Args:
    results: questions with their answers; the ten best are listed.
    path: the file to write.
  """
  kinds: dict[str, int] = {}

  def articles() -> Iterator[tuple[str, str]]:
    for one in results:
      passages = one.request.passages
      answers = one.answers[:_SHOWN_ANSWERS] if one.has_answer else []
      rows = [
        _row('answer', kinds, answer.probability, text=answer.text)
        for answer in answers
      ]
      parts = [f'<h3>{escape(passages[0].text)}</h3>\n']
      parts.append(_table(('Answer', 'Probability'), rows))
      for number, passage in enumerate(passages):
        text = passage.context
        if answers and answers[0].passage == number:
          start, end = answers[0].start, answers[0].end
          best = html_page.mark('answer', kinds, text[start:end])
          shown = escape_lines(text[:start]) + best + escape_lines(text[end:])
        else:
          shown = escape_lines(text)
        parts.append(f'<p dir="auto">{shown}</p>\n')
      yield one.request.id, ''.join(parts)

  nouns = ('answer', 'answers', 'question', 'questions')
  html_page.write_articles(path, 'Answers', nouns, articles(), kinds)


def write_yes_no(
  results: Iterable[YesNoResult], path: str | os.PathLike[str]
) -> None:
  """Writes each question, the probability of each label, and its passages."""
  kinds: dict[str, int] = {}

  def articles() -> Iterator[tuple[str, str]]:
    for one in results:
      ranked = sorted(one.probabilities.items(), key=lambda pair: -pair[1])
      rows = [_row(label, kinds, share) for label, share in ranked]
      parts = [f'<h3>{escape(one.request.passages[0].text)}</h3>\n']
      parts.append(_table(('Answer', 'Probability'), rows))
      parts += [
        f'<p dir="auto">{escape_lines(passage.context)}</p>\n'
        for passage in one.request.passages
      ]
      yield one.request.id, ''.join(parts)

  nouns = ('label', 'labels', 'question', 'questions')
  html_page.write_articles(path, 'Answers', nouns, articles(), kinds)
