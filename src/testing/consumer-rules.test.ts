// Rules, cases and docs/CONFORMANCE.md against each other: nothing is promised that nothing checks, and nothing is called green that is not there.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { conformanceDocument, titleOf } from '../../scripts/lib/conformance-document.mjs';
import { consumerCases } from './consumer-cases.ts';
import { consumerRules } from './consumer-rules.ts';

const at = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));

describe('the rules of the consumer', () => {
  it('each have a case or a test elsewhere', () => {
    const checked = new Set(consumerCases.flatMap(({ rules }) => rules));
    const open = consumerRules.filter(({ id, checkedBy }) => !checked.has(id) && checkedBy.length === 0);
    expect(open.map(({ id, text }) => `${id}: ${text}`)).toEqual([]);
  });

  it('are numbered without holes, and every case names rules that exist', () => {
    const numbers = new Map<string, number>();
    for (const { id } of consumerRules) {
      const [section = ''] = id.split('-');
      numbers.set(section, (numbers.get(section) ?? 0) + 1);
      expect<string>(id).toBe(`${section}-${numbers.get(section)}`);
    }
    const known = new Set(consumerRules.map(({ id }) => id));
    expect(consumerCases.filter(({ rules }) => rules.length === 0 || !rules.every((id) => known.has(id)))).toEqual([]);
  });

  it('name tests that exist', () => {
    const missing = consumerRules
      .flatMap(({ checkedBy }) => checkedBy)
      .filter(({ file, test }) => !existsSync(at(file)) || !declares(readFileSync(at(file), 'utf8'), test));
    expect(missing).toEqual([]);
  });
});

/** A test of that title, or one that begins so, is in this source. */
function declares(source: string, title: string): boolean {
  return source.split(title).some((before) => /\b(it|test)(\.\w+)*(\([^\n]*\))?\(\s*['"`]$/.test(before));
}

describe('the cases of the consumer', () => {
  it('have names of their own, and none begins like another, so that a report tells them apart', () => {
    const titles = consumerCases.map(titleOf).sort();
    expect(titles.filter((title, i) => titles[i + 1]?.startsWith(title))).toEqual([]);
  });
});

describe('docs/CONFORMANCE.md', () => {
  it('is what rules and cases say, all of it green', () => {
    const expected = conformanceDocument(consumerRules, consumerCases, () => 'passed');
    expect(readFileSync(at('docs/CONFORMANCE.md'), 'utf8')).toBe(expected);
  });
});
