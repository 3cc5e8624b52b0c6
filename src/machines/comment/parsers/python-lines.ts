/**
 * Splits text into lines like the parsers written in Python: they also end lines at other characters than the line
 * feed, so text after a form feed or a Unicode separator may look like a job line. Every control character counts as a
 * line end here.
 */

export function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r\n|(?!\t)[\p{Cc}\u2028\u2029]/u);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
