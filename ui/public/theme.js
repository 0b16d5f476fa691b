// Runs before the first paint, so that the window never flashes in the other theme.
(function () {
  var choice = 'system';
  try { choice = localStorage.getItem('molecule.theme') || 'system'; } catch { /* storage is off */ }
  if (choice !== 'dark' && choice !== 'light' && choice !== 'contrast') {
    var asks = function (q) { return window.matchMedia && window.matchMedia(q).matches; };
    choice = asks('(prefers-contrast: more)') ? 'contrast' : asks('(prefers-color-scheme: light)') ? 'light' : 'dark';
  }
  document.documentElement.dataset.theme = choice;
})();
