// How many bytes a text has on the wire. Knows nothing of frames.

/** Bytes of the text in UTF-8; counting stops soon after `enough` is passed. */
export function utf8Length(text: string, enough = Number.POSITIVE_INFINITY): number {
  // Every UTF-16 unit is at least one byte: a huge frame need not be looked at.
  if (text.length > enough) return text.length;
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Two units of a surrogate pair make four bytes; a lone one is replaced by three.
    const pair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
    if (pair) i++;
    bytes += pair ? 2 : unit < 0x800 ? 1 : 2;
    if (bytes > enough) return bytes;
  }
  return bytes;
}

/** As much of the text as takes at most `bytes`, in whole characters. */
export function cutToUtf8Length(text: string, bytes: number): string {
  let cut = text;
  while (utf8Length(cut, bytes) > bytes) cut = cut.slice(0, -1);
  return cut;
}
