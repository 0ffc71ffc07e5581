// Log lines of a worker on their way to the thread that writes them: gathered for a moment, bounded by what is not written yet.
// A line that finds no room is dropped and counted. In: lines. Out: bundles of them.

export interface ForwardedLines {
  /** @param line with its line feed */
  write(line: string): void;
  /** So many characters have been written. */
  taken(length: number): void;
  /** Sends what has been gathered. */
  flush(): void;
}

const gatherMs = 20;
const gatherLength = 65_536;
const defaultMaxWaiting = 8 * 1024 * 1024;

/** @param maxWaiting characters that are not written yet */
export function createForwardedLines(
  send: (lines: readonly string[], dropped: number) => void,
  maxWaiting = defaultMaxWaiting,
): ForwardedLines {
  let lines: string[] = [];
  let gathered = 0;
  let waiting = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (lines.length === 0 && dropped === 0) return;
    send(lines, dropped);
    lines = [];
    gathered = 0;
    dropped = 0;
  }

  return {
    write(line) {
      if (waiting + line.length > maxWaiting) dropped += 1;
      else {
        lines.push(line);
        gathered += line.length;
        waiting += line.length;
      }
      if (gathered >= gatherLength) flush();
      else timer ??= setTimeout(flush, gatherMs);
    },
    taken(length) {
      waiting -= length;
    },
    flush,
  };
}
