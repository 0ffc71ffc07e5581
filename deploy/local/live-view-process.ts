// Shows a running mesh on the terminal: messages as they come, below them the table, refreshed in place; without a
// terminal, plain lines now and then. A status source in, characters on standard output out.
import { fetchSamples, fetchStatus } from './gate-client.ts';
import { redraw, type Screen, shownLinesOf } from './live-view.ts';
import type { MeshStatus } from './mesh-status.ts';
import { type Scrape, statusTable } from './status-table.ts';

export interface LiveView {
  /** A line that stays. */
  say(line: string): void;
  /** Asks the mesh again and again until `stop`. */
  follow(gateUrl: string): void;
  stop(): void;
}

const terminalRefreshMs = 1_000;
const plainRefreshMs = 10_000;

export function openLiveView(): LiveView {
  const output = process.stdout;
  let shownLines = 0;
  let lines: readonly string[] = [];
  let before: Scrape | undefined;
  let timer: NodeJS.Timeout | undefined;
  let life: 'open' | 'stopped' = 'open';

  const screen = (): Screen =>
    output.isTTY
      ? {
          kind: 'terminal',
          // A terminal that nobody has told its size says 0.
          columns: output.columns || 80,
          rows: output.rows || 24,
          colour: (process.env['NO_COLOR'] ?? '') === '' ? 'on' : 'off',
        }
      : { kind: 'plain' };

  const draw = (next: readonly string[]) => {
    if (screen().kind === 'plain' && next.join() === lines.join()) return;
    output.write(redraw(screen(), next, shownLines));
    shownLines = shownLinesOf(screen(), next);
    lines = next;
  };

  const refresh = async (gateUrl: string) => {
    const status: MeshStatus | undefined = await fetchStatus(gateUrl).catch(() => undefined);
    const samples = status === undefined ? [] : await fetchSamples(status);
    if (life === 'stopped') return;
    const now: Scrape = { samples, atMs: performance.now() };
    const view = screen();
    const columns = view.kind === 'terminal' ? view.columns : undefined;
    if (status !== undefined) draw(statusTable(now, before, columns));
    before = now;
    timer = setTimeout(() => void refresh(gateUrl), output.isTTY ? terminalRefreshMs : plainRefreshMs);
  };

  return {
    say(line) {
      if (screen().kind === 'terminal' && shownLines > 0) {
        output.write(redraw(screen(), [line], shownLines));
        shownLines = 0;
        if (lines.length > 0) draw(lines);
      } else output.write(`${line}\n`);
    },
    follow: (gateUrl) => void refresh(gateUrl),
    stop() {
      life = 'stopped';
      clearTimeout(timer);
    },
  };
}
