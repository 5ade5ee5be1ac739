// The directory that the gateways under test serve: the built dashboard, and next to it the pages of e2e/pages, bundled as a user would.
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const DASHBOARD = fileURLToPath(new URL('../../examples/web/dist', import.meta.url));

export class Site {
  readonly dir: string;

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'dlog-site-'));
    cpSync(DASHBOARD, this.dir, { recursive: true });
  }

  /** Bundles `source` with the browser's conditions and the public entry point only; returns the page's path. */
  async add(
    name: string,
    source: { readonly file: string } | { readonly code: string; readonly resolveDir: string },
    body = '',
  ): Promise<string> {
    const input =
      'file' in source
        ? { entryPoints: [source.file] }
        : { stdin: { contents: source.code, loader: 'ts' as const, resolveDir: source.resolveDir } };
    const { outputFiles } = await build({
      ...input,
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    });
    mkdirSync(join(this.dir, 'e2e'), { recursive: true });
    writeFileSync(join(this.dir, `e2e/${name}.js`), outputFiles[0]?.contents ?? '');
    writeFileSync(
      join(this.dir, `e2e/${name}.html`),
      `<!doctype html><meta charset="utf-8"><title>${name}</title>${body}<script type="module" src="/e2e/${name}.js"></script>`,
    );
    return `/e2e/${name}.html`;
  }
}
