/**
 * Lines as the readers that are written in Python see them: more characters end a line for them than the line feed alone,
 * so what stands behind a form feed or a Unicode separator may look like a job line of its own. Any control character counts.
 */

export function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r\n|(?!\t)[\p{Cc}\u2028\u2029]/u);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
