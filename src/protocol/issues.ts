// What zod found wrong with a frame, in one line that names each field, what is wrong with it and what is allowed. Knows no frame.
import type * as z from 'zod/mini';

export type Issue = z.core.$ZodIssue;
const MAX_ISSUES = 4;

/** `describe` says what is wrong with one field; `found` completes what it says. Default: what plain schemas expect. */
export function describeIssues(
  issues: readonly Issue[],
  input: unknown,
  describe = (issue: Issue, found: string) => `expected ${expectation(issue)}, ${found}`,
): string {
  const lines = issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = pathText(issue.path);
    const value = valueAt(input, issue.path);
    const found = value === undefined ? 'it is missing' : `not ${quote(value)}`;
    return `${path && `${path}: `}${describe(issue, found)}`;
  });
  if (issues.length > MAX_ISSUES) lines.push(`and ${issues.length - MAX_ISSUES} more`);
  return lines.join('; ');
}

/** What a schema without bounds would have taken. */
export function expectation(issue: Issue): string {
  if (issue.code === 'invalid_value') return issue.values.join(' or ');
  return issue.code === 'invalid_type' ? issue.expected : issue.message;
}

export function pathText(path: readonly PropertyKey[]): string {
  const part = (key: PropertyKey) => String(key).slice(0, 40);
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${part(key)}`)).join('');
}

export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return value;
}

/** Short, on one line, whatever it is. */
export function quote(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 40) : value);
  return typeof value === 'string' && value.length > 40 ? `${text}…` : text;
}
