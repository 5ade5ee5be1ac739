// Record headers as lines of 'name: value', and back. Knows nothing of the form they are typed into.

export type HeaderLines =
  | { readonly ok: true; readonly headers: readonly { readonly key: string; readonly value: Uint8Array }[] }
  | { readonly ok: false; readonly message: string };

/** Empty lines are passed over; order and duplicates are kept; the value may be empty and may contain colons. */
export function parseHeaderLines(text: string): HeaderLines {
  const encoder = new TextEncoder();
  const headers: { key: string; value: Uint8Array }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    const key = line.slice(0, colon).trim();
    if (colon < 0 || key === '') return { ok: false, message: `Line ${index + 1} is not "name: value".` };
    headers.push({ key, value: encoder.encode(line.slice(colon + 1).trim()) });
  }
  return { ok: true, headers };
}
