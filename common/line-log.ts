// Log lines of which many are written, as those of connections: text from the first field on, without a logger's objects, in the two
// formats of all other lines (ztunnel.md §11). In: a line's fields, one after the other. Out: the line. Nothing is redacted.
import type { LogLevel } from './log-levels.ts';
import { logTime } from './log-time.ts';
import { formatAddress } from './plain-log-line.ts';

export type LineLevel = Exclude<LogLevel, 'off'>;

/** What does not exist is left out. */
export interface LogLine {
  /** Written bare in the plain format, where it can be. */
  address(name: string, value: string | undefined): void;
  text(name: string, value: string | undefined): void;
  number(name: string, value: number): void;
  fields(fields: LineFields): void;
  /** Writes the line. */
  end(): void;
}

/** Fields that stand in many lines alike: their text is made once for each format. */
export class LineFields {
  readonly #write: (line: LogLine) => void;
  #plain: string | undefined;
  #json: string | undefined;

  /** @param write what of the line is to be repeated; it does not end it */
  constructor(write: (line: LogLine) => void) {
    this.#write = write;
  }

  get plain(): string {
    this.#plain ??= this.#textOf(new PlainLine(() => {}, ''));
    return this.#plain;
  }

  get json(): string {
    this.#json ??= this.#textOf(new JsonLine(() => {}, ''));
    return this.#json;
  }

  #textOf(line: PlainLine | JsonLine): string {
    this.#write(line);
    return line.soFar;
  }
}

export interface LineLog {
  isLevelEnabled(level: LineLevel): boolean;
  /** @param message one line */
  begin(level: LineLevel, message: string): LogLine;
}

export interface LineLogOptions {
  readonly format: 'plain' | 'json';
  readonly scope: string;
  readonly isLevelEnabled: (level: LineLevel) => boolean;
  readonly write: (line: string) => void;
}

export function createLineLog({ format, scope, isLevelEnabled, write }: LineLogOptions): LineLog {
  const begin =
    format === 'plain'
      ? (level: LineLevel, message: string) => new PlainLine(write, `${logTime()}\t${level}\t${scope}\t${message}\t`)
      : (level: LineLevel, message: string) =>
          new JsonLine(write, `{"level":"${level}","time":"${logTime()}","scope":"${scope}","message":"${message}"`);
  return { isLevelEnabled, begin };
}

/** What JSON writes as it is. */
const needsEscapes = /["\\\p{Cc}\ud800-\udfff]/u;

class PlainLine implements LogLine {
  readonly #write: (line: string) => void;
  #line: string;
  #gap = '';

  constructor(write: (line: string) => void, start: string) {
    this.#write = write;
    this.#line = start;
  }

  get soFar(): string {
    return this.#line;
  }

  address(name: string, value: string | undefined): void {
    if (value === undefined) return;
    this.#line += `${this.#gap}${name}=${formatAddress(value)}`;
    this.#gap = ' ';
  }

  text(name: string, value: string | undefined): void {
    if (value === undefined) return;
    this.#line += `${this.#gap}${name}=${quoted(value)}`;
    this.#gap = ' ';
  }

  number(name: string, value: number): void {
    this.#line += `${this.#gap}${name}=${value}`;
    this.#gap = ' ';
  }

  fields({ plain }: LineFields): void {
    if (plain === '') return;
    this.#line += this.#gap + plain;
    this.#gap = ' ';
  }

  end(): void {
    this.#write(`${this.#line}\n`);
  }
}

class JsonLine implements LogLine {
  readonly #write: (line: string) => void;
  #line: string;

  constructor(write: (line: string) => void, start: string) {
    this.#write = write;
    this.#line = start;
  }

  get soFar(): string {
    return this.#line;
  }

  address(name: string, value: string | undefined): void {
    this.text(name, value);
  }

  text(name: string, value: string | undefined): void {
    if (value !== undefined) this.#line += `,"${name}":${quoted(value)}`;
  }

  number(name: string, value: number): void {
    this.#line += `,"${name}":${value}`;
  }

  fields(fields: LineFields): void {
    this.#line += fields.json;
  }

  end(): void {
    this.#write(`${this.#line}}\n`);
  }
}

function quoted(value: string): string {
  return needsEscapes.test(value) ? JSON.stringify(value) : `"${value}"`;
}
