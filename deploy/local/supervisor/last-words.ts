// What to quote of a process that ended: the line of its log that names the error, or else its last one. Lines in, text out.

const longestWords = 240;

/** Node ends a crash with a stack, a brace and its version: the reason stands before them. */
export function lastWords(lines: readonly string[]): string {
  const said = lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}' && !/^Node\.js v\d/.test(line));
  const reasons = said.filter(
    (line) => /error|fail|cannot|refused|denied|invalid/i.test(line) && !line.startsWith('at '),
  );
  const words = reasons.at(-1) ?? said.at(-1) ?? 'nothing';
  return words.length > longestWords ? `${words.slice(0, longestWords)}…` : words;
}
