"""`curves.png`: the metrics of a run over its steps."""

import io
from typing import Any

from biobert_jax.io.atomic import write_bytes
from biobert_jax.io.storage import Place
from biobert_jax.training.monitoring.metric_writer import read_metrics

# Title, and the names of the metrics that it shows. A title that ends with
# (%) is of scores.
Panels = tuple[tuple[str, tuple[str, ...]], ...]
_PERCENT = '(%)'
# Metric -> what guessing scores, in percent: pairs are half and half.
_CHANCE = {'next_sentence_accuracy': 50.0}
_KEPT = {'color': 'tab:gray', 'linestyle': ':', 'linewidth': 1.2}


def draw_curves(
  workdir: Place, panels: Panels, kept_step: int, factor: float = 1.0
) -> None:
  """Draws panels that have metrics; `factor` makes the scores percent."""
  # A second to import, and only the end of a run needs it.
  import matplotlib as mpl

  mpl.use('Agg')
  from matplotlib import pyplot

  records = read_metrics(workdir)
  found = {name for record in records for name in record}
  drawn = [(t, [n for n in names if n in found]) for t, names in panels]
  drawn = [(title, names) for title, names in drawn if names]
  if not drawn:
    return
  figure, axes = pyplot.subplots(
    1, len(drawn), figsize=(4 * len(drawn), 3.6), sharex=True, squeeze=False
  )
  figure.suptitle(workdir.name)
  for axis, (title, names) in zip(axes[0], drawn, strict=True):
    scale = factor if title.endswith(_PERCENT) else 1.0
    for name in names:
      _draw(axis, records, name, scale)
    axis.set_title(title, fontsize='medium')
    axis.set_xlabel('step')
    axis.grid(alpha=0.3)
    axis.axvline(kept_step, label=f'kept checkpoint ({kept_step})', **_KEPT)
    if len(names) > 1 or axis is axes[0][0]:
      axis.legend(fontsize='small')
  axes[0][0].set_xlim(left=0)
  figure.tight_layout()
  picture = io.BytesIO()
  figure.savefig(picture, format='png', dpi=110)
  pyplot.close(figure)
  write_bytes(workdir / 'curves.png', picture.getvalue())


def _draw(
  axis: Any, records: list[dict[str, Any]], name: str, scale: float
) -> None:
  points = [(r['step'], scale * r[name]) for r in records if name in r]
  metric = name.partition('/')[2]
  style = {'marker': 'o' if len(points) < 40 else None, 'ms': 3}
  steps, values = zip(*points, strict=True)
  (line,) = axis.plot(steps, values, label=metric.replace('_', ' '), **style)
  if chance := _CHANCE.get(metric):
    style = {'color': line.get_color(), 'linestyle': '--', 'linewidth': 1}
    axis.axhline(chance, label=f'chance ({chance:g} %)', **style)
