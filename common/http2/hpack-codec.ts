// Header blocks (RFC 7541): fields to bytes and back. The decoder reads all that the format has; the encoder writes literals
// and references to the fixed table, so that it keeps no state. Texts are latin1: bytes pass through unchanged.
import { decodeHuffman } from './hpack-huffman.ts';
import { DynamicTable, fieldSizeBytes, type HeaderField, staticTable } from './hpack-tables.ts';

export const headerTableBytes = 4096;
/** The smallest size in between, and the last one (RFC 7541 §4.2). */
const maxTableUpdates = 2;
/** A block that decodes to more than this many times what we allow is made to cost us. */
const bombFactor = 8;
/** Above any length or index that a block within its limits can hold. */
const maxInteger = 1 << 24;

export type DecodedBlock =
  | { readonly kind: 'fields'; readonly fields: readonly HeaderField[] }
  /** Well-formed, and the table is up to date, but larger than we allow. */
  | { readonly kind: 'too-large'; readonly sizeBytes: number }
  /** Far larger than we allow; decoding has stopped, so that the connection must end. */
  | { readonly kind: 'bomb'; readonly detail: string }
  | { readonly kind: 'malformed'; readonly detail: string };

interface Cursor {
  readonly block: Buffer;
  at: number;
}

export class HpackDecoder {
  private readonly maxListBytes: number;
  private readonly table = new DynamicTable(headerTableBytes);

  constructor(maxListBytes: number) {
    this.maxListBytes = maxListBytes;
  }

  /** Decodes one whole block. After 'malformed' the tables of both sides differ and the connection must end. */
  decode(block: Buffer): DecodedBlock {
    const cursor: Cursor = { block, at: 0 };
    const fields: HeaderField[] = [];
    let sizeBytes = 0;
    let updatesLeft = maxTableUpdates;
    while (cursor.at < block.length) {
      const first = block[cursor.at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        // Only before the first field (RFC 7541 §4.2).
        updatesLeft -= 1;
        if (updatesLeft < 0 || !this.resize(cursor)) return malformed('table size update out of place or range');
        continue;
      }
      updatesLeft = 0;
      const field = this.readField(cursor, first);
      if (!field) return malformed(`unreadable field at byte ${cursor.at} of ${block.length}`);
      sizeBytes += fieldSizeBytes(field);
      if (sizeBytes <= this.maxListBytes) fields.push(field);
      else if (sizeBytes > this.maxListBytes * bombFactor) {
        return { kind: 'bomb', detail: `a header block of ${block.length} bytes holds more than ${sizeBytes}` };
      }
    }
    return sizeBytes > this.maxListBytes ? { kind: 'too-large', sizeBytes } : { kind: 'fields', fields };
  }

  private resize(cursor: Cursor): boolean {
    const size = readInteger(cursor, 5);
    return size !== undefined && this.table.resize(size) === 'resized';
  }

  private readField(cursor: Cursor, first: number): HeaderField | undefined {
    if (first & 0x80) {
      const index = readInteger(cursor, 7);
      return index === undefined ? undefined : this.table.get(index);
    }
    const isAdded = (first & 0x40) !== 0;
    const index = readInteger(cursor, isAdded ? 6 : 4);
    if (index === undefined) return undefined;
    const name = index === 0 ? readText(cursor) : this.table.get(index)?.[0];
    const value = name === undefined ? undefined : readText(cursor);
    if (name === undefined || value === undefined) return undefined;
    const field: HeaderField = [name, value];
    if (isAdded) this.table.add(field);
    return field;
  }
}

function malformed(detail: string): DecodedBlock {
  return { kind: 'malformed', detail };
}

function readInteger(cursor: Cursor, prefixBits: number): number | undefined {
  const { block } = cursor;
  const mask = (1 << prefixBits) - 1;
  let value = (block[cursor.at++] ?? 0) & mask;
  if (value < mask) return value;
  for (let shift = 0; ; shift += 7) {
    const byte = block[cursor.at++];
    if (byte === undefined || shift > 21) return undefined;
    value += (byte & 0x7f) << shift;
    if (value > maxInteger) return undefined;
    if (byte < 0x80) return value;
  }
}

function readText(cursor: Cursor): string | undefined {
  const isHuffman = ((cursor.block[cursor.at] ?? 0) & 0x80) !== 0;
  if (cursor.at >= cursor.block.length) return undefined;
  const length = readInteger(cursor, 7);
  if (length === undefined || length > cursor.block.length - cursor.at) return undefined;
  const from = cursor.at;
  cursor.at += length;
  const { block } = cursor;
  return isHuffman ? decodeHuffman(block.subarray(from, cursor.at)) : block.toString('latin1', from, cursor.at);
}

interface StaticName {
  /** Of the name alone. */
  readonly index: number;
  readonly indexByValue: Map<string, number>;
}

const staticNames = new Map<string, StaticName>();
for (const [position, [name, value]] of staticTable.entries()) {
  const known = staticNames.get(name) ?? { index: position + 1, indexByValue: new Map<string, number>() };
  staticNames.set(name, known);
  if (value !== '') known.indexByValue.set(value, position + 1);
}

/** Of one integer: the longest text that could be sent. */
const maxIntegerBytes = 6;

/**
 * @param place 'first' block of a connection: declares that our table is empty, so that no later SETTINGS of the peer,
 *   however small its table, asks for an answer (RFC 7541 §4.2).
 */
export function encodeFields(fields: readonly HeaderField[], place: 'first' | 'later'): Buffer {
  let mostBytes = 1;
  for (const [name, value] of fields) mostBytes += name.length + value.length + 3 * maxIntegerBytes;
  const cursor: Cursor = { block: Buffer.allocUnsafe(mostBytes), at: 0 };
  if (place === 'first') writeInteger(cursor, 0x20, 5, 0);
  for (const [name, value] of fields) {
    const known = staticNames.get(name);
    const whole = known?.indexByValue.get(value);
    if (whole !== undefined) {
      writeInteger(cursor, 0x80, 7, whole);
      continue;
    }
    writeInteger(cursor, 0, 4, known?.index ?? 0);
    if (known === undefined) writeText(cursor, name);
    writeText(cursor, value);
  }
  return cursor.block.subarray(0, cursor.at);
}

function writeInteger(cursor: Cursor, pattern: number, prefixBits: number, value: number): void {
  const { block } = cursor;
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    block[cursor.at++] = pattern | value;
    return;
  }
  block[cursor.at++] = pattern | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) block[cursor.at++] = (rest & 0x7f) | 0x80;
  block[cursor.at++] = rest;
}

function writeText(cursor: Cursor, text: string): void {
  writeInteger(cursor, 0, 7, text.length);
  cursor.at += cursor.block.write(text, cursor.at, 'latin1');
}
