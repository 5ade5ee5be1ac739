// Builds the dashboard into dist/, which the gateway serves. Knows nothing of gateways: the page dials the host it came from.
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    // A preload polyfill and inlined assets would be the only things a strict Content-Security-Policy could trip over.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: true,
  },
});
