// Where log lines go: a file, or one of the process' own outputs. Lines are gathered and written without waiting for the reader; what no reader
// takes is bounded, and a line that finds no room is dropped and counted. What is left at the end of the process is written then.
import { pino } from 'pino';

export interface LogOutput {
  /** @param line with its line feed */
  write(line: string): void;
  readonly droppedLines: number;
}

export interface LogOutputOptions {
  /** Number of an open file. */
  readonly to: number;
  /** Default 8 MiB. */
  readonly maxWaitingBytes?: number;
  /** The file cannot be written. */
  readonly onError?: (error: Error) => void;
}

/** Lines wait this long for others, or until they are this much: a write for each costs more than the line itself. */
const gatherMs = 20;
const gatherLength = 32_768;
const defaultMaxWaitingBytes = 8 * 1024 * 1024;

export function openLogOutput({ to, maxWaitingBytes, onError }: LogOutputOptions): LogOutput {
  const maxLength = maxWaitingBytes ?? defaultMaxWaitingBytes;
  const enough = Math.min(gatherLength, maxLength / 8);
  // Lines are not given to it one by one: with each it counts the bytes of all that wait.
  const output = pino.destination({ dest: to, sync: false, maxLength, maxWrite: gatherLength });
  let droppedLines = 0;
  let gathered = '';
  let timer: NodeJS.Timeout | undefined;
  output.on('drop', (lines: string) => {
    droppedLines += lines.split('\n').length - 1;
  });
  if (onError !== undefined) output.on('error', onError);
  const handOver = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const lines = gathered;
    gathered = '';
    if (lines !== '') output.write(lines);
  };
  handOverAtExit(handOver);
  return {
    get droppedLines() {
      return droppedLines;
    },
    write(line) {
      gathered += line;
      if (gathered.length >= enough) handOver();
      else timer ??= setTimeout(handOver, gatherMs);
    },
  };
}

/** Of all outputs: they are few, and as old as the process. */
const gatherings: (() => void)[] = [];

/** Before pino writes what it has, for the last time. */
function handOverAtExit(handOver: () => void): void {
  if (gatherings.length === 0) {
    process.prependOnceListener('exit', () => {
      for (const last of gatherings) last();
    });
  }
  gatherings.push(handOver);
}
