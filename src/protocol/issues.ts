// What zod found wrong with a frame, in one line that names each field, what is wrong with it and what is allowed. Knows no frame.
import type * as z from 'zod/mini';

type Issue = z.core.$ZodIssue;
/** zod/mini carries no texts of its own; any other message was written beside the schema. */
const NO_MESSAGE = 'Invalid input';
const MAX_ISSUES = 4;

export function describeIssues(issues: readonly Issue[], input: unknown, schema: z.core.$ZodType): string {
  const lines = issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = pathText(issue.path);
    return `${path === '' ? '' : `${path}: `}${describe(issue, input, schema)}`;
  });
  if (issues.length > MAX_ISSUES) lines.push(`and ${issues.length - MAX_ISSUES} more`);
  return lines.join('; ');
}

function describe(issue: Issue, input: unknown, schema: z.core.$ZodType): string {
  if (issue.message !== NO_MESSAGE) return issue.message;
  const found = () => {
    const value = valueAt(input, issue.path);
    return value === undefined ? 'it is missing' : `not ${quote(value)}`;
  };
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected}, ${found()}`;
    case 'invalid_value':
      return `expected ${issue.values.join(' or ')}, ${found()}`;
    case 'too_small':
      return `at least ${issue.minimum}${unit(issue.origin)}, ${found()}`;
    case 'too_big':
      return `at most ${issue.maximum}${unit(issue.origin)}, ${found()}`;
    case 'unrecognized_keys': {
      const allowed = keysAt(schema, input, issue.path);
      return `unknown key ${issue.keys.slice(0, MAX_ISSUES).map(quote).join(', ')}${allowed === '' ? '' : `, allowed: ${allowed}`}`;
    }
    case 'invalid_union': {
      const options = 'options' in issue ? issue.options : undefined;
      if (options !== undefined) return `expected one of ${options.join(', ')}, ${found()}`;
      // Each alternative has its own issues; its first one says what it would have taken.
      const expected = issue.errors.map(([first]) => (first === undefined ? 'something else' : expectation(first)));
      return `expected ${expected.join(' or ')}, ${found()}`;
    }
    default:
      return `is not allowed, ${found()}`;
  }
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_value') return issue.values.join(' or ');
  if (issue.code === 'invalid_type') return issue.expected;
  if (issue.code === 'too_small') return `at least ${issue.minimum}${unit(issue.origin)}`;
  return issue.code === 'too_big' ? `at most ${issue.maximum}${unit(issue.origin)}` : 'something else';
}

function unit(origin: string): string {
  return origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '';
}

function pathText(path: readonly PropertyKey[]): string {
  const part = (key: PropertyKey) => String(key).slice(0, 40);
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${part(key)}`)).join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return value;
}

/** Of the object that the schema has at this place, for this input. */
function keysAt(schema: z.core.$ZodType | undefined, input: unknown, path: readonly PropertyKey[]): string {
  if (schema === undefined) return '';
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const [key, ...rest] = path;
  if (def.type === 'optional' || def.type === 'nullable') return keysAt(def.innerType, input, path);
  if (def.type === 'union') {
    const type = valueAt(input, ['type']) as z.core.util.Primitive;
    return keysAt(
      def.options.find((option) => option._zod.propValues?.type?.has(type)),
      input,
      path,
    );
  }
  if (key === undefined) return def.type === 'object' ? Object.keys(def.shape).join(', ') : '';
  const inner = def.type === 'array' ? def.element : def.type === 'object' ? def.shape[String(key)] : undefined;
  return keysAt(inner, valueAt(input, [key]), rest);
}

/** Short, on one line, whatever it is. */
function quote(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 40) : value);
  return typeof value === 'string' && value.length > 40 ? `${text}…` : text;
}
