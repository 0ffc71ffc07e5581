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

/** Lines wait this long for others, or until they fill this much: a write for each costs as much as the line itself. */
const gatherMs = 20;
const gatherBytes = 8_192;
const defaultMaxWaitingBytes = 8 * 1024 * 1024;

export function openLogOutput({ to, maxWaitingBytes: maxLength, onError }: LogOutputOptions): LogOutput {
  const bounds = { minLength: gatherBytes, maxLength: maxLength ?? defaultMaxWaitingBytes };
  const output = pino.destination({ dest: to, sync: false, ...bounds });
  let droppedLines = 0;
  let flushing: 'none' | 'scheduled' = 'none';
  output.on('drop', () => {
    droppedLines += 1;
  });
  if (onError !== undefined) output.on('error', onError);
  const flush = (): void => {
    flushing = 'none';
    output.flush();
  };
  return {
    get droppedLines() {
      return droppedLines;
    },
    write(line) {
      output.write(line);
      if (flushing === 'scheduled') return;
      flushing = 'scheduled';
      setTimeout(flush, gatherMs);
    },
  };
}
