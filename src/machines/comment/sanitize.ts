/**
 * Sanitizes untrusted text in our comments: reasons, output, branches, file names, subjects. It must not start any CI,
 * hide or reorder text, or look like a result to any program that parses comments.
 */

/** Matches both commands in any case, including letters that fold to these. */
const COMMANDS = /recheck|reverify/giu;
/** `run-<CI name>`; the names end in CI and may contain spaces. */
const RUN_COMMAND =
  /(?<![\p{L}\p{N}])run-(?=[^\s-][\p{L}\p{N} _.+-]{0,64})(?=[\p{L}\p{N} _.+-]{0,64}ci(?![\p{L}\p{N}]))/giu;
/** The beginning of a change id. Gerrit makes a link of it, and a second link hides a job from the page script. */
const CHANGE_ID = /\bI(?=[0-9a-f]{8})/g;
/** Input is cut to this length first, so that a huge text costs nothing. Far more than is shown. */
const INPUT_LIMIT = 4_000;
const NO_BREAK_HYPHEN = '\u2011';

/** Sanitizes a combined line, because safe parts can form an unsafe line. */
export function harmlessLine(line: string): string {
  return withoutCommands(line);
}

/** Sanitizes to one line, which looks the same to a person but has no meaning for a program. */
export function harmless(text: string): string {
  const plain = text
    .slice(0, INPUT_LIMIT)
    .replace(/[\p{Cf}\p{Co}\p{Cs}\p{Cn}]/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Zs}\s]+/gu, ' ')
    .trim()
    .replace(/^(?:[-*>]+\s*)+/, '')
    .replace(/ :(?= )/g, ':')
    .replaceAll('Merge Failed', 'merge failed');
  return withoutCommands(plain).trim();
}

/** A job line must not contain a second link, nor ` in ` except before the time. */
export function harmlessInJobLine(text: string): string {
  return harmless(text)
    .replace(/[a-z]{0,10}:\/\//gi, '')
    .replace(CHANGE_ID, 'I_')
    .replace(/ in(?= |$)/g, '\u00a0in');
}

/** One word that no parser splits or reads as a link. The configuration already requires this of job names. */
export function harmlessName(name: string): string {
  const word = name
    .slice(0, INPUT_LIMIT)
    .replace(/[^\w.+-]+/g, '-')
    .replace(CHANGE_ID, 'I_')
    .slice(0, 100);
  return withoutCommands(word, '_') || 'job';
}

/** A URL that every parser reads completely: escapes illegal characters, and CI commands in it. */
export function harmlessUrl(url: string): string {
  return url
    .replace(/[^\w$.+!',%:@=?#/~&-]+/gu, escapeAll)
    .replace(
      /(re)(c)(heck)|(re)(v)(erify)/gi,
      (word) => `${word.slice(0, 2)}${escapeAll(word.charAt(2))}${word.slice(3)}`,
    )
    .replace(/run-(?=\S{0,64}ci)/gi, (word) => `${word.slice(0, 3)}%2D`);
}

/** True for a text that some CI would read as a command. */
export function holdsCommand(text: string): boolean {
  const plain = text.replace(/\p{Cf}/gu, '');
  return [COMMANDS, RUN_COMMAND].some((command) => new RegExp(command.source, 'iu').test(plain));
}

function withoutCommands(text: string, hyphen = '-'): string {
  return text
    .replace(COMMANDS, (word) => `${word.slice(0, 2)}${hyphen}${word.slice(2)}`)
    .replace(RUN_COMMAND, (word) => `${word.slice(0, 3)}${hyphen === '-' ? NO_BREAK_HYPHEN : hyphen}`);
}

/** Percent-encodes all characters, including letters, in UTF-8. Drops lone surrogates, which cannot be encoded. */
function escapeAll(text: string): string {
  return Array.from(text, (character) => {
    if (/^[\x21-\x7e ]$/.test(character))
      return `%${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`;
    return /\p{Cs}/u.test(character) ? '' : encodeURIComponent(character);
  }).join('');
}
