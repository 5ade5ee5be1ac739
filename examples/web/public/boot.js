// Sets a remembered theme before the first paint, so that the page never flashes in the other one. The rest is src/theme.ts.
try {
  const theme = localStorage.getItem('dlog.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch (error) {
  // Storage may be forbidden; then the system's preference holds.
  console.debug('no stored theme', error);
}
