// A profile in the format of pprof (`go tool pprof`, Pyroscope, Parca): samples with their stacks in, protobuf out.
// Source: github.com/google/pprof, proto/profile.proto; field numbers stand beside what they number.
import protobuf from 'protobufjs/minimal.js';

export interface StackFrame {
  readonly functionName: string;
  readonly file: string;
  /** From 1; 0: unknown. */
  readonly line: number;
}

export interface ProfileSample {
  /** The innermost call first. */
  readonly stack: readonly StackFrame[];
  /** One for each of the profile's kinds of values. */
  readonly values: readonly number[];
}

export interface ValueKind {
  readonly type: string;
  readonly unit: string;
}

export interface SampledProfile {
  readonly kinds: readonly ValueKind[];
  readonly samples: readonly ProfileSample[];
  /** What happens between two samples: so much of this kind. */
  readonly period: { readonly kind: ValueKind; readonly amount: number };
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly durationMs: number;
}

const nanosecondsPerMillisecond = 1_000_000;

export function encodeProfile(profile: SampledProfile): Uint8Array {
  const writer = protobuf.Writer.create();
  const texts = new Table<string>();
  // The format wants the empty text first.
  texts.indexOf('', '');
  const functions = new Table<StackFrame>();
  const locations = new Table<StackFrame>();
  const locationOf = (frame: StackFrame): number => {
    const { functionName, file, line } = frame;
    functions.indexOf(`${functionName}\n${file}`, frame);
    return locations.indexOf(`${functionName}\n${file}\n${line}`, frame) + 1;
  };

  for (const kind of profile.kinds) writeKind(writer, 1, kind, texts);
  for (const { stack, values } of profile.samples) {
    writer.uint32(tag(2)).fork();
    writePacked(writer, 1, stack.map(locationOf));
    writePacked(writer, 2, values);
    writer.ldelim();
  }
  for (const [index, { functionName, file, line }] of locations.entries()) {
    writer.uint32(tag(4)).fork();
    writeNumber(writer, 1, index + 1);
    writer.uint32(tag(4)).fork();
    writeNumber(writer, 1, functions.indexOf(`${functionName}\n${file}`, { functionName, file, line }) + 1);
    writeNumber(writer, 2, line);
    writer.ldelim().ldelim();
  }
  for (const [index, { functionName, file }] of functions.entries()) {
    const name = texts.indexOf(functionName, functionName);
    writer.uint32(tag(5)).fork();
    writeNumber(writer, 1, index + 1);
    writeNumber(writer, 2, name);
    writeNumber(writer, 3, name);
    writeNumber(writer, 4, texts.indexOf(file, file));
    writer.ldelim();
  }
  writeNumber(writer, 9, profile.startedAtMs * nanosecondsPerMillisecond);
  writeNumber(writer, 10, profile.durationMs * nanosecondsPerMillisecond);
  writeKind(writer, 11, profile.period.kind, texts);
  writeNumber(writer, 12, profile.period.amount);
  for (const [, text] of texts.entries()) writer.uint32(tag(6)).string(text);
  return writer.finish();
}

/** Each value once, in the order in which they came. */
class Table<T> {
  readonly #places = new Map<string, number>();
  readonly #values: T[] = [];

  indexOf(key: string, value: T): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.#values.length);
    return this.#values.push(value) - 1;
  }

  entries(): IterableIterator<[number, T]> {
    return this.#values.entries();
  }
}

/** Of a field that is length-delimited. */
function tag(field: number): number {
  return (field << 3) | 2;
}

function writeNumber(writer: protobuf.Writer, field: number, value: number): void {
  writer.uint32(field << 3).int64(Math.round(value));
}

function writePacked(writer: protobuf.Writer, field: number, values: readonly number[]): void {
  writer.uint32(tag(field)).fork();
  for (const value of values) writer.int64(Math.round(value));
  writer.ldelim();
}

function writeKind(writer: protobuf.Writer, field: number, { type, unit }: ValueKind, texts: Table<string>): void {
  writer.uint32(tag(field)).fork();
  writeNumber(writer, 1, texts.indexOf(type, type));
  writeNumber(writer, 2, texts.indexOf(unit, unit));
  writer.ldelim();
}
