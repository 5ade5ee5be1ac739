// Secrets by which a client takes its group member up again from another connection. Knows nothing of members.

/** 256 random bits, as 43 characters of base64url. */
export function createResumeToken(): string {
  const bits = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bits))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace('=', '');
}

/** SHA-256 in hexadecimal digits: what is kept of a token. Nobody can come back with what is found on a disk. */
export async function hashOfToken(token: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
