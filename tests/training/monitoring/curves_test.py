"""The picture of a run has a panel for each kind of metric it has."""

import pytest
from etils import epath
from matplotlib import pyplot

from biobert_jax.training.monitoring.curves import draw_curves
from biobert_jax.training.monitoring.metric_writer import MetricWriter

PANELS = (
  ('loss', ('train/loss',)),
  ('dev set (%)', ('devel/macro_f1', 'devel/next_sentence_accuracy')),
  ('learning rate', ('train/learning_rate',)),
)


@pytest.fixture
def drawn(monkeypatch):
  """Figures that were drawn, which stay open until the end of the test."""
  close, figures = pyplot.close, []
  monkeypatch.setattr(pyplot, 'close', figures.append)
  yield figures
  for figure in figures:
    close(figure)


def write(folder, *steps, **scores):
  writer = MetricWriter(folder, 0)
  for step in steps:
    rates = {'train/loss': 1 / step, 'train/learning_rate': 1e-5 * step}
    writer.write(step, rates)
    if step % 2 == 0 and scores:
      writer.write(step, {f'devel/{name}': v for name, v in scores.items()})
  writer.close()


def test_panels_title_and_kept_checkpoint(tmp_path, drawn):
  folder = epath.Path(tmp_path / 'my_run')
  folder.mkdir()
  write(folder, 1, 2, 3, 4, macro_f1=0.6)
  draw_curves(folder, PANELS, 2, 100.0)
  (figure,) = drawn
  assert (folder / 'curves.png').read_bytes().startswith(b'\x89PNG\r\n')
  assert figure.get_suptitle() == 'my_run'
  assert [a.get_title() for a in figure.axes] == [t for t, _ in PANELS]
  scores = figure.axes[1].get_lines()
  assert list(scores[0].get_ydata()) == [60.0, 60.0]  # Percent.
  for axis in figure.axes:
    assert axis.get_xlim() == figure.axes[0].get_xlim()
    kept = axis.get_lines()[-1]
    assert kept.get_label() == 'kept checkpoint (2)'
    assert list(kept.get_xdata()) == [2, 2]


def test_a_run_without_dev_scores_has_no_empty_panel(tmp_path, drawn):
  write(epath.Path(tmp_path), 1, 2, 3)
  draw_curves(epath.Path(tmp_path), PANELS, 3)
  titles = [axis.get_title() for axis in drawn[0].axes]
  assert titles == ['loss', 'learning rate']


def test_next_sentences_are_shown_beside_chance(tmp_path, drawn):
  write(epath.Path(tmp_path), 1, 2, next_sentence_accuracy=71.0)
  draw_curves(epath.Path(tmp_path), PANELS, 2)
  _, chance, _ = drawn[0].axes[1].get_lines()
  assert chance.get_label() == 'chance (50 %)'
  assert list(chance.get_ydata()) == [50.0, 50.0]


def test_a_run_without_metrics_has_no_picture(tmp_path):
  draw_curves(epath.Path(tmp_path), PANELS, 0)
  assert not (tmp_path / 'curves.png').exists()


def test_a_longer_run_draws_another_picture(tmp_path):
  folder, pictures = epath.Path(tmp_path), []
  for steps in ((1, 2), range(1, 60)):
    write(folder, *steps)
    draw_curves(folder, PANELS, 2)
    pictures.append((folder / 'curves.png').read_bytes())
  assert pictures[0] != pictures[1]
