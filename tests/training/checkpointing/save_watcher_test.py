"""A save is watched: how long it took, and what failed."""

from biobert_jax.training.checkpointing import save_watcher


class Manager:
  def __init__(self, error=None):
    self.error = error

  def wait_until_finished(self):
    if self.error:
      raise self.error


def test_how_a_save_went(caplog, monkeypatch):
  caplog.set_level('INFO', 'biobert_jax')
  watch = save_watcher.SaveWatcher(Manager(), 7)
  watch.start()
  watch.join()
  assert watch.failure is None
  assert 'saved checkpoint 7 (0.0 s; training blocked 0.0 s)' in caplog.text
  assert 'preempted' not in caplog.text
  monkeypatch.setattr(save_watcher, 'GRACE_SECONDS', -1)
  watch = save_watcher.SaveWatcher(Manager(), 8)
  watch.start()
  watch.join()
  assert 'less than a checkpoint takes' in caplog.text


def test_what_failed_is_kept(caplog):
  caplog.set_level('INFO', 'biobert_jax')
  watch = save_watcher.SaveWatcher(Manager(ValueError('disk')), 7)
  watch.start()
  watch.join()
  assert str(watch.failure) == 'disk'
  assert 'saved checkpoint' not in caplog.text
