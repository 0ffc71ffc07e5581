// Makes the loggers that everything gets by argument: pino, written as JSON or in ztunnel's plain format, without
// waiting for the reader; what is left is written when the process ends. Secrets are cut out wherever they stand.
import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino } from 'pino';
import { createLineLog, type LineLog } from './line-log.ts';
import type { Logger } from './log.ts';
import { openLogFile } from './log-file-process.ts';
import { defaultDirectives, type LevelDirectives, type LogLevel, levelOf, logLevels } from './log-levels.ts';
import { type LogOutput, openLogOutput } from './log-output.ts';
import { logTime } from './log-time.ts';
import { formatPlainLine } from './plain-log-line.ts';

export interface LoggingOptions {
  readonly format: 'plain' | 'json';
  readonly directives?: LevelDirectives;
  /** Default: standard output, written asynchronously and flushed at the end of the process. */
  readonly sink?: DestinationStream;
}

export interface Logging {
  /** The same logger for the same scope. Loggers derived from it keep the level of the time they were made at. */
  logger(scope: string): Logger;
  /** For a scope with a line for each connection. */
  lines(scope: string): LineLog;
  readonly directives: LevelDirectives;
  /** Changes the level of every scope at once. */
  apply(directives: LevelDirectives): void;
  /** For lines in a format of their own: a file's path, `/dev/stdout` (between the logs' lines) or `/dev/stderr`. */
  output(path: string): DestinationStream;
  /** Of all outputs: lines that were dropped because nobody took them in time. */
  droppedLines(): number;
}

export interface CreateLoggerOptions {
  readonly format: 'plain' | 'json';
  readonly level: LogLevel;
  readonly scope: string;
}

const secretFields = new Set(['token', 'authorization', 'privateKeyPem', 'keyPem', 'password']);

export function createLogging(options: LoggingOptions): Logging {
  const { sink } = options;
  const destination: LogOutput =
    sink === undefined ? openLogOutput({ to: 1 }) : { write: (line) => void sink.write(line), droppedLines: 0 };
  const outputs = createOutputs(destination, () => logging.logger('log'));
  const root = pino(pinoOptions, options.format === 'plain' ? plainSink(destination) : destination);
  const loggers = new Map<string, PinoLogger>();
  let directives = options.directives ?? defaultDirectives;
  const logging: Logging = {
    ...outputs,
    get directives() {
      return directives;
    },
    logger(scope) {
      const logger = loggers.get(scope) ?? root.child({ scope }, { level: pinoLevel(levelOf(directives, scope)) });
      loggers.set(scope, logger);
      return logger;
    },
    lines(scope) {
      const enabled = (): number => logLevels.indexOf(levelOf(directives, scope));
      let [at, last] = [directives, enabled()];
      return createLineLog({
        format: options.format,
        scope,
        isLevelEnabled(level) {
          if (at !== directives) [at, last] = [directives, enabled()];
          return logLevels.indexOf(level) <= last;
        },
        write: (line) => destination.write(line),
      });
    },
    apply(changed) {
      directives = changed;
      for (const [scope, logger] of loggers) logger.level = pinoLevel(levelOf(directives, scope));
    },
  };
  return logging;
}

/** One logger, for a program that has no use for more. */
export function createLogger({ format, level, scope }: CreateLoggerOptions): Logger {
  return createLogging({ format, directives: { fallback: level, scopes: new Map() } }).logger(scope);
}

const pinoOptions: LoggerOptions = {
  base: null,
  level: 'trace',
  messageKey: 'message',
  timestamp: () => `,"time":"${logTime()}"`,
  // Not pino's own `redact`, which takes longer than all the rest of a line.
  formatters: { level: (level) => ({ level }), log: withoutSecrets, bindings: withoutSecrets },
  serializers: { error: errorText, err: errorText },
};

type Fields = Record<string, unknown>;

/** Secrets stand in a field of their own or one level deeper. */
function withoutSecrets(fields: Fields): Fields {
  let clean = fields;
  for (const [name, value] of Object.entries(fields)) {
    const shown = secretFields.has(name) ? '[redacted]' : withoutNested(value);
    if (shown !== value) clean = { ...clean, [name]: shown };
  }
  return clean;
}

function withoutNested(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  const secret = Object.keys(value).filter((name) => secretFields.has(name));
  if (secret.length === 0) return value;
  return { ...value, ...Object.fromEntries(secret.map((name) => [name, '[redacted]'])) };
}

/** Those that were opened, by path; `/dev/stdout` is where the logs go themselves. */
function createOutputs(own: LogOutput, log: () => Logger) {
  const outputs = new Map<string, LogOutput>([['/dev/stdout', own]]);
  return {
    output(path: string): DestinationStream {
      const known = outputs.get(path);
      if (known !== undefined) return known;
      const onError = (error: unknown): void => log().error({ path, error }, 'cannot write the log file');
      const opened = open(path, onError);
      outputs.set(path, opened);
      return opened;
    },
    droppedLines: () => [...outputs.values()].reduce((sum, { droppedLines }) => sum + droppedLines, 0),
  };
}

function open(path: string, onError: (error: unknown) => void): LogOutput {
  try {
    return openLogOutput({ to: path === '/dev/stderr' ? 2 : openLogFile(path), onError });
  } catch (error) {
    onError(error);
    return createLostOutput();
  }
}

/** In place of a file that cannot be opened: its lines count as dropped. */
function createLostOutput(): LogOutput {
  let droppedLines = 0;
  return {
    get droppedLines() {
      return droppedLines;
    },
    write() {
      droppedLines += 1;
    },
  };
}

function errorText(error: unknown): unknown {
  return error instanceof Error ? error.message : error;
}

function plainSink(destination: DestinationStream): DestinationStream {
  return { write: (line) => destination.write(formatPlainLine(JSON.parse(line))) };
}

function pinoLevel(level: LogLevel): string {
  return level === 'off' ? 'silent' : level;
}
