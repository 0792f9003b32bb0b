const form = document.forms[0], items = [
  ...document.querySelectorAll('main [data-score]')];
form.oninput = () => {
  const least = Number(form.least.value);
  const off = new Set([...form.querySelectorAll('[name=type]')]
    .filter(box => !box.checked).map(box => box.value));
  let shown = 0;
  for (const item of items) {
    const hidden = off.has(item.dataset.type) ||
      least > Number(item.dataset.score);
    item.classList.toggle('off', hidden);
    shown += hidden ? 0 : 1;
  }
  form.least.nextElementSibling.textContent = least.toFixed(2);
  document.getElementById('shown').textContent = shown;
};
form.oninput();
