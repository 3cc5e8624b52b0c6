/**
 * Parses a mail: unfolds and decodes headers, decodes the text. Follows RFC 5322, 2045 and 2047 and does not use the
 * library that wrote the mail, because it would accept its own mistakes.
 */

export interface ReadMail {
  /** Original names, in order; values unfolded, not decoded. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly subject: string;
  readonly text: string;
}

/** @param data with CRLF or LF */
export function readMail(data: string): ReadMail {
  const lines = data.replaceAll('\r\n', '\n');
  const end = lines.indexOf('\n\n');
  if (end < 0) throw new Error('the mail has no body');
  const headers = lines
    .slice(0, end)
    .replace(/\n[ \t]/g, ' ')
    .split('\n')
    .map((line) => {
      const colon = line.indexOf(':');
      if (!/^[A-Za-z0-9-]+$/.test(line.slice(0, colon)))
        throw new Error(`not a header: ${JSON.stringify(line)}`);
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    });
  const value = (name: string): string => headers.find(([known]) => known.toLowerCase() === name)?.[1] ?? '';
  const body = lines.slice(end + 2);
  const text = decodedBody(body, value('content-transfer-encoding').toLowerCase());
  return { headers, subject: decodedWords(value('subject')), text: text.replace(/\n$/, '') };
}

/** The fields that the contract of mailers compares. */
export function delivered(to: readonly string[], data: string) {
  const { headers, subject, text } = readMail(data);
  const messageId = headers.find(([name]) => name === 'Message-ID')?.[1] ?? '';
  return { to, messageId, subject, text };
}

/** Decodes encoded words. The space between two of them is not part of the text. */
function decodedWords(value: string): string {
  return value
    .replace(/(=\?[^?]+\?[bqBQ]\?[^?]*\?=)\s+(?==\?)/g, '$1')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, kind: string, text: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(text, 'base64').toString('latin1')
        : quotedBytes(text.replaceAll('_', ' ')).toString('latin1'),
    )
    .replace(/[\u0080-\u00ff]+/g, (bytes) => Buffer.from(bytes, 'latin1').toString('utf8'));
}

function decodedBody(body: string, encoding: string): string {
  switch (encoding) {
    case 'base64':
      return Buffer.from(body, 'base64').toString('utf8');
    case 'quoted-printable':
      return quotedBytes(body.replace(/=\n/g, '')).toString('utf8');
    case '7bit':
      return body;
    default:
      throw new Error(`unknown encoding: ${encoding}`);
  }
}

function quotedBytes(text: string): Buffer {
  const bytes = text.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}
