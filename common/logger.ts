// Makes the loggers that everything gets by argument: pino, written as JSON or in ztunnel's plain format, without
// waiting for the reader; what is left is written when the process ends. Secrets are cut out wherever they stand.
import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino } from 'pino';
import type { Logger } from './log.ts';
import { defaultDirectives, type LevelDirectives, type LogLevel, levelOf } from './log-levels.ts';
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
  readonly directives: LevelDirectives;
  /** Changes the level of every scope at once. */
  apply(directives: LevelDirectives): void;
}

export interface CreateLoggerOptions {
  readonly format: 'plain' | 'json';
  readonly level: LogLevel;
  readonly scope: string;
}

const secretFields = new Set(['token', 'authorization', 'privateKeyPem', 'keyPem', 'password']);
/** Lines wait this long for others, or until they fill this much: a write for each costs as much as the line itself. */
const gatherMs = 20;
const gatherBytes = 8_192;

export function createLogging(options: LoggingOptions): Logging {
  const destination = options.sink ?? gatheredOutput();
  const root = pino(pinoOptions, options.format === 'plain' ? plainSink(destination) : destination);
  const loggers = new Map<string, PinoLogger>();
  let directives = options.directives ?? defaultDirectives;
  return {
    get directives() {
      return directives;
    },
    logger(scope) {
      const logger = loggers.get(scope) ?? root.child({ scope }, { level: pinoLevel(levelOf(directives, scope)) });
      loggers.set(scope, logger);
      return logger;
    },
    apply(changed) {
      directives = changed;
      for (const [scope, logger] of loggers) logger.level = pinoLevel(levelOf(directives, scope));
    },
  };
}

/** One logger, for a program that has no use for more. */
export function createLogger({ format, level, scope }: CreateLoggerOptions): Logger {
  return createLogging({ format, directives: { fallback: level, scopes: new Map() } }).logger(scope);
}

const pinoOptions: LoggerOptions = {
  base: null,
  level: 'trace',
  messageKey: 'message',
  timestamp: () => `,"time":"${timestamp()}"`,
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

/** Standard output; what is left at the end of the process pino writes itself. */
function gatheredOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false, minLength: gatherBytes });
  let flushing: 'none' | 'scheduled' = 'none';
  const flush = (): void => {
    flushing = 'none';
    output.flush();
  };
  return {
    write(line) {
      output.write(line);
      if (flushing === 'scheduled') return;
      flushing = 'scheduled';
      setTimeout(flush, gatherMs);
    },
  };
}

/** RFC 3339 with microseconds, as ztunnel writes it. */
function timestamp(): string {
  const nowMs = performance.timeOrigin + performance.now();
  const microseconds = Math.floor((nowMs % 1) * 1000);
  return `${new Date(nowMs).toISOString().slice(0, -1)}${String(microseconds).padStart(3, '0')}Z`;
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
