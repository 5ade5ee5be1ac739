// A program of a test in one file, made of the sources, for what must happen to a process of its own.
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Resolves with the bundle's path, in `dir`. `entry`: relative to this file. */
export async function bundleProgram(entry: string, dir: string): Promise<string> {
  // The bundle finds lmdb as if it lay in the repository.
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const program = join(dir, 'program.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['lmdb'],
    alias: Object.fromEntries(
      ['core', 'protocol', 'server', 'testing'].map((name) => [
        `distributedlog/${name}`,
        join(ROOT, 'src', name, 'index.ts'),
      ]),
    ),
    logLevel: 'silent',
  });
  return program;
}
