/**
 * What others wrote and our comment repeats: reasons, output, branches, file names, subjects. It may start no CI, neither
 * ours nor another's, hide or reorder what people read, nor look like a result to any program that reads comments.
 */

/** Both in every case, and with letters that only look like these to a program that folds case. */
const COMMANDS = /recheck|reverify/giu;
/** `run-<CI name>`; the names end in CI, and may have spaces in them. */
const RUN_COMMAND =
  /(?<![\p{L}\p{N}])run-(?=[^\s-][\p{L}\p{N} _.+-]{0,64})(?=[\p{L}\p{N} _.+-]{0,64}ci(?![\p{L}\p{N}]))/giu;
/** What begins like a change's id. Gerrit makes a link of it, and a second link hides a job from the page script. */
const CHANGE_ID = /\bI(?=[0-9a-f]{8})/g;
/** Longer than what is shown by far; cut first, so that a huge text costs nothing. */
const INPUT_LIMIT = 4_000;
const NO_BREAK_HYPHEN = '\u2011';

/** A line that was put together: what is harmless piece by piece may not be so as a whole. */
export function harmlessLine(line: string): string {
  return withoutCommands(line);
}

/** In one line. Reads as before to a person, and as nothing to a program. */
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

/** Inside a job's line no second link may stand, nor ` in ` but before the time. */
export function harmlessInJobLine(text: string): string {
  return harmless(text)
    .replace(/[a-z]{0,10}:\/\//gi, '')
    .replace(CHANGE_ID, 'I_')
    .replace(/ in(?= |$)/g, '\u00a0in');
}

/** One word that no reader cuts or takes for a link. A job's name in the configuration is one already. */
export function harmlessName(name: string): string {
  const word = name
    .slice(0, INPUT_LIMIT)
    .replace(/[^\w.+-]+/g, '-')
    .replace(CHANGE_ID, 'I_')
    .slice(0, 100);
  return withoutCommands(word, '_') || 'job';
}

/** An address that every reader takes whole: what it cannot hold is escaped, and so are words in it that start CIs. */
export function harmlessUrl(url: string): string {
  return url
    .replace(/[^\w$.+!',%:@=?#/~&-]+/gu, escapeAll)
    .replace(
      /(re)(c)(heck)|(re)(v)(erify)/gi,
      (word) => `${word.slice(0, 2)}${escapeAll(word.charAt(2))}${word.slice(3)}`,
    )
    .replace(/run-(?=\S{0,64}ci)/gi, (word) => `${word.slice(0, 3)}%2D`);
}

/** True for a text that some CI would take for a command. */
export function holdsCommand(text: string): boolean {
  const plain = text.replace(/\p{Cf}/gu, '');
  return [COMMANDS, RUN_COMMAND].some((command) => new RegExp(command.source, 'iu').test(plain));
}

function withoutCommands(text: string, hyphen = '-'): string {
  return text
    .replace(COMMANDS, (word) => `${word.slice(0, 2)}${hyphen}${word.slice(2)}`)
    .replace(RUN_COMMAND, (word) => `${word.slice(0, 3)}${hyphen === '-' ? NO_BREAK_HYPHEN : hyphen}`);
}

/** Percent-encoding in UTF-8, of letters too. A lone surrogate cannot be encoded and is left out. */
function escapeAll(text: string): string {
  return Array.from(text, (character) => {
    if (/^[\x21-\x7e ]$/.test(character))
      return `%${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`;
    return /\p{Cs}/u.test(character) ? '' : encodeURIComponent(character);
  }).join('');
}
