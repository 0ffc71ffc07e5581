// The logger everything gets by argument: pino, as JSON or in ztunnel's plain format, chosen by LOG_FORMAT.
// Events are written in the past tense with stable field names (`connection closed`, src.addr, dst.addr …).
import type { Logger as PinoLogger } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child' | 'isLevelEnabled'>;
