// The first message of TLS, as far as it says for whom it is: server name and protocols (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1).
// In: the first bytes of a connection, in any cut. Out: what they say, that more is needed, or that they are something else.

export type ClientHelloRead =
  /** As far as it goes, it may still be one. */
  | { readonly kind: 'incomplete' }
  /** Something else, or one that cannot be read. */
  | { readonly kind: 'no-hello' }
  | {
      readonly kind: 'hello';
      readonly serverName: string | undefined;
      /** ALPN, in the client's order. */
      readonly protocols: readonly string[];
    };

/** With every key share and ticket that clients send today it stays below 4 KiB. */
export const maxClientHelloBytes = 16_384;
/** Clients send one; some part it to get past middleboxes. Each look at the bytes costs by their number. */
const maxRecords = 16;

const handshakeRecord = 22;
const recordHeaderBytes = 5;
const maxRecordBytes = 16_384;
const clientHello = 1;
const messageHeaderBytes = 4;
const serverNameExtension = 0;
const protocolsExtension = 16;

const incomplete = { kind: 'incomplete' } as const;
const noHello = { kind: 'no-hello' } as const;

/** @param bytes everything that has come so far, at least one byte */
export function readClientHello(bytes: Buffer): ClientHelloRead {
  let message: Buffer = Buffer.alloc(0);
  // A message may be spread over several records (RFC 8446 §5.1).
  for (let at = 0, records = 1; at < bytes.length; records += 1) {
    if (records > maxRecords) return noHello;
    const record = readRecord(bytes.subarray(at));
    if (record.kind !== 'record') return record;
    message = at === 0 ? record.content : Buffer.concat([message, record.content]);
    const read = readMessage(message);
    if (read.kind !== 'incomplete') return read;
    at += record.recordBytes;
  }
  return incomplete;
}

/** Of a record that has not come whole, what has come counts. */
function readRecord(
  bytes: Buffer,
):
  | typeof noHello
  | typeof incomplete
  | { readonly kind: 'record'; readonly content: Buffer; readonly recordBytes: number } {
  const [type, major = 3] = bytes;
  if (type !== handshakeRecord || major !== 3) return noHello;
  if (bytes.length < recordHeaderBytes) return incomplete;
  const length = bytes.readUInt16BE(3);
  if (length === 0 || length > maxRecordBytes) return noHello;
  const recordBytes = recordHeaderBytes + length;
  return { kind: 'record', content: bytes.subarray(recordHeaderBytes, recordBytes), recordBytes };
}

function readMessage(message: Buffer): ClientHelloRead {
  const [type = clientHello] = message;
  if (type !== clientHello) return noHello;
  if (message.length < messageHeaderBytes) return incomplete;
  const end = messageHeaderBytes + message.readUIntBE(1, 3);
  if (end > maxClientHelloBytes) return noHello;
  if (message.length < end) return incomplete;
  try {
    return readBody(message.subarray(messageHeaderBytes, end));
  } catch (error) {
    if (error instanceof RangeError) return noHello;
    throw error;
  }
}

/** @throws RangeError where a length reaches beyond what holds it */
function readBody(body: Buffer): ClientHelloRead {
  const fields = new Fields(body);
  fields.skip(2 + 32);
  fields.vector(1);
  fields.vector(2);
  fields.vector(1);
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  const extensions = new Fields(fields.isAtEnd ? Buffer.alloc(0) : fields.vector(2));
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const value = extensions.vector(2);
    if (type === serverNameExtension) serverName = readServerName(value);
    else if (type === protocolsExtension) protocols = readProtocols(value);
  }
  return { kind: 'hello', serverName, protocols };
}

function readServerName(value: Buffer): string | undefined {
  const names = new Fields(new Fields(value).vector(2));
  while (!names.isAtEnd) {
    const type = names.number(1);
    const name = names.vector(2);
    if (type === 0) return name.toString('latin1');
  }
  return undefined;
}

function readProtocols(value: Buffer): readonly string[] {
  const list = new Fields(new Fields(value).vector(2));
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).toString('latin1'));
  return protocols;
}

/** TLS's presentation language, read from front to back. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  number(bytes: number): number {
    return this.#take(bytes).readUIntBE(0, bytes);
  }

  /** @param lengthBytes how long its length is */
  vector(lengthBytes: number): Buffer {
    return this.#take(this.number(lengthBytes));
  }

  #take(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) throw new RangeError('a field reaches beyond its message');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
