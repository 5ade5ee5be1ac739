// What is wrong with a field of a client's frame, whose schemas have bounds, alternatives and closed sets of keys. Knows no frame.
import type * as z from 'zod/mini';
import { expectation, type Issue, quote, valueAt } from './issues.ts';

/** zod/mini carries no texts of its own; any other message was written beside the schema. */
const NO_MESSAGE = 'Invalid input';
const MAX_KEYS = 4;

/** For describeIssues. */
export function describeClientIssue(issue: Issue, found: string, input: unknown, schema: z.core.$ZodType): string {
  if (issue.message !== NO_MESSAGE) return issue.message;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const allowed = keysAt(schema, input, issue.path);
      return `unknown key ${issue.keys.slice(0, MAX_KEYS).map(quote).join(', ')}${allowed === '' ? '' : `, allowed: ${allowed}`}`;
    }
    case 'invalid_union': {
      const options = 'options' in issue ? issue.options : undefined;
      if (options !== undefined) return `expected one of ${options.join(', ')}, ${found}`;
      // Each alternative has its own issues; its first one says what it would have taken.
      const expected = issue.errors.map(
        ([first]) => (first && (bound(first) ?? expectation(first))) ?? 'something else',
      );
      return `expected ${expected.join(' or ')}, ${found}`;
    }
    case 'invalid_type':
    case 'invalid_value':
      return `expected ${expectation(issue)}, ${found}`;
    default:
      return `${bound(issue) ?? 'is not allowed'}, ${found}`;
  }
}

function bound(issue: Issue): string | undefined {
  if (issue.code === 'too_small') return `at least ${issue.minimum}${unit(issue.origin)}`;
  return issue.code === 'too_big' ? `at most ${issue.maximum}${unit(issue.origin)}` : undefined;
}
function unit(origin: string): string {
  return origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '';
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
