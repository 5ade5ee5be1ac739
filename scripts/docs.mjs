// Compiles every `ts` code block of the documents, so that no reader copies code that does not work.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run, StepError } from './lib/steps.mjs';

const out = join(root, 'dist/.docs');

/** The code of all fenced blocks in that language, in order. */
export function codeBlocks(markdown, language) {
  return [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\b[^\\n]*\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1],
  );
}

function documents() {
  const at = (dir) =>
    readdirSync(join(root, dir))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(dir, name));
  return [...at('.'), ...at('docs'), ...at('gateway')];
}

main(async () => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  let blocks = 0;
  for (const document of documents()) {
    const markdown = readFileSync(join(root, document), 'utf8');
    for (const [index, code] of codeBlocks(markdown, 'ts').entries()) {
      writeFileSync(join(out, `${document.replaceAll(/[/\\.]/g, '-')}-${index + 1}.ts`), `${code}\nexport {};\n`);
      blocks += 1;
    }
  }
  if (blocks === 0) throw new StepError('The documents have no ts code blocks to compile');
  const config = {
    extends: '../../tsconfig.test.json',
    compilerOptions: { noUnusedLocals: false },
    include: ['./*.ts'],
    exclude: [],
  };
  writeFileSync(join(out, 'tsconfig.json'), JSON.stringify(config));
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', out]);
});
