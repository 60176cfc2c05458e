// Keys of the metadata as subjects of the KV bucket: letters, digits, `/`, `_` and `-` as they are (so `nats kv` shows
// them readably), any other byte of the UTF-8 form as `=XX`.

const ESCAPED = /[^A-Za-z0-9/_-]/g;

/** The key's token in the bucket's subjects. */
export function keyToken(key: string): string {
  return Buffer.from(key, 'utf8')
    .toString('latin1')
    .replace(ESCAPED, (byte) => `=${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The key of a token. */
export function tokenKey(token: string): string {
  const bytes = token.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
