// Indents JSON and names its tokens without reading its numbers, so that 64-bit integers stay as they were sent. Knows nothing of the page.

export type TokenKind = 'key' | 'string' | 'number' | 'literal' | 'plain';
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[-\d][\d.eE+-]*|true|false|null|[{}[\],:]/g;
const EMPTY: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** Tokens that, joined, are the text with two spaces of indentation a level. `text` must be valid JSON. */
export function formatJson(text: string): Token[] {
  const raw = text.match(TOKEN) ?? [];
  const tokens: Token[] = [];
  let plain = '';
  let depth = 0;
  const newline = (): string => `\n${'  '.repeat(depth)}`;
  const emit = (kind: TokenKind, value: string): void => {
    if (plain !== '') tokens.push({ kind: 'plain', text: plain });
    plain = '';
    tokens.push({ kind, text: value });
  };
  for (let index = 0; index < raw.length; index += 1) {
    const token = raw[index] ?? '';
    switch (token) {
      case '{':
      case '[':
        if (raw[index + 1] === EMPTY[token]) {
          plain += token + EMPTY[token];
          index += 1;
        } else {
          depth += 1;
          plain += token + newline();
        }
        break;
      case '}':
      case ']':
        depth -= 1;
        plain += newline() + token;
        break;
      case ',':
        plain += token + newline();
        break;
      case ':':
        plain += ': ';
        break;
      default:
        if (token.startsWith('"')) emit(raw[index + 1] === ':' ? 'key' : 'string', token);
        else emit(token === 'true' || token === 'false' || token === 'null' ? 'literal' : 'number', token);
    }
  }
  if (plain !== '') tokens.push({ kind: 'plain', text: plain });
  return tokens;
}
