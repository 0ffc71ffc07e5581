// A bounded log of one process: whole lines with time and origin, two files of at most 1 MiB. Chunks in, lines on disk
// out; the last lines stay in memory for messages.
import { appendFileSync, renameSync, statSync } from 'node:fs';

export interface LogFile {
  readonly path: string;
  /** Bytes of one output of a process; incomplete lines wait for their end. */
  write(origin: string, chunk: Buffer): void;
  /** The last lines, newest last, without time and origin. */
  tail(): readonly string[];
}

const longestFileBytes = 1_048_576;
const longestLineBytes = 16_384;
const keptLines = 20;

export function openLogFile(path: string): LogFile {
  const partial = new Map<string, string>();
  const last: string[] = [];
  let sizeBytes = 0;

  const put = (origin: string, line: string) => {
    const text = `${new Date().toISOString()} ${origin} ${line}\n`;
    if (sizeBytes + text.length > longestFileBytes) {
      renameSync(path, `${path}.1`);
      sizeBytes = 0;
    }
    appendFileSync(path, text);
    sizeBytes = sizeBytes === 0 ? statSync(path).size : sizeBytes + text.length;
    last.push(line);
    if (last.length > keptLines) last.shift();
  };

  return {
    path,
    write(origin, chunk) {
      const lines = `${partial.get(origin) ?? ''}${chunk.toString()}`.split('\n');
      const rest = lines.pop() ?? '';
      partial.set(origin, rest.length > longestLineBytes ? '' : rest);
      if (rest.length > longestLineBytes) lines.push(rest);
      for (const line of lines) put(origin, line);
    },
    tail: () => [...last],
  };
}
