import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    // Unit tests read the sources, so that a test run never checks a stale build.
    alias: [
      { find: /^distributedlog$/, replacement: src('index.ts') },
      { find: /^distributedlog\/node$/, replacement: src('transport-node/index.ts') },
      { find: /^distributedlog\/browser$/, replacement: src('transport-browser/index.ts') },
      { find: /^distributedlog\/(codecs|core|protocol|server|testing)$/, replacement: src('$1/index.ts') },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'gateway/src/**/*.test.ts', 'examples/web/src/**/*.test.ts'],
    testTimeout: 20_000,
  },
});
