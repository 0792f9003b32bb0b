"""Results of protocols in the layout of the paper's Tables 6, 7 and 8."""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import report, storage
from biobert_jax.io.json_files import json_text
from biobert_jax.io.report import Block, Heading, Table
from biobert_jax.metrics import ner
from biobert_jax.protocol import published_results
from biobert_jax.protocol.ledger import Line

SUMMARY_FILE = 'table.json'
Summary = dict[str, Any]

# The factor that gives percent, and the names that measures are shown under.
# The first row applies whose metrics are all present, at least one not 0.
_MEASURES: tuple[tuple[float, dict[str, str]], ...] = (
  (1.0, {'P': 'precision', 'R': 'recall', 'F1': 'f1'}),
  (
    100.0,
    {
      'SAcc': 'factoid_strict_accuracy',
      'LAcc': 'factoid_lenient_accuracy',
      'MRR': 'factoid_mrr',
    },
  ),
  (100.0, {'P': 'list_precision', 'R': 'list_recall', 'F1': 'list_f1'}),
  (100.0, {'Acc': 'yesno_accuracy', 'macro F1': 'yesno_macro_f1'}),
  (1.0, {'EM': 'exact', 'F1': 'f1'}),
  (100.0, {'Acc': 'accuracy', 'macro F1': 'macro_f1'}),
)


def _measures(figures: dict[str, Any]) -> dict[str, float]:
  """Name -> percent of the metrics of a split, not rounded.

  Ledgers have scores of entities and relations with two decimals, beside the
  numbers that they follow from.
  """
  if figures.keys() >= {*ner.EntityScore._fields}:
    score = ner.EntityScore(
      *(figures[name] for name in ner.EntityScore._fields)
    )
    exact = {n: getattr(score, n) for n in ('precision', 'recall', 'f1')}
    figures = figures | exact
  fitting = [
    {shown: factor * figures[name] for shown, name in names.items()}
    for factor, names in _MEASURES
    if set(names.values()) <= figures.keys()
  ]
  if not fitting:
    return {n: float(v) for n, v in figures.items() if isinstance(v, float)}
  return next((row for row in fitting if any(row.values())), fitting[0])


def summary(
  corpus: str, tests: Sequence[Line], grid: Sequence[Line]
) -> Summary:
  """The results of a protocol, for a table.

  Args:
    corpus: its name, or that of its folder.
    tests: lines of the ledger, of all folds and seeds.
    grid: lines of the grid's runs; may be empty.

  Returns:
    By name: measures are percent, with the mean of each seed and fold; `over`
    is what the standard deviation is over. The mean over folds is the mean of
    the folds' own metrics, F1 too, as in the paper.
  """
  row = published_results.find(corpus)
  seeds = sorted({line['seed'] for line in tests})
  folds = list(dict.fromkeys(line['fold'] for line in tests if line['fold']))
  each = [
    {key: line[key] for key in ('run', 'seed', 'fold', 'test_also_in_train')}
    | {'measures': _measures(line['test_figures'])}
    for line in tests
  ]

  def means(name: str, key: str, wanted: Sequence[Any]) -> list[float]:
    values = [(run[key], run['measures'][name]) for run in each]
    return [statistics.fmean(v for k, v in values if k == w) for w in wanted]

  measures = {}
  for name in each[0]['measures']:
    by_seed, by_fold = means(name, 'seed', seeds), means(name, 'fold', folds)
    over = by_fold or by_seed
    measures[name] = {
      'mean': statistics.fmean(run['measures'][name] for run in each),
      # That of a sample (n - 1), which takes two values.
      'deviation': statistics.stdev(over) if len(over) > 1 else None,
      'seeds': by_seed,
      'folds': by_fold,
    }
  return {
    'corpus': row.corpus if row else corpus,
    'seeds': seeds,
    'folds': folds,
    'over': 'folds' if folds else 'seeds',
    'point': tests[0]['point'],
    'measures': measures,
    'each': each,
    'devel': [{'point': run['point'], 'score': run['devel']} for run in grid],
  }


def write(folder: storage.Place, summaries: Sequence[Summary]) -> None:
  """Writes `table.md`, `.html`, `.csv`, and of one protocol `.json`."""
  blocks = _blocks(summaries)
  texts = {'table.md': report.markdown(blocks), 'table.csv': _csv(summaries)}
  texts['table.html'] = report.page(blocks)
  if len(summaries) == 1:
    texts[SUMMARY_FILE] = json_text(summaries[0], ascii=True)
  for name, text in texts.items():
    storage.write(folder / name, text)


def _published(one: Summary) -> tuple[int, dict[str, tuple[str, ...]]]:
  """(table, measure -> its published figures); table 0 is none of theirs."""
  row = published_results.find(one['corpus'])
  names = tuple(one['measures'])
  if row is None or published_results.TABLES[row.table][1] != names:
    return 0, dict.fromkeys(names, ('–',) * len(published_results.SYSTEMS))
  cells = [[f'{score:.2f}' for score in system] for system in row.scores]
  return row.table, dict(zip(names, zip(*cells, strict=True), strict=True))


def _shown(value: float | None) -> str:
  return '–' if value is None else f'{value:.2f}'


def _blocks(summaries: Sequence[Summary]) -> list[Block]:
  blocks: list[Block] = [Heading('Test scores beside the published ones', 1)]
  by_table: dict[int, list[Summary]] = {}
  for one in summaries:
    by_table.setdefault(_published(one)[0], []).append(one)
  # The paper's tables in their order, and then what is in none.
  for number in sorted(by_table, key=lambda n: n or 99):
    title = 'Not in the paper'
    if number:
      about, _ = published_results.TABLES[number]
      title = f'{about} (Lee et al. 2019, Table {number})'
    blocks += [Heading(title), *_comparison(number, by_table[number])]
  for one in summaries:
    blocks += [Heading(one['corpus']), report.Bullets(notes(one)), _each(one)]
    if one['devel']:
      blocks.append(_devel(one))
  return blocks


def _comparison(number: int, summaries: Sequence[Summary]) -> list[Block]:
  """Ours beside the published scores of a table of the paper, and a plot."""
  rows: list[tuple[str, ...]] = []
  dots: list[tuple[str, list[float], float | None]] = []
  strong: list[int] = []
  for one in summaries:
    _, theirs = _published(one)
    for name, measure in one['measures'].items():
      *before, last = theirs[name]
      newest = None if last == '–' else float(last)
      gap = '–' if newest is None else f'{measure["mean"] - newest:+.2f}'
      ours = f'{measure["mean"]:.2f} ± {_shown(measure["deviation"])}'
      paper = (last, gap, *before) if number else ()
      rows.append((one['corpus'], name, ours, *paper))
    # The last measure is set bold and drawn.
    strong.append(len(rows) - 1)
    dots.append((one['corpus'], measure['folds'] or measure['seeds'], newest))
  *before, system = published_results.SHORT_NAMES
  published = (system, 'Difference', *before) if number else ()
  header = ('Corpus', 'Measure', 'Ours ± sd', *published)
  over = ' or '.join(sorted({one['over'] for one in summaries}))
  about = f'The last measure of each corpus, one dot for each of its {over}.'
  table = Table(header, rows, frozenset(strong))
  return [table, report.DotPlot(about, dots, system)]


def notes(one: Summary) -> list[str]:
  """Remarks that a reader of a protocol's results needs."""
  seeds, folds = one['seeds'], one['folds']
  found = []
  if folds:
    found.append(
      f'The mean of {len(folds)} folds, F1 too: the mean of their F1; ± is '
      'the standard deviation over folds.'
    )
    if _published(one)[0] and len(folds) != 10:
      found.append(f'The paper has 10 folds; these are {", ".join(folds)}.')
  elif one['devel']:
    found.append(
      'Trained on the train and dev sets, with the selected configuration.'
    )
  if _published(one)[0] == 6:
    # github.com/dmis-lab/biobert, issues 7, 90 and 94.
    found.append('The authors report the best of their runs; ours is a mean.')
  if one['devel']:
    point = ', '.join(f'{k} = {v}' for k, v in one['point'].items())
    score = max(d['score'] for d in one['devel'] if d['score'] is not None)
    found.append(
      f'The dev set selected {point} among {len(one["devel"])} grid '
      f'configurations: {score:.2f}.'
    )
  name, measure = list(one['measures'].items())[-1]
  spread = measure['seeds']
  if len(seeds) == 1:
    found.append(
      'One seed: how much the score varies with chance is not known; run with '
      '--seeds=5.'
    )
  else:
    found.append(
      f'{len(seeds)} seeds: {name} from {min(spread):.2f} to '
      f'{max(spread):.2f}, standard deviation {statistics.stdev(spread):.2f}.'
    )
  return found


def _each(one: Summary) -> Table:
  names = tuple(one['measures'])
  rows = []
  for run in one['each']:
    also = run['test_also_in_train']
    scores = [f'{run["measures"][name]:.2f}' for name in names]
    place = (run['fold'] or '–', str(run['seed']))
    rows.append((*place, *scores, '–' if also is None else str(also)))
  return Table(('Fold', 'Seed', *names, 'Test also in train'), rows)


def _devel(one: Summary) -> Table:
  keys = tuple(one['devel'][0]['point'])
  rows = []
  for tried in one['devel']:
    score = tried['score']
    shown = 'diverged' if score is None else f'{score:.2f}'
    rows.append((*(str(tried['point'][key]) for key in keys), shown))
  return Table((*keys, 'Dev set'), rows)


def _csv(summaries: Sequence[Summary]) -> str:
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  theirs, ours = published_results.SYSTEMS, ('ours', 'deviation')
  more = ('deviation_over', 'seeds', 'folds')
  writer.writerow(('table', 'corpus', 'measure', *theirs, *ours, *more))
  for one in summaries:
    number, published = _published(one)
    counted = (one['over'], len(one['seeds']), len(one['folds']))
    for name, measure in one['measures'].items():
      scores = (_shown(measure['mean']), _shown(measure['deviation']))
      cells = [cell.replace('–', '') for cell in (*published[name], *scores)]
      writer.writerow((number or '', one['corpus'], name, *cells, *counted))
  return file.getvalue()


def table(workdirs: str, output: str) -> dict[str, Any]:
  """Joins the tables of several protocols, work folders with commas between."""
  summaries = []
  for workdir in workdirs.split(','):
    path = storage.path(workdir) / SUMMARY_FILE
    try:
      summaries.append(json.loads(storage.read_text(path)))
    except (OSError, ValueError) as error:
      raise InputError(
        f'{path}: cannot be read; --workdirs are folders of finished '
        f'`biobert-jax protocol` runs ({error})'
      ) from error
  folder = storage.path(output)
  try:
    write(folder, summaries)
  except OSError as error:
    raise InputError(f'--output {folder}: {error.strerror}') from error
  names = [one['corpus'] for one in summaries]
  return {'output': str(folder), 'corpora': names}
