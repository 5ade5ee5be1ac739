// From the bytes of a key or value to what the application works with. Knows nothing of consumers.
import { LogError, type RecordHeader, type TopicPartition } from '../protocol/index.ts';

/** Called for every key and value that is not null, in order. What it throws becomes the cause of a DESERIALIZATION_FAILED. Must be synchronous. */
export type Deserializer<T> = (
  bytes: Uint8Array,
  context: TopicPartition & { readonly headers: readonly RecordHeader[] },
) => T;

/** The part of the Standard Schema interface (version 1) that is used here: zod, valibot, arktype and others have it. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}
type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };
interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The bytes themselves: a view that keeps its whole batch in memory, so copy (`slice()`) what you keep. */
export function bytes(): Deserializer<Uint8Array> {
  return (value) => value;
}

/** UTF-8, exactly: a byte order mark is kept, and bytes that are not UTF-8 are an error. */
export function text(): Deserializer<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return (value) => decoder.decode(value);
}

/** JSON in UTF-8 (a leading byte order mark is skipped); with a schema, what the schema makes of it. A schema that answers with a promise is an error. */
export function json(): Deserializer<unknown>;
export function json<T>(schema: StandardSchemaV1<unknown, T>): Deserializer<T>;
export function json<T>(schema?: StandardSchemaV1<unknown, T>): Deserializer<unknown> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parse = (value: Uint8Array): unknown => JSON.parse(decoder.decode(value));
  if (schema === undefined) return parse;
  const standard: unknown = Reflect.get(Object(schema), '~standard');
  if (typeof standard !== 'object' || standard === null || typeof Reflect.get(standard, 'validate') !== 'function') {
    throw new LogError(
      'INVALID_CONFIG',
      'json(schema): the schema must implement Standard Schema (zod, valibot, arktype …)',
    );
  }
  return (value) => {
    const result = schema['~standard'].validate(parse(value));
    if ('then' in result) {
      // Its rejection, if any, has no other listener.
      result.then(undefined, () => undefined);
      throw new LogError(
        'DESERIALIZATION_FAILED',
        'json(schema): the schema is asynchronous; a deserializer must be synchronous',
      );
    }
    if (result.issues !== undefined) throw new LogError('DESERIALIZATION_FAILED', describe(result.issues));
    return result.value;
  };
}

function describe(issues: readonly SchemaIssue[]): string {
  const all = issues.map(({ path, message }) => {
    const where = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  return `the value does not fit the schema: ${all.join('; ')}`;
}
