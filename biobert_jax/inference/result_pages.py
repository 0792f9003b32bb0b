"""Relations and answers as HTML pages, of the same look as the entities'."""

import os
from collections.abc import Iterable

from biobert_jax.inference.results import (
  QuestionResult,
  RelatedDocument,
  YesNoResult,
)
from biobert_jax.io import html_page
from biobert_jax.io.html_page import escape, escape_lines
from biobert_jax.text.documents import marked_text

_SHOWN_ANSWERS = 10
Path = str | os.PathLike[str]


def _row(
  kinds: dict[str, int], kind: str, score: float, shown: str, *cells: str
) -> str:
  """A row of a table that the page's filter finds by type and score."""
  kinds[kind] = kinds.get(kind, 0) + 1
  inner = ''.join(f'<td>{escape(cell)}</td>' for cell in cells)
  mark = html_page.mark(kind, kinds, shown)
  return (
    f'<tr{html_page.scored(kind, score)}><td>{mark}</td>{inner}'
    f'<td class="n">{score:.3f}</td></tr>\n'
  )


def _table(rows: list[str], *header: str) -> str:
  cells = ''.join(f'<th>{name}</th>' for name in header)
  inner = f'<table>\n<tr>{cells}</tr>\n{"".join(rows)}</table>'
  return f'<div class="scroll">{inner}</div>\n' if rows else ''


def _relations(one: RelatedDocument, kinds: dict[str, int]) -> tuple[str, str]:
  text, entities = marked_text(one.document, kinds), one.document.entities
  rows = [
    _row(
      *(kinds, r.type, r.score, r.type),
      *(entities[r.first].text, entities[r.second].text),
    )
    for r in one.relations
  ]
  table = _table(rows, 'Relation', 'First', 'Second', 'Score')
  return one.document.id, text + table


def _answers(one: QuestionResult, kinds: dict[str, int]) -> tuple[str, str]:
  answers = one.answers[:_SHOWN_ANSWERS] if one.has_answer else []
  rows = [_row(kinds, 'answer', a.probability, a.text) for a in answers]
  parts = [f'<h3>{escape(one.request.question)}</h3>\n']
  parts.append(_table(rows, 'Answer', 'Probability'))
  for number, passage in enumerate(one.request.passages):
    text = passage.context
    shown = escape_lines(text)
    if answers and answers[0].passage == number:
      start, end = answers[0].start, answers[0].end
      best = html_page.mark('answer', kinds, text[start:end])
      shown = escape_lines(text[:start]) + best + escape_lines(text[end:])
    parts.append(f'<p dir="auto">{shown}</p>\n')
  return one.request.id, ''.join(parts)


def _yes_no(one: YesNoResult, kinds: dict[str, int]) -> tuple[str, str]:
  ranked = sorted(one.probabilities.items(), key=lambda pair: -pair[1])
  rows = [_row(kinds, label, share, label) for label, share in ranked]
  parts = [f'<h3>{escape(one.request.question)}</h3>\n']
  parts.append(_table(rows, 'Answer', 'Probability'))
  for passage in one.request.passages:
    parts.append(f'<p dir="auto">{escape_lines(passage.context)}</p>\n')
  return one.request.id, ''.join(parts)


def write_relations(results: Iterable[RelatedDocument], path: Path) -> None:
  """Writes each document with its entities marked and a table of relations."""
  nouns = ('entity or relation', 'entities and relations')
  every = (*nouns, 'document', 'documents')
  html_page.write_articles(path, 'Relations', every, results, _relations)


def write_answers(results: Iterable[QuestionResult], path: Path) -> None:
  """Writes each question, its ten best answers, and the best in its passage."""
  nouns = ('answer', 'answers', 'question', 'questions')
  html_page.write_articles(path, 'Answers', nouns, results, _answers)


def write_yes_no(results: Iterable[YesNoResult], path: Path) -> None:
  """Writes each question, the probability of each label, and its passages."""
  nouns = ('label', 'labels', 'question', 'questions')
  html_page.write_articles(path, 'Answers', nouns, results, _yes_no)
