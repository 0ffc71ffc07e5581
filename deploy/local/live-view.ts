// How a table is shown again and again: in place on a terminal, as plain lines elsewhere. Lines and the terminal's facts
// in, the characters to write out; pure.
import { fitText } from './mesh-status.ts';

export type Screen =
  | { readonly kind: 'terminal'; readonly columns: number; readonly rows: number; readonly colour: 'on' | 'off' }
  | { readonly kind: 'plain' };

/** @param shownLines how many lines the last view took; 0 at first */
export function redraw(screen: Screen, lines: readonly string[], shownLines: number): string {
  if (screen.kind === 'plain') return `${lines.join('\n')}\n`;
  const painted = lines.slice(0, Math.max(1, screen.rows - 1)).map((line) => {
    const fitting = fitText(line, screen.columns);
    return screen.colour === 'on' && isHeading(line) ? `\x1b[1m${fitting}\x1b[0m` : fitting;
  });
  const back = shownLines > 0 ? `\x1b[${shownLines}A` : '';
  return `${back}\r\x1b[J${painted.join('\n')}\n`;
}

export function shownLinesOf(screen: Screen, lines: readonly string[]): number {
  return screen.kind === 'plain' ? 0 : Math.min(lines.length, Math.max(1, screen.rows - 1));
}

/** Titles of columns are in capitals; a metric's name stands alone. */
function isHeading(line: string): boolean {
  return /^[A-Z][A-Z ]+$/.test(line) || /^istio_\S+$/.test(line);
}
